// Where a text is split, so that its parts can be translated each by itself, and how the translations are put together:
// the rules of serving/client/sentences.py and long_text.py, which say where they come from. A test compares them.

// Unicode's property Sentence_Break (UAX #29), which JavaScript lacks, in what it has.
const A_TERM = "[.\\u2024\\uFE52\\uFF0E]";
const S_TERM = `[\\p{Sentence_Terminal}--${A_TERM}]`;
const EXTEND = "[\\p{Grapheme_Extend}\\p{Mc}\\u200D]";
const NUMBER_SIGN = "[\\u0600-\\u0605\\u06DD\\u0890\\u0891\\u08E2\\u{110BD}\\u{110CD}]";
const NUMERIC = `[\\p{Nd}\\u066B\\u066C${NUMBER_SIGN}]`;
const EXTENDS = `[${EXTEND}[\\p{Cf}--${NUMBER_SIGN}]]`; // or Format
const LOWER = `[\\p{Lowercase}--${EXTEND}--[\\u10D0-\\u10FA\\u10FD-\\u10FF]]`;
const UPPER = "[[\\p{Uppercase}\\p{Lt}]--[\\u1C90-\\u1CBA\\u1CBD-\\u1CBF]]";
const O_LETTER = `[[\\p{Alphabetic}\\u05F3]--${LOWER}--${UPPER}--${EXTEND}]`;
const SPACE = "[\\p{White_Space}--[\\n\\r\\x85\\u2028\\u2029]]";
const CLOSE = `[\\p{Ps}\\p{Pe}\\p{Pi}\\p{Pf}"'\\u275B-\\u2760]`;
const S_CONTINUE =
  "[,\\-:;\\u037E\\u055D\\u060C\\u060D\\u07F8\\u1802\\u1808\\u2013\\u2014\\u3001\\uFE10\\uFE11\\uFE13\\uFE14\\uFE31" +
  "\\uFE32\\uFE50\\uFE51\\uFE54\\uFE55\\uFE58\\uFE63\\uFF0C\\uFF0D\\uFF1A\\uFF1B\\uFF64]";

// As many as there are, never fewer: JavaScript has no possessive quantifiers.
const all = (set, count = "*") => `(?:${set}${count}(?!${set}))`;
const allExtended = (set, count = "*") => `(?:(?:${set}${all(EXTENDS)})${count}(?!${set}))`;

const CLOSED = allExtended(`[${CLOSE}--\\p{Ps}]`);
const SPACES = allExtended(SPACE);
const IN_A_WORD = `(?!(?<=[${UPPER}${LOWER}]${EXTENDS}*${A_TERM}${EXTENDS}*)${UPPER})`;
const GOES_ON = `(?![^${O_LETTER}${UPPER}${LOWER}${S_TERM}${A_TERM}]*${LOWER})`;
const CLOSE_WIDE = `[${CLOSE}--[\\p{Ps}\\p{Pi}]]`;
const WIDE = "[。！？｡]";
const END = new RegExp(
  "(?:" +
    [
      `(?<fullStop>${A_TERM})${all(EXTENDS)}(?!${NUMERIC})${IN_A_WORD}${CLOSED}${SPACES}${GOES_ON}`,
      `${WIDE}${all(EXTENDS)}(?:${allExtended(CLOSE_WIDE, "+")}(?=[\\s\\p{Ps}\\p{Pi}])|(?!${CLOSE_WIDE}))${SPACES}`,
      `[!?‼⁇⁈⁉]${all(EXTENDS)}${CLOSED}${SPACES}${GOES_ON}`,
      `[${S_TERM}--[。！？｡!?‼⁇⁈⁉]]${all(EXTENDS)}${CLOSED}${SPACES}`,
    ].join("|") +
    `)(?![${S_CONTINUE}${S_TERM}${A_TERM}])`,
  "gv",
);
const WEAKER = [
  new RegExp(`[${S_CONTINUE};؛；]${all(CLOSE)}\\s+|[、，：；،؛]${all(CLOSE)}(?!\\p{N})`, "gv"),
  /\s+/gv,
];

const ABBREVIATIONS = new Set(
  `Mr Mrs Ms Mx Messrs Dr Drs Prof Rev Hon Fr Sr Jr St Ste Mt Gen Col Maj Capt Lt Cmdr Sgt Adm Gov Sen Rep Pres Inc Ltd
  Corp Co Bros Ave Blvd Rd No Nos no nos pp vol Vol vols fig Fig figs art Art arts cap Cap ch sec Sec cf vs ca al
  Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec
  Hr Hrn Frl Mag Dipl Ing med Nr nr Abb Abs Abt Bd Bde Kap Tab Tel Str Bsp vgl bzw resp geb gest Jh Mio Mrd Okt Dez
  Mme Mmes Mlle Mgr Sra Sras Srta Sres Ud Uds Vd Vds EE UU Núm núm pág págs aprox Sig Sigg Dott Avv Lic
  гг ул пр им стр рис тел руб тыс млн млрд проф акад напр см ср св`.split(/\s+/),
);
const KEPT = /^(?:(?:\p{L}{1,3}\.)*\p{L}\p{M}*|(?:\p{L}{1,3}\.)+\p{L}{1,3}|\p{Nd}{1,2}|[IVX]+)$/v;
const LAST_WORD = /[\p{L}\p{M}\p{N}.]+$/v;
const LONGEST_KEPT = 32;

const LINE_END = /(\r\n|[\n\v\f\r\x85\u2028\u2029])/;
const IDEOGRAPH = "[[[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Bopo}\\p{sc=Yi}]&&\\p{Alphabetic}]--[\\0-\\u0DFF]]";
const IDEOGRAPHS = new RegExp(IDEOGRAPH, "gv");
const SYLLABICS =
  "[[\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}\\p{sc=Tai_Le}\\p{sc=New_Tai_Lue}\\p{sc=Tai_Tham}" +
  "\\p{sc=Tai_Viet}\\p{sc=Tibetan}\\p{sc=Balinese}\\p{sc=Javanese}]&&[\\p{Alphabetic}\\p{M}]]";

/** Letters of scripts that put no spaces between words. */
export const UNSPACED = new RegExp(`[${IDEOGRAPH}${SYLLABICS}]`, "v");

/** The sentences of a text of one line without white space around it: [{text, space}], the space that follows each. */
export function sentences(text) {
  return parts(text, [...text.matchAll(END)].filter((end) => !isKept(text, end)).map(endOf));
}

/** A sentence in two, [{text, space}], where it is best split; in one where it cannot be. */
export function halves(text) {
  for (const pattern of [END, ...WEAKER]) {
    const ends = [...text.matchAll(pattern)].map(endOf).filter((end) => 0 < end && end < text.length);
    const fromMiddle = (end) => Math.abs(2 * end - text.length);
    if (ends.length) return parts(text, [ends.reduce((best, end) => (fromMiddle(end) < fromMiddle(best) ? end : best))]);
  }
  return parts(text, []);
}

/** The lines of a text: [{before, parts: [{text, space}], after, end}], which put together are the text. */
export function linesOf(text) {
  const pieces = text.split(LINE_END);
  return pieces.flatMap((line, place) => {
    if (place % 2) return [];
    const stripped = line.trim();
    const before = stripped ? line.slice(0, line.indexOf(stripped)) : line;
    const after = line.slice(before.length + stripped.length);
    return [{ before, parts: sentences(stripped), after, end: pieces[place + 1] ?? "" }];
  });
}

/** The translation of a line, of those of its sentences: every [text, space], the space being that of the source. */
export function joined(translations) {
  const texts = translations.map(([text]) => text.replaceAll("\n", " "));
  const isSpaced = hasSpaces(texts.join(""));
  const spaces = translations.map(([, space]) => spaceBetween(space, isSpaced));
  return texts.map((text, place) => text + (place < texts.length - 1 ? spaces[place] : "")).join("");
}

/** Whether the script of a text has spaces between sentences, as all but those of Chinese and Japanese have. */
export function hasSpaces(text) {
  return 2 * (text.match(IDEOGRAPHS) ?? []).length <= (text.match(/\p{Alphabetic}/gv) ?? []).length;
}

/** What comes between two translations where the source has `space`: that, as far as the target has spaces. */
export function spaceBetween(space, isSpaced) {
  return isSpaced ? space.replaceAll("\u3000", " ") || " " : space.replaceAll(" ", "");
}

/** Whether a full stop is of the word before it rather than of the sentence. */
function isKept(text, end) {
  if (end.groups.fullStop === undefined) return false;
  const [word] = text.slice(Math.max(0, end.index - LONGEST_KEPT), end.index).match(LAST_WORD) ?? [];
  return word !== undefined && (ABBREVIATIONS.has(word) || KEPT.test(word));
}

function endOf(found) {
  return found.index + found[0].length;
}

function parts(text, ends) {
  const places = [0, ...ends, text.length];
  return places.slice(1).flatMap((end, index) => {
    const part = text.slice(places[index], end);
    const stripped = part.trimEnd();
    return stripped ? [{ text: stripped, space: part.slice(stripped.length) }] : [];
  });
}
