"""Translators of lists of sentences: a model in this process, or a running server, both with the same calls."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from types import TracebackType

from serving.client.alignment import Alignment
from serving.client.answers import (
    Alternative,
    SubwordScores,
    Translation,
)
from serving.client.constraints import Constraints
from serving.client.long_text import answered, document
from workspace.errors import UserError


class Translator(abc.ABC):
    """Translates sentences; ``load`` and ``connect`` make one. Use it as a context manager, or ``close`` it.

    Each call but ``translate_text`` takes any number of sentences, and gives an answer for each, in their order. For
    one of more subwords than the model takes, the answer is a Translation that is ``too_long``, no translation at all
    for ``nbest``, an Alignment of no words, or a score of minus infinity (of no subwords). Safe to share between
    threads.
    """

    @abc.abstractmethod
    def translate(self, texts: Sequence[str]) -> list[Translation]:
        """The best translation of each, with its score: log p / length^a, or as the recipe's search has it."""

    def translate_text(self, text: str) -> str:
        """The translation of a text of any length: every sentence by itself, line ends and blank lines as they are.

        Raises TextTooLongError, a TranslationError, where a sentence is too long for the model and cannot be split."""
        if not isinstance(text, str):
            raise UserError(f"{text!r} is no text; give a str, or a list of str to translate")
        return answered(document(text), self.translate)

    @abc.abstractmethod
    def nbest(self, texts: Sequence[str], count: int, beam_size: int | None = None) -> list[list[Translation]]:
        """At most ``count`` translations of each, the best first, of a beam of ``beam_size``, or as the recipe has it.
        Raises UserError where the model's beam has fewer, and ValueError for less than one."""

    @abc.abstractmethod
    def alternatives(self, texts: Sequence[str], prefixes: Sequence[str]) -> list[list[Alternative]]:
        """The words that may follow the prefix in a translation of each, likeliest first: after white space the next
        word, else how the last one goes on. None where text or prefix are too long."""

    @abc.abstractmethod
    def sample(
        self,
        texts: Sequence[str],
        count: int,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> list[list[Translation]]:
        """``count`` translations of each, drawn at random as the model finds them likely, in no order.

        seed: for the same samples again; whatever else is in ``texts``, and on any machine, but for the last digits of
        probabilities (model.search.sampling). temperature: less than 1 for what is likelier, more for variety; top_k:
        draw from so many likeliest words, 0 for all; top_p: from the likeliest words that have this share together.
        Without these three it is as the recipe has it; with one of them, the others change nothing. Raises UserError
        where the model draws fewer at a time, and ValueError for less than one.
        """

    @abc.abstractmethod
    def constrained(
        self, texts: Sequence[str], constraints: Constraints | Sequence[Constraints]
    ) -> list[Translation | None]:
        """The best translation of each that keeps to ``constraints``, the same for all or one for each; None where no
        such translation was found, and where the text has more subwords than the model takes."""

    @abc.abstractmethod
    def align(self, texts: Sequence[str]) -> list[Alignment]:
        """The best translation of each, and which words of the sentence each of its words attended to."""

    @abc.abstractmethod
    def score(self, texts: Sequence[str], translations: Sequence[str]) -> list[float]:
        """The score that the model gives to a translation of each: to those of ``translate`` and ``nbest``, that which
        came with them."""

    @abc.abstractmethod
    def score_subwords(self, texts: Sequence[str], translations: Sequence[str]) -> list[SubwordScores]:
        """The same, with the log-probability of every subword and, where the model has attention, what it attended
        to."""

    @abc.abstractmethod
    def close(self) -> None:
        """Lets go of the model, or of the connection."""

    def __enter__(self) -> Translator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def one_each(constraints: Constraints | Sequence[Constraints], texts: Sequence[str]) -> list[Constraints]:
    """Raises UserError where there are not as many."""
    if isinstance(constraints, Constraints):
        return [constraints] * len(texts)
    if not isinstance(constraints, Sequence) or not all(isinstance(each, Constraints) for each in constraints):
        raise UserError(f"{constraints!r} are no constraints; give rnnsearch.Constraints, or a list of them")
    if len(constraints) != len(texts):
        raise UserError(f"{len(texts)} texts and {len(constraints)} constraints are no pairs; give one for each")
    return list(constraints)


def side_by_side(*given: Iterable[str]) -> list[tuple[str, ...]]:
    """The columns side by side. Raises UserError for what is no list of texts, or lists of different lengths."""
    columns = []
    for texts in given:
        if isinstance(texts, str):
            raise UserError(f"{texts[:30]!r} is one text, not a list of texts; put it into brackets")
        columns.append(list(texts))
        if wrong := [text for text in columns[-1] if not isinstance(text, str)]:
            raise UserError(f"{wrong[0]!r} is no text; give a list of str")
    if len({len(column) for column in columns}) > 1:
        raise UserError(f"{len(columns[0])} texts and {len(columns[1])} to go with them are no pairs; give as many")
    return list(zip(*columns, strict=True))
