"""Which words go wrong: source words that the translation leaves out or has twice, and rare words of the target."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import regex
from pydantic import BaseModel, ConfigDict

from model.data.subwords import NormalForm
from model.evaluation.word_alignment import WordAlignment
from model.evaluation.words import words_of

# Of translated words that attend to it, together: less and a word is taken to be left out, more and to be there twice.
_LEFT_OUT, _TWICE = 0.2, 2.0
_MOST_WORDS = 40
# How often training has a word: the first of each class.
_CLASSES = (0, 1, 2, 5, 10, 100, 1000)
# Pairs of the training set that are counted. Their order is that of hashes, so that the first are any.
COUNTED = 100_000
_NOT_OF_A_WORD = regex.compile(r"^[^\p{Alphabetic}\p{M}\p{N}]+|[^\p{Alphabetic}\p{M}\p{N}]+$")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class WordCount(_Frozen):
    """A word, letter case aside, that ``times`` of its ``occurrences`` was so; sentences: where, by their places in the
    test set, from 0."""

    word: str
    times: int
    occurrences: int
    sentences: list[int]


class Coverage(_Frozen):
    """Words of the source by the weights that the words of the translation give them, added up: left_out, less than
    0.2; twice, more than 2, as words are, too, that the target language has several words for. Those that are so most
    often, first; how often any is, and occurrences, of all words."""

    left_out: list[WordCount]
    twice: list[WordCount]
    left_out_times: int
    twice_times: int
    occurrences: int


class FrequencyClass(_Frozen):
    """Words that the training targets have from ``low`` to ``high`` times, without end where that is None: how many the
    references have, the translations, and both for the same sentence (as compare-mt counts, Neubig et al. 2019)."""

    low: int
    high: int | None
    reference: int
    translation: int
    matched: int

    @property
    def recall(self) -> float:
        """The share of the references' words that the translations have, 0 to 1."""
        return self.matched / max(1, self.reference)

    @property
    def precision(self) -> float:
        """The share of the translations' words that the references have."""
        return self.matched / max(1, self.translation)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.matched / max(1, self.reference + self.translation)


def coverage_of(alignments: Sequence[WordAlignment]) -> Coverage:
    """Of all sentences that have a translation."""
    occurrences: Counter[str] = Counter()
    places: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
    for number, aligned in enumerate(alignments):
        if not aligned.target:
            continue
        for word, weight in zip(aligned.source, aligned.weights.sum(axis=0).tolist(), strict=True):
            known = _NOT_OF_A_WORD.sub("", word).casefold()
            if not known:
                continue
            occurrences[known] += 1
            for found, is_so in zip(places, (weight < _LEFT_OUT, weight > _TWICE), strict=True):
                if is_so:
                    found.setdefault(known, []).append(number)
    left_out, twice = (_most_frequent(found, occurrences) for found in places)
    times = [sum(map(len, found.values())) for found in places]
    return Coverage(
        left_out=left_out,
        twice=twice,
        left_out_times=times[0],
        twice_times=times[1],
        occurrences=occurrences.total(),
    )


def accuracy_by_frequency(
    translations: Sequence[str], references: Sequence[str], frequencies: Counter[str], form: NormalForm
) -> list[FrequencyClass]:
    """How many words of each class are found again; frequencies: of words in training, see ``frequencies_of``."""
    counts = {low: [0, 0, 0] for low in _CLASSES}
    for sides in zip(references, translations, strict=True):
        reference, translation = (Counter(_words(text, form)) for text in sides)
        for place, words in enumerate((reference, translation, reference & translation)):
            for word, times in words.items():
                counts[max(low for low in _CLASSES if low <= frequencies[word])][place] += times
    lasts = [following - 1 for following in _CLASSES[1:]]
    return [
        FrequencyClass(low=low, high=high, reference=found[0], translation=found[1], matched=found[2])
        for (low, found), high in zip(counts.items(), [*lasts, None], strict=True)
    ]


def frequencies_of(targets: Iterable[str], form: NormalForm) -> Counter[str]:
    """How often the words are in the first ``COUNTED`` of the targets."""
    return Counter(word for text in itertools.islice(targets, COUNTED) for word in _words(text, form))


def _most_frequent(places: dict[str, list[int]], occurrences: Counter[str]) -> list[WordCount]:
    most = sorted(places, key=lambda word: (-len(places[word]), occurrences[word], word))
    return [
        WordCount(word=word, times=len(places[word]), occurrences=occurrences[word], sentences=places[word])
        for word in most[:_MOST_WORDS]
    ]


def _words(text: str, form: NormalForm) -> list[str]:
    return words_of(unicodedata.normalize(form, text))
