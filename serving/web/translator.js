// Translates sentences with one version of the model: each once, those that are wanted now, several at a time.

import { halves, joined } from "./sentences.js";
import { ServerError, predict, signatures } from "./server.js";

const AT_A_TIME = 4; // requests; a browser keeps six connections to a server
const PAUSES = [500, 8000]; // ms before a server is asked again: at first, and at most

/** A sentence's translation: {text, score}; with `inParts` where the model takes it only in parts, and `tooLong` where it
 * takes it not even so. */
export class Translator {
  #known = new Map();
  #asked = new Map(); // sentence -> what aborts its request
  #details = new Map(); // of other signatures, by what was asked
  #wanted = [];
  #tell;
  #pause = PAUSES[0];
  #waiting; // the timer, after a problem
  #nowKnown;

  /** `tell` is called with the sentence that has a translation now, and without one where `problem` has changed. */
  constructor(version, tell) {
    this.version = version;
    this.problem = null; // a ServerError
    this.can = null; // the names of the signatures
    this.isKnown = false; // whether these are all
    this.whenKnown = new Promise((resolve) => (this.#nowKnown = resolve));
    this.#tell = tell;
  }

  /** Has these sentences translated, the first ones first, and no others. */
  want(sentences) {
    this.#wanted = [...new Set(sentences)];
    const wanted = new Set(this.#wanted);
    for (const [sentence, controller] of this.#asked) if (!wanted.has(sentence)) controller.abort();
    if (this.#waiting === null) this.#waiting = undefined; // it may have been these sentences
    this.#next();
  }

  /** The translation of a sentence; undefined where there is none yet. */
  answer(sentence) {
    return this.#known.get(sentence);
  }

  get isDone() {
    return this.#wanted.every((sentence) => this.#known.has(sentence));
  }

  /** Asks again after a problem, now. */
  tryAgain() {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#next();
  }

  /** What another signature gives for `instance`; each is asked once. Throws ServerError. */
  detail(signature, instance, signal) {
    const key = JSON.stringify([signature, instance]);
    if (this.#details.has(key)) return this.#details.get(key);
    const answer = predict(this.version, signature, [instance], signal).then(([only]) => only);
    this.#details.set(key, answer);
    answer.catch(() => this.#details.delete(key));
    return answer;
  }

  /** Waits for nobody any more. */
  stop() {
    this.#tell = () => {};
    this.want([]);
    clearTimeout(this.#waiting);
  }

  #next() {
    if (this.#waiting !== undefined) return;
    while (this.#asked.size < AT_A_TIME) {
      const sentence = this.#wanted.find((each) => !this.#known.has(each) && !this.#asked.has(each));
      if (sentence === undefined) break;
      const controller = new AbortController();
      this.#asked.set(sentence, controller);
      this.#translate(sentence, controller.signal);
    }
    if (!this.can) this.#look();
  }

  async #translate(sentence, signal) {
    try {
      const [answer] = await translated(this.version, [sentence], signal);
      this.#known.set(sentence, answer);
      this.#asked.delete(sentence);
      [this.problem, this.#pause] = [null, PAUSES[0]];
      this.#tell(sentence);
    } catch (error) {
      this.#asked.delete(sentence);
      if (!signal.aborted) this.#failed(error);
    }
    this.#next();
  }

  async #look() {
    this.can = new Set(["serving_default"]); // which every model has; more are known in a moment
    try {
      [this.can, this.isKnown] = [await signatures(this.version), true];
      this.#nowKnown();
      if (!this.#asked.size) this.problem = null;
      this.#tell();
    } catch (error) {
      this.can = null;
      this.#failed(error);
    }
  }

  #failed(error) {
    if (!(error instanceof ServerError)) throw error;
    this.problem = error;
    clearTimeout(this.#waiting);
    // What does not pass by itself waits for somebody who says so.
    this.#waiting = error.passes ? setTimeout(() => this.tryAgain(), this.#pause) : null;
    this.#pause = Math.min(2 * this.#pause, PAUSES[1]);
    this.#tell();
  }
}

/** The translations of texts, in as many requests as it takes. Throws ServerError. */
export async function translated(version, texts, signal) {
  let answers;
  try {
    answers = await predict(version, "serving_default", texts.map((text) => ({ text })), signal);
  } catch (error) {
    if (!(error.mostTexts < texts.length)) throw error;
    const all = [];
    for (let place = 0; place < texts.length; place += error.mostTexts)
      all.push(...(await translated(version, texts.slice(place, place + error.mostTexts), signal)));
    return all;
  }
  return Promise.all(
    answers.map(({ translation: text, score }, place) =>
      score > -Infinity ? { text, score } : inParts(version, texts[place], signal),
    ),
  );
}

async function inParts(version, text, signal) {
  const parts = halves(text);
  const answers = parts.length > 1 ? await translated(version, parts.map((part) => part.text), signal) : [];
  if (!answers.length || answers.some(({ tooLong }) => tooLong)) return { text: "", score: -Infinity, tooLong: true };
  const score = answers.reduce((sum, answer) => sum + answer.score, 0) / answers.length;
  return { text: joined(answers.map((answer, place) => [answer.text, parts[place].space])), score, inParts: true };
}
