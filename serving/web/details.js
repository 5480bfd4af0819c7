// What is shown of the active sentence below the panes: what is asked of it, other translations, and the alignment.

import { choose, takeBack } from "./interactive.js";
import { light } from "./pane.js";
import { ServerError } from "./server.js";
import { element, marked, say } from "./sheet.js";
import { NOTHING_ASKED, align, alignmentNow, can, canAlign, editOf, isWhole, state, translationOf, whenChanged } from "./state.js";

const details = document.getElementById("details");
const asked = document.getElementById("asked");
const inParts = document.getElementById("in-parts");
const nbest = document.getElementById("nbest");
const alignment = document.getElementById("alignment");

whenChanged((sentence) => {
  if (sentence === undefined || sentence === state.sentences[state.active]?.text) showDetails();
});
nbest.addEventListener("toggle", showOthers);
alignment.addEventListener("toggle", showAlignment);

export function showDetails() {
  details.hidden = !translationOf(state.active);
  if (details.hidden) return;
  inParts.hidden = isWhole(state.active);
  const { text } = state.sentences[state.active];
  const edit = can("constrained") ? editOf(text) : NOTHING_ASKED;
  asked.replaceChildren(...chips(edit, (what, word) => takeBack(text, what, word)));
  nbest.hidden = !can("nbest") || !isWhole(state.active);
  alignment.hidden = !canAlign() || !isWhole(state.active);
  showOthers();
  showAlignment();
}

/** What is asked of a translation, as buttons that take it back. */
function chips({ prefix, required, forbidden, isChosen }, remove) {
  const chip = (words, phrase, ...which) => {
    const text = phrase ? [`${words} “`, element("bdi", {}, phrase), "”"] : [words];
    const [before, after] = [element("span", { class: "unseen" }, "Remove: "), element("span", { ariaHidden: "true" }, " ×")];
    return element("li", {}, element("button", { type: "button", onclick: () => remove(...which) }, before, ...text, after));
  };
  return [
    ...(isChosen ? [chip("chosen from the list", "", "isChosen")] : []),
    ...(prefix ? [chip("begins with", prefix.trimEnd(), "prefix")] : []),
    ...required.map((word) => chip("with", word, "required", word)),
    ...forbidden.map((word) => chip("without", word, "forbidden", word)),
  ];
}

async function showOthers() {
  if (!nbest.open || nbest.hidden) return;
  const { text } = state.sentences[state.active];
  const list = nbest.querySelector("ol");
  try {
    const { translation: texts, score } = await state.translator.detail("nbest", { text });
    if (text !== state.sentences[state.active]?.text) return;
    const [shown, found] = [translationOf(state.active), texts.filter((_, place) => score[place] > -Infinity)];
    list.replaceChildren(...found.map((each, place) => otherTranslation(each, score[place], shown, text)));
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    say(list, error.message, showOthers);
  }
}

/** One of the n best, as a button that puts it in place; what differs from that which is shown is marked. */
function otherTranslation(translation, score, shown, text) {
  const differing = marked(translation, shown);
  const value = score.toFixed(3).replace("-", "\u2212");
  const button = element(
    "button",
    { type: "button", onclick: () => choose(text, translation, score) },
    element("span", { class: "text", dir: "auto" }, ...differing),
    element("span", { class: "number" }, element("span", { class: "unseen" }, "score "), value),
  );
  if (translation === shown) button.ariaCurrent = "true";
  return element("li", {}, button);
}

async function showAlignment() {
  if (!alignment.open || alignment.hidden) return;
  const place = alignment.querySelector(".scroll");
  try {
    await align(state.active);
    const known = alignmentNow(state.active);
    place.replaceChildren(known ? heatMap(known) : "Its words are not found in the text.");
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    say(place, error.message, showAlignment);
  }
}

/** An alignment as a table: words of the text above, of the translation beside; a cell lights up both of its own. */
function heatMap({ source, target, weights }) {
  const header = (scope) => ({ text }) => element("th", { scope }, element("bdi", {}, text));
  const rows = target.map((word, row) => {
    const cells = source.map((_, column) => {
      const percent = `${Math.round(100 * weights[row][column])} %`;
      const cell = element("td", { title: percent }, element("span", { class: "unseen" }, percent));
      cell.style.setProperty("--weight", weights[row][column]);
      cell.addEventListener("pointerenter", () => light(state.active, "target", row));
      return cell;
    });
    return element("tr", {}, header("row")(word), ...cells);
  });
  const top = element("tr", {}, element("td", {}), ...source.map(header("col")));
  const caption = element("caption", { class: "unseen" }, "What each word of the translation attended to");
  return element("table", { class: "heat" }, caption, element("thead", {}, top), element("tbody", {}, ...rows));
}
