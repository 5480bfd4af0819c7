// Changes a translation from a word on: what stands before it is kept, and the rest is translated anew as one types.

import { element, say } from "./sheet.js";

const PAUSE = 200; // ms without a key, before the rest is translated
const MOST_PROPOSED = 6;

const editor = document.getElementById("editor");
const heading = document.getElementById("editor-heading");
const input = document.getElementById("editor-word");
const list = document.getElementById("editor-list");
const problem = document.getElementById("editor-problem");
const buttons = Object.fromEntries(
  ["require", "forbid", "close"].map((name) => [name, document.getElementById(`editor-${name}`)]),
);

let hooks; // of whoever has opened it
let before; // what stands before the word
let typed; // of the word, by the time the list was made
let timer;
let pending; // what is done when one has stopped typing
let chosen = -1; // the place in the list

/**
 * Opens at a word, which is at `rectangle`, after the text `kept`. Of `given`, keep(prefix) translates anew, require(word)
 * and forbid(word) ask for a word, restore() takes everything back, alternatives(typed) promises [[word, probability]] where
 * so much stands in place of the word, whole(word) is a word as one that is not gone on with, and closed() is told at the end.
 */
export function open(rectangle, kept, word, given) {
  finishTyping();
  [hooks, before] = [given, kept];
  heading.replaceChildren("From “", element("bdi", {}, word), "” on");
  input.value = word;
  say(problem, "");
  showList([]);
  editor.showPopover();
  const left = Math.min(rectangle.left, document.documentElement.clientWidth - editor.offsetWidth - 8);
  editor.style.left = `${Math.max(8, left) + scrollX}px`;
  editor.style.top = `${rectangle.bottom + 4 + scrollY}px`;
  input.focus();
  input.select();
  editor.scrollIntoView({ block: "nearest" });
  propose("");
}

/** Says why the rest is not translated; "" where it is. `again` is what to do where it may help. */
export function sayProblem(message, again) {
  say(problem, message, again);
}

/** Lists words that may stand after what is kept, of those that begin as what was typed. */
async function propose(beginning) {
  const asked = hooks;
  typed = beginning;
  showList([]);
  const words = await hooks.alternatives(beginning);
  if (hooks !== asked || typed !== beginning) return;
  showList(words.slice(0, MOST_PROPOSED));
  editor.scrollIntoView({ block: "nearest" });
}

function showList(words) {
  choose(-1);
  input.setAttribute("aria-expanded", words.length > 0);
  list.hidden = !words.length;
  list.replaceChildren(
    ...words.map(([word, probability], place) =>
      element(
        "li",
        { id: `editor-option-${place}`, role: "option", "aria-selected": "false", "data-word": word },
        element("bdi", {}, word),
        element("span", { class: "number" }, percent(probability)),
      ),
    ),
  );
}

function percent(probability) {
  if (probability < 0.001) return "< 0.1 %";
  return `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)} %`;
}

/** Chooses of the list, by a place in it; -1 for nothing. */
function choose(place) {
  list.children[chosen]?.setAttribute("aria-selected", "false");
  chosen = place;
  const option = list.children[chosen];
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

/** Keeps what stands in the field, once one has stopped typing. */
function keepSoon() {
  clearTimeout(timer);
  pending = () => {
    pending = undefined;
    hooks.keep(before + input.value);
    propose(input.value);
  };
  timer = setTimeout(finishTyping, PAUSE);
}

function finishTyping() {
  clearTimeout(timer);
  pending?.();
}

function forgetTyping() {
  clearTimeout(timer);
  pending = undefined;
}

function take(option) {
  forgetTyping();
  hooks.keep(before + typed.replace(/\S*$/, "") + hooks.whole(option.dataset.word));
  editor.hidePopover();
}

input.addEventListener("input", (event) => {
  choose(-1);
  if (!event.isComposing) keepSoon();
});
input.addEventListener("compositionend", keepSoon);
input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const [first, last] = [0, list.children.length - 1];
    if (event.key === "ArrowDown") choose(chosen < last ? chosen + 1 : first);
    else choose(chosen > first ? chosen - 1 : last);
    event.preventDefault();
  } else if (event.key === "Enter") {
    if (chosen >= 0) take(list.children[chosen]);
    else editor.hidePopover();
    event.preventDefault();
  }
});
editor.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  forgetTyping();
  hooks.restore();
});
list.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) take(option);
});
buttons.require.addEventListener("click", () => ask(hooks.require));
buttons.forbid.addEventListener("click", () => ask(hooks.forbid));
buttons.close.addEventListener("click", () => editor.hidePopover());
editor.addEventListener("toggle", ({ newState }) => {
  if (newState !== "closed") return;
  finishTyping();
  hooks.closed();
});

function ask(what) {
  forgetTyping();
  hooks.restore(); // it is a word to ask for, not one to begin with
  what(input.value);
  editor.hidePopover();
}
