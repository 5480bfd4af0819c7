// The words of a text, from its letters or from what the model says of its subwords.

import { UNSPACED } from "./sentences.js";

// As SentencePiece writes them.
const WORD_BEGINS = "\u2581";
const END_SUBWORD = "</s>";
const BYTES = /(?:<0x[0-9A-F]{2}>)+/g; // of characters that are no subwords
const FURTHER_BYTE = /^<0x[89AB][0-9A-F]>$/; // of a character, as UTF-8 has them

/** The words of a text, {text, start, end}: what is between spaces, and in scripts without spaces as the browser has them. */
export function wordsOf(text) {
  return [...text.matchAll(/\S+/g)].flatMap(({ 0: word, index }) => {
    if (!UNSPACED.test(word)) return [{ text: word, start: index, end: index + word.length }];
    const segments = [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(word)];
    return segments.map(({ segment, index: from }) => ({
      text: segment,
      start: index + from,
      end: index + from + segment.length,
    }));
  });
}

/**
 * What each word of a translation attended to: {source, target, weights[target word][source word]}; the words as those of
 * `wordsOf`, in the order of the text; undefined where they are not found in the texts.
 *
 * As serving/client/alignment.py: the weights of a word's subwords are added up on the source side, and averaged on the
 * target side.
 */
export function alignmentOf(text, translation, answer) {
  const [ofSource, ofTarget] = [merged(answer.source_subwords), merged(answer.target_subwords)];
  const [source, target] = [located(ofSource, text), located(ofTarget, translation)];
  if (!source || !target) return undefined;
  const weights = ofTarget.map(({ places: rows }) =>
    ofSource.map(({ places: columns }) => {
      const all = rows.flatMap((row) => columns.map((column) => answer.alignment[row][column]));
      return all.reduce((sum, weight) => sum + weight, 0) / rows.length;
    }),
  );
  return { source, target, weights };
}

/** Which words of `words` are not in the longest common subsequence with `others`: a set of places. */
export function changed(words, others) {
  const same = (i, j) => words[i].text === others[j].text;
  const longest = Array.from({ length: words.length + 1 }, () => new Uint16Array(others.length + 1));
  for (let i = words.length - 1; i >= 0; i--)
    for (let j = others.length - 1; j >= 0; j--)
      longest[i][j] = same(i, j) ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const left = new Set();
  for (let i = 0, j = 0; i < words.length; )
    if (j < others.length && same(i, j)) [i, j] = [i + 1, j + 1];
    else if (j < others.length && longest[i][j + 1] > longest[i + 1][j]) j++;
    else left.add(i++);
  return left;
}

/** The words that subwords make, without the end of the sentence, and the places of each word's subwords. */
function merged(subwords) {
  const betweenSpaces = [];
  for (const [place, subword] of subwords.entries()) {
    if (subword === END_SUBWORD || subword === "") break;
    if (subword.startsWith(WORD_BEGINS) || !betweenSpaces.length) betweenSpaces.push([{ text: "", places: [] }]);
    const units = betweenSpaces.at(-1);
    const text = subword.startsWith(WORD_BEGINS) ? subword.slice(1) : subword;
    const last = units.at(-1);
    // A space may be a subword of its own, and a character some of its bytes.
    if (!last.text || FURTHER_BYTE.test(text)) {
      last.text += text;
      last.places.push(place);
    } else units.push({ text, places: [place] });
  }
  return betweenSpaces.flatMap((units) => {
    const read = units.map(({ text, places }) => ({ text: text.replace(BYTES, characters), places }));
    const whole = read.map(({ text }) => text).join("");
    return UNSPACED.test(whole) ? read : [{ text: whole, places: read.flatMap(({ places }) => places) }];
  });
}

function characters(pieces) {
  const bytes = pieces.match(/[0-9A-F]{2}(?=>)/g).map((byte) => parseInt(byte, 16));
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** Where words are in a text, which may be written otherwise than the model reads it. */
function located(words, text) {
  const found = [];
  for (const { text: word } of words) {
    const start = text.indexOf(word, found.at(-1)?.end ?? 0);
    if (start < 0) break;
    found.push({ text: word, start, end: start + word.length });
  }
  if (found.length === words.length) return found;
  const spaced = wordsOf(text);
  return spaced.length === words.length ? spaced : undefined;
}
