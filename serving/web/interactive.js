// Interactive translation: what stands before a word is kept, the rest is translated anew; words are required or not had.

import * as editor from "./editor.js";
import { hasSpaces } from "./sentences.js";
import { ServerError } from "./server.js";
import { say } from "./sheet.js";
import { NOTHING_ASKED, can, changed, editOf, state } from "./state.js";

const problem = document.getElementById("details-problem");

const asking = new Map(); // sentence -> what tells that its last request does not matter any more

/** Opens the editor at a word of the active sentence, `translation.slice(start, end)`, which is at `rectangle`. `closed` is
 * called at the end with the length of what is kept, if that is not less than what stood before the word. */
export function openEditor(rectangle, translation, start, end, closed) {
  const { text } = state.sentences[state.active];
  sayProblem("");
  const [asked, before] = [state.edits.get(text), translation.slice(0, start)];
  editor.open(rectangle, before, translation.slice(start, end), {
    keep: (prefix) => ask(text, { ...editOf(text), prefix }),
    // A word that is proposed is a whole one; where there are spaces, that is said by one.
    whole: (word) => (hasSpaces(translation + word) ? `${word} ` : word),
    require: (word) => askFor(text, "required", word),
    forbid: (word) => askFor(text, "forbidden", word),
    restore: () => {
      asking.get(text)?.abort();
      put(text, asked);
    },
    alternatives: (typed) => alternatives(text, before, typed),
    closed: () => closed(Math.max(start, editOf(text).prefix.trimEnd().length)),
  });
}

/** The words that may stand after `before`, of those that begin as what is typed, with their probabilities. */
async function alternatives(text, before, typed) {
  // Where there are no spaces, what is typed is several words or a part of one, and nobody knows.
  if (!can("alternatives") || (typed && !hasSpaces(before + typed))) return [];
  try {
    const { word, probability } = await state.translator.detail("alternatives", { text, prefix: before + typed });
    return word.map((each, place) => [each, probability[place]]).filter(([each]) => each);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    return []; // that the server is away is said of what is typed
  }
}

/** Takes back a part of what is asked of the translation of `text`: a word of "required" or "forbidden", the "prefix", or
 * that it "isChosen". */
export function takeBack(text, what, word) {
  const edit = editOf(text);
  ask(text, { ...edit, [what]: word ? edit[what].filter((each) => each !== word) : NOTHING_ASKED[what] });
}

/** Puts a translation from the list in place; the best one as if nothing had been asked. */
export function choose(text, translation, score) {
  const isBest = translation === state.translator.answer(text)?.text;
  put(text, isBest ? undefined : { ...NOTHING_ASKED, isChosen: true, text: translation, score });
}

/** Asks another version for all that was asked for, if it can keep to it. */
export async function askAgain() {
  const { translator, edits } = state;
  for (const [text, edit] of edits) put(text, edit.isChosen ? undefined : { ...edit, text: undefined });
  await translator.whenKnown;
  if (translator === state.translator && can("constrained")) for (const [text, edit] of edits) ask(text, edit);
}

function askFor(text, what, word) {
  const letters = word.replace(/^[^\p{L}\p{M}\p{N}]+|[^\p{L}\p{M}\p{N}]+$/gv, "");
  const edit = editOf(text);
  if (letters && !edit[what].includes(letters)) ask(text, { ...edit, [what]: [...edit[what], letters] });
}

/** Has a text translated so that the translation keeps to `edit`. */
async function ask(text, edit) {
  asking.get(text)?.abort();
  const controller = new AbortController();
  asking.set(text, controller);
  const { prefix, required, forbidden } = edit;
  sayProblem("");
  if (!prefix && !required.length && !forbidden.length) {
    put(text, undefined);
    return;
  }
  const asked = { ...edit, isChosen: false };
  put(text, { ...asked, text: state.edits.get(text)?.text });
  try {
    const inputs = { text, prefix, required: required.join("\n"), forbidden: forbidden.join("\n") };
    const { translation, score } = await state.translator.detail("constrained", inputs);
    if (controller.signal.aborted) return;
    if (score > -Infinity) put(text, { ...asked, text: translation, score });
    else sayProblem("The model finds no translation that keeps to this; ask for less.");
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    if (!controller.signal.aborted) sayProblem(error.message, () => ask(text, edit));
  }
}

function put(text, edit) {
  if (edit) state.edits.set(text, edit);
  else state.edits.delete(text);
  changed(text);
}

function sayProblem(message, again) {
  editor.sayProblem(message, again);
  say(problem, message, again);
}
