// What the page knows: the text, the translations, what one has asked for, and which sentence one is at.

import { Translator } from "./translator.js";
import { alignmentOf } from "./words.js";

export const NOTHING_ASKED = Object.freeze({ prefix: "", required: [], forbidden: [], isChosen: false });

export const state = {
  lines: [], // of the text, as `linesOf` gives them
  sentences: [], // {text, start}: in the order of the text, and where in it each begins
  active: 0, // the sentence that the words, the details and the keys are of
  edits: new Map(), // sentence -> {prefix, required, forbidden, isChosen, text, score}: what is asked, and what came of it
  translator: new Translator("", changed),
  against: null, // the translator that is compared with
};

const listeners = [];
const alignments = new Map(); // of a version, a sentence and a translation

/** Calls `listener` with every sentence that has another translation now, and without one when anything else changed. */
export function whenChanged(listener) {
  listeners.push(listener);
}

export function changed(sentence) {
  for (const listener of listeners) listener(sentence);
}

/** What is on the page of a sentence, by its place; undefined where there is nothing yet. */
export function translationOf(index) {
  const text = state.sentences[index]?.text;
  return state.edits.get(text)?.text ?? state.translator.answer(text)?.text;
}

export function editOf(text) {
  return state.edits.get(text) ?? NOTHING_ASKED;
}

/** Whether the model has the sentence as one, and not in parts: only then there is more to be had than the translation. */
export function isWhole(index) {
  const answer = state.translator.answer(state.sentences[index]?.text);
  return Boolean(answer && !answer.inParts && !answer.tooLong);
}

export function can(signature) {
  return Boolean(state.translator.can?.has(signature));
}

export const canAlign = () => can("align") || can("score_subwords");

/** What each word of a sentence attended to, {source, target, weights}, by the place of the sentence; undefined where it is
 * not known (yet). */
export function alignmentNow(index) {
  return alignments.get(pairOf(index));
}

/** Asks for that. Throws ServerError. */
export async function align(index) {
  await state.translator.whenKnown;
  const pair = pairOf(index);
  if (alignments.has(pair) || !isWhole(index)) return;
  const [{ text }, translation] = [state.sentences[index], translationOf(index)];
  const answer = await alignmentAnswer(text, translation);
  if (!answer || alignments.has(pair)) return;
  alignments.set(pair, alignmentOf(text, translation, answer));
  changed(text);
}

/** That of the model's best translation, or of another. */
function alignmentAnswer(text, translation) {
  const isBest = translation === state.translator.answer(text).text;
  if (isBest && can("align")) return state.translator.detail("align", { text });
  return can("score_subwords") ? state.translator.detail("score_subwords", { text, translation }) : null;
}

function pairOf(index) {
  return JSON.stringify([state.translator.version, state.sentences[index]?.text, translationOf(index)]);
}
