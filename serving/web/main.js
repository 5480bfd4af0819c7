// The page: a text is read as one types, and translated; and what is the case with the server is said.

import { showDetails } from "./details.js";
import { translateFiles } from "./file.js";
import { askAgain } from "./interactive.js";
import { growWith, sentenceAt, showText } from "./pane.js";
import { joined, linesOf } from "./sentences.js";
import { ServerError, versions } from "./server.js";
import { element, say } from "./sheet.js";
import { can, canAlign, changed, state, translationOf, whenChanged } from "./state.js";
import { Translator } from "./translator.js";

const PAUSE = 200; // ms without a key, before what was typed is translated
const TASKS = { constrained: "change from a word on", alternatives: "propose words", nbest: "show other translations" };

const $ = (id) => document.getElementById(id);
const field = $("text");
let typing;

/** Reads the text, and has it translated. */
function read() {
  clearTimeout(typing);
  state.lines = linesOf(field.value.toWellFormed()); // half a character is no JSON
  let place = 0;
  state.sentences = state.lines.flatMap(({ before, parts, after, end }) => {
    place += before.length;
    const found = parts.map(({ text, space }) => {
      const sentence = { text, start: place };
      place += text.length + space.length;
      return sentence;
    });
    place += after.length + end.length;
    return found;
  });
  state.active = Math.max(0, sentenceAt(field.selectionStart));
  showText();
  for (const translator of [state.translator, state.against]) translator?.want(state.sentences.map(({ text }) => text));
  showDetails();
  report();
  remember();
}

function readSoon() {
  clearTimeout(typing);
  typing = setTimeout(read, PAUSE);
}

field.addEventListener("input", ({ isComposing }) => {
  growWith(field.value);
  if (isComposing) clearTimeout(typing);
  else readSoon();
});
field.addEventListener("compositionend", readSoon);

whenChanged(report);

/** Says what is the case in its place, and what has come for who cannot see it come. */
function report() {
  sayProblemOf(state.translator, $("problem"));
  if (state.against) sayProblemOf(state.against, $("other-problem"));
  const isDone = state.sentences.length > 0 && state.translator.isDone;
  $("translation").ariaBusy = String(state.sentences.length > 0 && !isDone);
  const what = state.sentences.length === 1 ? translationOf(0) : `${state.sentences.length} sentences are translated.`;
  $("status").textContent = isDone ? what : "";
  if (state.translator.isKnown) $("hint").textContent = hint();
}

function sayProblemOf(translator, place) {
  const { problem } = translator;
  const message = problem && (problem.passes ? `${problem.message} It is asked again in a moment.` : problem.message);
  say(place, message, () => translator.tryAgain());
}

/** What one can do, and what this version cannot. */
function hint() {
  const lacking = Object.keys(TASKS).filter((signature) => !can(signature));
  const tasks = [...lacking.map((signature) => TASKS[signature]), ...(canAlign() ? [] : ["show the alignment"])];
  const cannot = tasks.length ? `This version cannot ${tasks.join(", ").replace(/, ([^,]*)$/, " or $1")}.` : "";
  return `${can("constrained") ? "Click a word of the translation, or press Enter at it, to change it from there on." : ""} ${cannot}`.trim();
}

// Versions

$("version").addEventListener("change", ({ target }) => {
  state.translator.stop();
  state.translator = new Translator(target.value.trim(), changed);
  read();
  askAgain();
});
$("against").addEventListener("change", ({ target }) => {
  state.against?.stop();
  const version = target.value.trim();
  state.against = version ? new Translator(version, changed) : null;
  $("other-section").hidden = !version;
  $("other-heading").textContent = `Version ${version}`;
  read();
});
for (const id of ["version", "against"])
  $(id).addEventListener("focus", async () => {
    try {
      $("versions").replaceChildren(...(await versions()).map((version) => element("option", { value: version })));
    } catch (error) {
      if (!(error instanceof ServerError)) throw error; // it can be typed
    }
  });

// Links and copies

$("link").addEventListener("click", async () => {
  // Behind #: that browsers keep to themselves, so it is in no server's log.
  history.replaceState(null, "", `#${new URLSearchParams({ text: field.value })}`);
  copy(location.href, "The link is copied.", "The link is in the address bar.");
});
$("copy").addEventListener("click", () => {
  let index = 0;
  const text = state.lines.map(
    ({ before, parts, after, end }) =>
      before + joined(parts.map(({ space }) => [translationOf(index++) ?? "", space])) + after + end,
  );
  copy(text.join(""), "The translation is copied.", "The browser lets nobody copy; select the text.");
});

async function copy(text, done, failed) {
  try {
    await navigator.clipboard.writeText(text);
    $("said").textContent = done;
  } catch {
    $("said").textContent = failed; // without TLS there is no clipboard
  }
}

/** The text of the link, or that which stood here before a reload. */
function readLink() {
  field.value = linkedText() ?? sessionStorage.getItem("text") ?? "";
  read();
}

const linkedText = () => new URLSearchParams(location.hash.slice(1)).get("text");

/** Keeps the text for a reload of this tab; the link of another is taken off. */
function remember() {
  if (linkedText() !== null && linkedText() !== field.value) history.replaceState(null, "", location.href.split("#")[0]);
  try {
    sessionStorage.setItem("text", field.value);
  } catch {
    sessionStorage.removeItem("text"); // it is longer than browsers keep
  }
}

translateFiles(() => state.translator.version);
window.addEventListener("hashchange", readLink);
readLink();
