// The translation on the page: sentences as they come, and the words of one of them, which can be pointed at.

import { openEditor } from "./interactive.js";
import { ServerError } from "./server.js";
import { Mirror, Sheet, element, marked, withWords } from "./sheet.js";
import { align, alignmentNow, can, changed, editOf, isWhole, state, translationOf, whenChanged } from "./state.js";
import { wordsOf } from "./words.js";

const LEAST_SHOWN = 0.05; // of a weight, in words
const TOO_LONG = "(This is too long for the model, and has no comma or space to split it at.)";

const field = document.getElementById("text");
const mirror = new Mirror(document.getElementById("mirror"));
const sheet = new Sheet(document.getElementById("translation"));
const other = new Sheet(document.getElementById("other"));
const attended = document.getElementById("attention");

let shown = []; // the translation that is on the page of each sentence, or was where the text was a little shorter
const looks = new WeakMap(); // of the elements of sentences
let pointed = -1; // the sentence that the pointer is at
let focused = 0; // the word of the active sentence that the Tab key leads to

/** Shows another text, that of `state`. */
export function showText() {
  shown = state.sentences.map((_, index) => shown[index]);
  [pointed, focused] = [-1, 0];
  mirror.show(state.lines);
  sheet.begin(state.lines);
  other.begin(state.lines);
  sheet.place.classList.toggle("several", state.sentences.length > 1);
  for (const index of state.sentences.keys()) [fill(index), fillOther(index)];
}

/** Gives the text behind its field the height of what is being typed. */
export function growWith(text) {
  mirror.show([{ before: text, parts: [], after: "", end: "" }]);
}

/** The place of the sentence with the character at `offset`, or of that before it; -1 where there is none. */
export function sentenceAt(offset) {
  return state.sentences.findLastIndex(({ start }) => start <= offset);
}

export function activate(index, word = 0) {
  if (index === state.active || !state.sentences[index]) return;
  const last = state.active;
  [state.active, focused] = [index, word];
  if (state.sentences[last]) fill(last);
  fill(index);
  changed();
}

/** Leads the keys to a word of the active sentence, or to its last. */
export function focusWord(word) {
  const all = words();
  if (!all.length) return;
  all[focused]?.setAttribute("tabindex", "-1");
  focused = Math.max(0, Math.min(word, all.length - 1));
  all[focused].setAttribute("tabindex", "0");
  all[focused].focus();
}

whenChanged((sentence) => {
  for (const [index, { text }] of state.sentences.entries()) {
    if (text === sentence) [fill(index), fillOther(index)];
    else if (sentence === undefined && index === state.active) fill(index); // what can be done with it may be known now
  }
});

function fill(index) {
  mirror.words(index, state.sentences[index].text, canLight(index) ? (alignmentNow(index)?.source ?? []) : []);
  const place = sheet.sentence(index);
  const look = lookOf(index);
  if (looks.get(place) === look) return;
  looks.set(place, look);
  const hadFocus = place.contains(document.activeElement);
  const [translation, isActive] = [translationOf(index), index === state.active];
  const tooLong = Boolean(state.translator.answer(state.sentences[index].text)?.tooLong);
  place.classList.toggle("pending", translation === undefined);
  place.classList.toggle("active", isActive);
  place.classList.toggle("problem", tooLong);
  for (const name of ["role", "tabindex"]) place.removeAttribute(name);
  if (tooLong) sheet.fill(index, "", TOO_LONG);
  else if (translation === undefined) sheet.fill(index, "", shown[index] ?? "…");
  else {
    shown[index] = translation;
    sheet.fill(index, translation, ...nodesOf(index, translation));
    if (!isActive) [place.role, place.tabIndex] = ["button", -1];
  }
  if (isActive && hadFocus) focusWord(focused);
}

/** All that says how a sentence looks: where it is the same, its elements stay, and what is at them. */
function lookOf(index) {
  const [text, translation] = [state.sentences[index].text, translationOf(index)];
  const words = translation !== undefined && canLight(index) ? targetWords(index) : [];
  const ofActive = index === state.active && [canChange(), keptOf(text)];
  const { tooLong } = state.translator.answer(text) ?? {};
  return JSON.stringify([translation ?? shown[index], translation === undefined, tooLong, words, ofActive, canLight(index)]);
}

const canLight = (index) => index === state.active || index === pointed;

/** The words of the active sentence are buttons, and can be changed; those at the pointer light up only. */
function nodesOf(index, translation) {
  if (index === state.active) return withButtons(translation);
  const attributes = (word) => ({ class: "word", "data-word": word });
  return canLight(index) ? withWords(translation, targetWords(index), attributes) : [translation];
}

function fillOther(index) {
  if (!state.against) return;
  const translation = state.against.answer(state.sentences[index].text)?.text;
  if (translation === undefined) other.fill(index, "", "…");
  else other.fill(index, translation, ...marked(translation, shown[index] ?? ""));
}

function withButtons(translation) {
  const found = targetWords(state.active);
  const kept = keptOf(state.sentences[state.active].text);
  focused = Math.max(0, Math.min(focused, found.length - 1));
  return withWords(translation, found, (word) => ({
    class: found[word].end <= kept ? "word kept" : "word",
    role: "button",
    tabindex: word === focused ? "0" : "-1",
    "data-word": word,
    ...(canChange() ? {} : { "aria-disabled": "true" }),
  }));
}

/** How much of the translation of a sentence one has asked for. */
function keptOf(sentence) {
  const { prefix, text } = editOf(sentence);
  return text === undefined ? 0 : prefix.length;
}

const targetWords = (index) => alignmentNow(index)?.target ?? wordsOf(translationOf(index));
const canChange = () => can("constrained") && isWhole(state.active);
const words = (index = state.active) => [...(sheet.sentence(index)?.querySelectorAll(".word") ?? [])];

function change(word) {
  if (!canChange()) return;
  const translation = translationOf(state.active);
  const { start, end } = targetWords(state.active)[word];
  focused = word;
  openEditor(words()[word].getBoundingClientRect(), translation, start, end, (kept) => {
    const at = document.activeElement;
    if (at !== document.body && !at.closest("[popover]") && !sheet.place.contains(at)) return; // one has gone elsewhere
    const next = wordsOf(translationOf(state.active) ?? "").findIndex((each) => each.end > kept);
    focusWord(next >= 0 ? next : Infinity);
  });
}

// Pointer and keys

sheet.place.addEventListener("click", ({ target, clientX, clientY }) => {
  const [sentence] = placeOf(target);
  if (sentence === undefined) return;
  activate(sentence);
  const word = wordAt(clientX, clientY, target); // of another sentence it is an element only now
  if (word !== undefined) change(word);
});
sheet.place.addEventListener("keydown", (event) => {
  const [sentence, word] = placeOf(event.target);
  if (word === undefined) return;
  const isRightToLeft = getComputedStyle(event.target).direction === "rtl";
  const last = words().length - 1;
  const keys = {
    [isRightToLeft ? "ArrowLeft" : "ArrowRight"]: () => (word < last ? focusWord(word + 1) : move(sentence + 1, 0)),
    [isRightToLeft ? "ArrowRight" : "ArrowLeft"]: () => (word > 0 ? focusWord(word - 1) : move(sentence - 1, Infinity)),
    Home: () => focusWord(0),
    End: () => focusWord(last),
    ArrowDown: () => move(sentence + 1, 0),
    ArrowUp: () => move(sentence - 1, 0),
    Enter: () => change(word),
    " ": () => change(word),
  };
  if (!keys[event.key]) return;
  keys[event.key]();
  event.preventDefault();
});

function move(sentence, word) {
  if (!state.sentences[sentence]) return;
  activate(sentence);
  focusWord(word);
}

/** The word that an element is of, or else that at a point of the window. */
function wordAt(x, y, target) {
  const here = target.isConnected ? placeOf(target)[1] : undefined;
  return here ?? placeOf(document.elementFromPoint(x, y) ?? target)[1];
}

/** The sentence and the word that an element of the translation is of. */
function placeOf(target) {
  const number = (name) => target.closest(`[data-${name}]`)?.dataset[name];
  const [sentence, word] = [number("sentence"), number("word")];
  return [sentence && Number(sentence), word && Number(word)];
}

// Lighting up

/** Lights up a word of a sentence, of the "source" or the "target", and on the other side what it attended to. */
export function light(sentence, side, word) {
  dim();
  const aligned = alignmentNow(sentence);
  if (!aligned?.[side][word]) return;
  const isTarget = side === "target";
  const weights = isTarget ? aligned.weights[word] : aligned.weights.map((row) => row[word]);
  const elements = [mirror.wordsOf(sentence), words(sentence)];
  const [theirs, ours] = isTarget ? elements : elements.reverse();
  ours[word]?.classList.add("pointed");
  for (const [place, each] of theirs.entries()) each.style.setProperty("--weight", weights[place] ?? 0);
  attended.replaceChildren(...attention(aligned[side][word], aligned[isTarget ? "source" : "target"], weights));
}

/** In words, what a word attended to, or what attended to it: nodes. */
function attention(word, others, weights) {
  const all = weights.map((weight, place) => ({ weight, place })).filter(({ weight }) => weight >= LEAST_SHOWN);
  const best = all.sort((a, b) => b.weight - a.weight).slice(0, 3);
  const nodes = best.flatMap(({ weight, place }) => [
    element("bdi", {}, others[place].text),
    ` ${Math.round(100 * weight)} %`,
    ", ",
  ]);
  return [element("bdi", {}, word.text), " – ", ...(nodes.length ? nodes.slice(0, -1) : ["nothing in particular"])];
}

function dim() {
  for (const index of [state.active, pointed])
    for (const each of [...mirror.wordsOf(index), ...words(index)]) {
      each.classList.remove("pointed");
      each.style.removeProperty("--weight");
    }
  attended.replaceChildren();
}

/** Lights up what `which` says, the "source" or the "target" and a word, once it is known what attended to what. */
async function lightLater(sentence, which) {
  try {
    await align(sentence);
    light(sentence, ...which());
  } catch (error) {
    if (!(error instanceof ServerError)) throw error; // nothing lights up; that the server is away is said elsewhere
  }
}

/** The pointer is at another sentence, or at none. */
function pointAt(sentence) {
  if (sentence === pointed) return;
  dim();
  const last = pointed;
  pointed = sentence;
  for (const index of [last, sentence]) if (state.sentences[index] && index !== state.active) fill(index);
}

function leave() {
  pointAt(-1);
  dim();
}

sheet.place.addEventListener("pointermove", ({ target, clientX, clientY }) => {
  const [sentence] = placeOf(target);
  if (sentence === undefined) return;
  pointAt(sentence);
  lightLater(sentence, () => ["target", pointed === sentence ? wordAt(clientX, clientY, target) : undefined]);
});
field.addEventListener("pointermove", ({ clientX, clientY }) => {
  const [sentence] = mirror.at(clientX, clientY);
  if (sentence === undefined) return;
  pointAt(sentence);
  lightLater(sentence, () => ["source", pointed === sentence ? mirror.at(clientX, clientY)[1] : undefined]);
});
for (const place of [sheet.place, field]) place.addEventListener("pointerleave", leave);
sheet.place.addEventListener("focusin", ({ target }) => {
  if (placeOf(target)[1] !== undefined) lightLater(state.active, () => ["target", focused]);
});
sheet.place.addEventListener("focusout", dim);
field.addEventListener("click", lightCaret);
field.addEventListener("keyup", ({ key }) => {
  if (/^(Arrow|Home|End|Page)/.test(key)) lightCaret();
});

/** The word that the caret was moved to. */
function lightCaret() {
  const index = sentenceAt(field.selectionStart);
  if (index < 0) return;
  activate(index);
  lightLater(index, () => {
    const offset = field.selectionStart - state.sentences[index].start;
    return ["source", alignmentNow(index)?.source.findIndex(({ start, end }) => start <= offset && offset <= end)];
  });
}
