"""An exported version on a CPU without TensorFlow: what the signatures of its SavedModel answer, by its engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import sentencepiece

from model.exported.engine import Engine, Forced, Found
from model.exported.files import DICTIONARY, read_engine_mark, read_models, subword_model
from model.exported.unknown_words import attended, looked_up, piece_with, text_with, words_of
from workspace.errors import UserError
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    END_ID,
    LARGEST_SUBWORD_BYTES,
    LOG_PROBABILITY_OUTPUT,
    NBEST_SIGNATURE,
    SCORE_OUTPUT,
    SCORE_SIGNATURE,
    SCORE_SUBWORDS_SIGNATURE,
    SIDES,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TRANSLATION_OUTPUT,
    UNKNOWN_ID,
)
from workspace.word_pairs import read_word_pairs

# As in model.search.scores.
IMPOSSIBLE = -float("inf")
LEAST_ATTENTION = 1e-9
# What a signature gives, by name, each with one row for every text.
Outputs: TypeAlias = dict[str, list[Any]]


class LiteModel:
    """The engine in ``directory``, which is not read again. It may be shared between threads: each has interpreters of
    its own, of the same models."""

    def __init__(self, directory: Path):
        """Raises UserError where it is not whole."""
        mark = read_engine_mark(directory)
        try:
            if mark is None:
                raise ValueError
            self._models = read_models(directory, mark)
            self._idle = [Engine(self._models, mark)]
            self._source, self._target = (
                sentencepiece.SentencePieceProcessor(model_file=str(directory / subword_model(side))) for side in SIDES
            )
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise UserError(f"{directory} is no whole engine; remove the version, and export again") from error
        dictionary = directory / DICTIONARY
        self._dictionary = read_word_pairs(dictionary, "export again") if dictionary.exists() else {}
        self._mark = mark
        self.signatures: dict[str, Callable[..., Outputs]] = {
            SIGNATURE: self._translate,
            NBEST_SIGNATURE: self._nbest,
            SCORE_SIGNATURE: self._score,
            SCORE_SUBWORDS_SIGNATURE: self._score_subwords,
        }
        if mark.attends:
            self.signatures[ALIGN_SIGNATURE] = self._align

    def _translate(self, text: Sequence[str]) -> Outputs:
        sources = [self._ids(one) for one in text]
        best = Found(*(values[:, :1] for values in self._found(sources)))
        translated = self._translated(text, sources, best)
        return {name: [of_text[0] for of_text in outputs] for name, outputs in translated.items()}

    def _nbest(self, text: Sequence[str]) -> Outputs:
        """As ``model.search.translator.TextTranslator.n_best``."""
        sources = [self._ids(one) for one in text]
        found = self._translated(text, sources, self._found(sources))
        outputs: Outputs = {TRANSLATION_OUTPUT: [], SCORE_OUTPUT: []}
        for texts, scores in zip(found[TRANSLATION_OUTPUT], found[SCORE_OUTPUT], strict=True):
            best: dict[bytes, float] = {}
            for one, score in zip(texts, scores, strict=True):
                best.setdefault(one, score)
            left = len(texts) - len(best)
            outputs[TRANSLATION_OUTPUT].append([*best, *[b""] * left])
            outputs[SCORE_OUTPUT].append([*best.values(), *[IMPOSSIBLE] * left])
        return outputs

    def _align(self, text: Sequence[str]) -> Outputs:
        sources = [self._ids(one) for one in text]
        found = self._found(sources)
        translated = self._translated(text, sources, found)
        read = [source or [] for source in sources]
        best = [_without_end(words[0]) for words in found.words]
        with self._engine() as engine:
            alignment = engine.force(read, best).alignment
        source_pieces = _pieces(self._source, read, alignment.shape[2])
        target_pieces = _pieces(self._target, best, alignment.shape[1])
        if self._mark.unknown_words == "copy":
            for row, one in enumerate(text):
                if UNKNOWN_ID in read[row]:
                    written = words_of(self._source, _utf8(one).decode()).subwords
                    _write_unknown(self._source, read[row], written, source_pieces[row])
                if UNKNOWN_ID in best[row]:
                    replacements = self._replacements(one, best[row], alignment[row])
                    _write_unknown(self._target, best[row], replacements, target_pieces[row])
        return {
            **{name: [of_text[0] for of_text in outputs] for name, outputs in translated.items()},
            SOURCE_SUBWORDS_OUTPUT: source_pieces,
            TARGET_SUBWORDS_OUTPUT: target_pieces,
            ALIGNMENT_OUTPUT: list(alignment),
        }

    def _score(self, text: Sequence[str], translation: Sequence[str]) -> Outputs:
        return {SCORE_OUTPUT: self._score_subwords(text, translation)[SCORE_OUTPUT]}

    def _score_subwords(self, text: Sequence[str], translation: Sequence[str]) -> Outputs:
        """As ``model.search.translator.TextTranslator.score_subwords``."""
        sources = [self._ids(one) for one in text]
        hypotheses = self._found(sources)
        found = self._translated(text, sources, hypotheses)
        longest = 2 * max(1, self._longest(self._mark.max_source_length))
        targets: list[list[int] | None] = []
        scores: list[float | None] = []
        for row, given in enumerate(map(_utf8, translation)):
            of_texts = zip(found[TRANSLATION_OUTPUT][row], found[SCORE_OUTPUT][row], strict=True)
            those = {place: score for place, (one, score) in enumerate(of_texts) if one == given and score > IMPOSSIBLE}
            best = max(those, key=those.__getitem__, default=None)
            if sources[row] is None:
                targets.append(None)
            elif best is None:
                targets.append(_subwords(self._target, translation[row], longest))
            else:
                targets.append(_without_end(hypotheses.words[row, best]))
            scores.append(None if best is None else those[best])
        read = [source or [] for source in sources]
        with self._engine() as engine:
            forced = engine.force(read, [target or [] for target in targets])
        of_words = forced.of_words
        for row, target in enumerate(targets):
            if target is None:
                of_words[row], forced.alignment[row], scores[row] = 0, 0, IMPOSSIBLE
            elif scores[row] is None:
                scores[row] = self._score_of(forced, row, len(sources[row] or []), len(target))
            elif not sources[row]:
                of_words[row] = 0  # nothing is surely the translation of nothing
        outputs: Outputs = {
            SCORE_OUTPUT: scores,
            TARGET_SUBWORDS_OUTPUT: _pieces(self._target, targets, of_words.shape[1]),
            LOG_PROBABILITY_OUTPUT: list(of_words),
        }
        if self._mark.attends:
            outputs[SOURCE_SUBWORDS_OUTPUT] = _pieces(self._source, read, forced.alignment.shape[2])
            outputs[ALIGNMENT_OUTPUT] = list(forced.alignment)
        return outputs

    def _score_of(self, forced: Forced, row: int, source: int, target: int) -> float:
        """Of so many subwords, each without the end, as ``model.search.scores`` has it."""
        mark, length = self._mark, float(target + 1)
        if mark.length_penalty == "gnmt":
            length = (5 + length) / 6
        score = float(forced.of_words[row].sum() / length**mark.length_normalization)
        if mark.coverage_penalty:
            attention = forced.alignment[row].sum(axis=0)[: source + 1]
            score += mark.coverage_penalty * float(np.log(attention.clip(LEAST_ATTENTION, 1)).sum())
        return score

    def _ids(self, text: str) -> list[int] | None:
        """The subwords of a text; None where there are too many."""
        return _subwords(self._source, text, self._mark.max_source_length)

    def _longest(self, length: int) -> int:
        """The most subwords, without the end, of a translation of so many: in float32, as the SavedModel has it."""
        return int(np.float32(length) * np.float32(self._mark.max_length_ratio)) + self._mark.max_length_extra

    def _found(self, sources: Sequence[list[int] | None]) -> Found:
        """What the search finds; of a blank text, and of one that is too long, the end alone."""
        longest = [max(2, self._longest(len(source)) + 1) if source else 1 for source in sources]
        with self._engine() as engine:
            return engine.search([source or [] for source in sources], longest)

    def _translated(self, text: Sequence[str], sources: Sequence[list[int] | None], found: Found) -> Outputs:
        """Texts and scores of all of a beam, k for each."""
        outputs: Outputs = {TRANSLATION_OUTPUT: [], SCORE_OUTPUT: []}
        known = self._without_unknown(text, sources, found)
        for row, (source, words, scores) in enumerate(zip(sources, found.words, found.scores, strict=True)):
            if source:
                decoded = (self._target.decode(_without_end(hypothesis)) for hypothesis in words)
                texts = [known.get((row, place), said).encode() for place, said in enumerate(decoded)]
                outputs[SCORE_OUTPUT].append(scores.tolist())
            else:
                texts = [b""] * len(words)
                outputs[SCORE_OUTPUT].append([IMPOSSIBLE if source is None else 0.0, *[IMPOSSIBLE] * (len(words) - 1)])
            outputs[TRANSLATION_OUTPUT].append(texts)
        return outputs

    def _without_unknown(
        self, text: Sequence[str], sources: Sequence[list[int] | None], found: Found
    ) -> dict[tuple[int, int], str]:
        """The texts of the hypotheses that have unknown words, by sentence and place in the beam."""
        have_unknown = (found.words == UNKNOWN_ID).any(axis=2) & (found.scores > IMPOSSIBLE)
        if self._mark.unknown_words == "keep" or not have_unknown.any():
            return {}
        places = [(int(row), int(place)) for row, place in np.argwhere(have_unknown)]
        targets = [_without_end(found.words[place]) for place in places]
        with self._engine() as engine:
            alignment = engine.force([sources[row] or [] for row, _ in places], targets).alignment
        known = {}
        for (row, place), target, weights in zip(places, targets, alignment, strict=True):
            known[row, place] = text_with(self._target, target, self._replacements(text[row], target, weights))
        return known

    def _replacements(self, text: str, target: list[int], alignment: np.ndarray) -> list[str]:
        """What stands in place of each unknown word of ``target``, a translation of ``text``."""
        if not self._mark.attends:
            return [""] * len(target)
        words = attended(words_of(self._source, _utf8(text).decode()), alignment, target)
        return [looked_up(self._dictionary, word) for word in words]

    @contextlib.contextmanager
    def _engine(self) -> Iterator[Engine]:
        """One that no other thread uses meanwhile."""
        try:
            engine = self._idle.pop()
        except IndexError:
            engine = Engine(self._models, self._mark)
        yield engine
        self._idle.append(engine)


def _subwords(model: sentencepiece.SentencePieceProcessor, text: str, longest: int) -> list[int] | None:
    """None where there are more than ``longest``, as ``model.data.subwords.Subwords.ids`` has it."""
    encoded = _utf8(text)
    if len(encoded.strip()) > longest * LARGEST_SUBWORD_BYTES:
        return None
    ids = model.encode(encoded.decode())
    return ids if len(ids) <= longest else None


def _write_unknown(
    subwords: sentencepiece.SentencePieceProcessor, ids: list[int], replacements: Sequence[str], pieces: list[bytes]
) -> None:
    for place, number in enumerate(ids):
        if number == UNKNOWN_ID:
            pieces[place] = piece_with(subwords, replacements[place]).encode()


def _utf8(text: str) -> bytes:
    """What UTF-8 cannot have becomes a question mark, as in the client."""
    return text.encode("utf-8", errors="replace")


def _without_end(words: np.ndarray) -> list[int]:
    return [word for word in words.tolist() if word > END_ID]


def _pieces(
    subwords: sentencepiece.SentencePieceProcessor, rows: Sequence[list[int] | None], length: int
) -> list[list[bytes]]:
    """The subwords of every row with its end, as the model has them, then empty ones up to ``length``."""
    pieces = [[] if row is None else [piece.encode() for piece in subwords.id_to_piece([*row, END_ID])] for row in rows]
    return [row + [b""] * (length - len(row)) for row in pieces]
