"""Translations, and the errors that come in their place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import grpc

from workspace.errors import UserError
from workspace.layout import BEAM_SIZE_INPUT, NBEST_SIGNATURE, NBEST_WITH_SIGNATURE


class TranslationError(UserError):
    """No translation could be had; ``code`` is the status that the call ended with."""

    def __init__(self, message: str, code: grpc.StatusCode):
        super().__init__(message)
        self.code = code


class NoTranslationError(TranslationError):
    """The model has none of this text, but may have of others."""


class ConstraintsError(NoTranslationError):
    """No translation was found that keeps to what is asked of it."""


class TextTooLongError(NoTranslationError):
    """The text has more subwords than the model takes; split it, and its parts can be translated."""


class TooManyTextsError(TranslationError):
    """A request has more texts than the model or the server takes, which is ``most``."""

    def __init__(self, message: str, code: grpc.StatusCode, most: int):
        super().__init__(message, code)
        self.most = most


@dataclass(frozen=True)
class Translation:
    """A translation and its length-normalised log-probability."""

    text: str
    score: float

    @property
    def too_long(self) -> bool:
        """Whether the text was left untranslated because it has more subwords than the model takes."""
        return self.score == -math.inf

    @classmethod
    def of(cls, text: bytes, score: float) -> Translation:
        """As a model gives it."""
        return cls(text.decode("utf-8", errors="replace"), float(score))


# Of a text that holds nothing to translate, and of one that is too long.
BLANK, TOO_LONG = Translation("", 0.0), Translation("", -math.inf)


class SubwordScores(NamedTuple):
    """A given translation, subword by subword.

    score: the length-normalised log-probability; subwords: as the model has them, ▁ for a space, its end among them;
    log_probabilities: of each after those before it; source: the subwords of the text; alignment: what each subword
    attended to of them, rows that sum to 1. Without attention, source and alignment are empty; of a text or a
    translation that is too long, all is but the score of minus infinity.
    """

    score: float
    subwords: list[str]
    log_probabilities: list[float]
    source: list[str]
    alignment: list[list[float]]

    @classmethod
    def of(
        cls,
        score: float,
        target: Sequence[bytes],
        log_probabilities: Sequence[float],
        source: Sequence[bytes] = (),
        weights: Sequence[float] = (),
    ) -> SubwordScores:
        """As a model gives it: padded, weights row by row."""
        if score == -math.inf:
            return UNSCORED
        subwords, of_source = ([subword.decode("utf-8") for subword in side if subword] for side in (target, source))
        starts = [row * len(source) for row in range(len(subwords))] if source else []
        alignment = [list(weights[start : start + len(of_source)]) for start in starts]
        return cls(float(score), subwords, list(log_probabilities[: len(subwords)]), of_source, alignment)


# Of a text or a translation that is too long.
UNSCORED = SubwordScores(-math.inf, [], [], [], [])


class Alternative(NamedTuple):
    """A word that may follow the beginning of a translation, and its probability among all translations that begin
    so."""

    word: str
    probability: float


def alternatives_of(words: Sequence[bytes], probabilities: Sequence[float]) -> list[Alternative]:
    """Those there are, as a model gives them."""
    return [
        Alternative(word.decode("utf-8"), float(probability))
        for word, probability in zip(words, probabilities, strict=True)
        if word
    ]


def check_count(count: int, of: str = "translations") -> None:
    """Raises ValueError for what is no number of things to ask for."""
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"{count!r} {of} are asked for; ask for 1 or more, a whole number")


def beam_inputs(count: int, beam_size: int | None) -> tuple[str, dict[str, int]]:
    """The signature that gives ``count`` translations of a beam, and its inputs besides the text; without ``beam_size``
    the beam is the recipe's. Raises ValueError for less than one, and UserError where the beam has fewer."""
    check_count(count)
    if beam_size is None:
        return NBEST_SIGNATURE, {}
    check_count(beam_size, "hypotheses in a beam")
    if count > beam_size:
        raise UserError(f"{count} translations are asked for of a beam of {beam_size}; ask for fewer")
    return NBEST_WITH_SIGNATURE, {BEAM_SIZE_INPUT: min(beam_size, 2**31 - 1)}


def best_of_beam(
    texts: Sequence[bytes], scores: Sequence[float], count: int, beam_size: int | None = None
) -> list[Translation]:
    """At most ``count`` translations of what a beam has found, the best first. Raises UserError where the model's beam
    is smaller than ``count`` or ``beam_size``."""
    if beam_size is not None and beam_size > len(texts):
        raise UserError(
            f"a beam of {beam_size} is asked for, but the model has one of {len(texts)}; ask for a smaller one, "
            f"or export it with search.beam_size={beam_size}"
        )
    if count > len(texts):
        raise UserError(f"{count} translations are asked for, but the model has a beam of {len(texts)}; ask for fewer")
    found = zip(texts[:count], scores[:count], strict=True)
    return [Translation.of(text, score) for text, score in found if score > -math.inf]


def check_all_translated(
    too_long: Sequence[int], why: str = "too long for the model", advice: str = "split into sentences"
) -> None:
    """Raises UserError where lines, numbered from 1, were too long; to be called when all others are done."""
    if too_long:
        shown = ", ".join(f"{number:,}" for number in too_long[:10])
        more = f" and {len(too_long) - 10:,} more" if len(too_long) > 10 else ""
        lines = f"line{'s' if len(too_long) > 1 else ''} {shown}{more}"
        raise UserError(f"{why}, and empty in the translation: {lines}; {advice}")
