// A text of many lines on the page, of which every sentence is an element that can be filled anew.

import { hasSpaces, spaceBetween } from "./sentences.js";
import { changed, wordsOf } from "./words.js";

/** A new element: its tag, properties and attributes (`class`, `role`, `aria-…`), and what is in it. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && name !== "role") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A text with its words, {start, end}, as elements; `attributes` says which each of them has. */
export function withWords(text, words, attributes, tag = "span") {
  const nodes = [];
  let place = 0;
  for (const [index, { start, end }] of words.entries()) {
    nodes.push(text.slice(place, start), element(tag, attributes(index), text.slice(start, end)));
    place = end;
  }
  return [...nodes, text.slice(place)];
}

/** A text with those words marked that `another` has not. */
export function marked(text, another) {
  const words = wordsOf(text);
  const differing = changed(words, wordsOf(another));
  return withWords(text, words.filter((_, place) => differing.has(place)), () => ({}), "mark");
}

/** What is the case, in the place where it happens, and a button to ask again where there is somebody to ask. */
export function say(place, message, again) {
  const button = () => element("button", { type: "button", textContent: "Try again", onclick: again });
  if (!message) place.replaceChildren();
  else if (place.firstChild?.textContent !== message) place.replaceChildren(message, ...(again ? [button()] : []));
}

/** The lines of a translation, sentence by sentence as they come. */
export class Sheet {
  #sentences = [];
  #spaces = [];

  constructor(place) {
    this.place = place;
  }

  /** Empty paragraphs for the lines of the source (`linesOf`). */
  begin(lines) {
    [this.#sentences, this.#spaces] = [[], []];
    this.place.replaceChildren(
      ...lines.map(({ before, parts, after }) =>
        element("p", { dir: "auto" }, before, ...this.#paragraph(parts), after),
      ),
    );
  }

  /** The element of a sentence, by its place among all. */
  sentence(index) {
    return this.#sentences[index];
  }

  /** Puts nodes that read `text` into a sentence. */
  fill(index, text, ...nodes) {
    this.#sentences[index].replaceChildren(...nodes);
    const [node, space, isLast] = this.#spaces[index];
    if (!isLast) node.data = spaceBetween(space, hasSpaces(text));
  }

  #paragraph(parts) {
    return parts.flatMap(({ space }, place) => this.#sentence(space, place === parts.length - 1));
  }

  #sentence(space, isLast) {
    const sentence = element("span", { class: "sentence" });
    const between = document.createTextNode(space);
    sentence.dataset.sentence = this.#sentences.length;
    this.#sentences.push(sentence);
    this.#spaces.push([between, space, isLast]);
    return [sentence, between];
  }
}

/** The text again, unseen behind its field and in the same places, so that words of it can light up. */
export class Mirror {
  #sentences = [];

  constructor(place) {
    this.place = place;
  }

  /** The lines of a text (`linesOf`). */
  show(lines) {
    const sentences = [];
    const nodes = lines.flatMap(({ before, parts, after, end }) => [
      before,
      ...parts.flatMap(({ text, space }) => {
        const sentence = element("span", { class: "sentence" }, text);
        sentence.dataset.sentence = sentences.length;
        sentences.push(sentence);
        return [sentence, space];
      }),
      after + end,
    ]);
    this.#sentences = sentences;
    this.place.replaceChildren(...nodes, "\u200b"); // so that an empty last line has a height
  }

  /** Makes elements of the words of a sentence. */
  words(index, text, words) {
    if (!words.length && !this.wordsOf(index).length) return;
    const nodes = withWords(text, words, (word) => ({ class: "word", "data-word": word }));
    this.#sentences[index]?.replaceChildren(...nodes); // there are none while one types
  }

  /** The elements of the words of a sentence. */
  wordsOf(index) {
    return [...(this.#sentences[index]?.querySelectorAll(".word") ?? [])];
  }

  /** The places of the sentence and of the word at a point of the window; undefined where there is none. */
  at(x, y) {
    const here = document.elementsFromPoint(x, y).filter((each) => this.place.contains(each));
    const number = (name) => here.find((each) => each.dataset[name] !== undefined)?.dataset[name];
    const [sentence, word] = [number("sentence"), number("word")];
    return [sentence && Number(sentence), word && Number(word)];
  }
}
