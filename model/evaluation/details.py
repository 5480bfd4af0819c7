"""What is behind the scores of a test set: every sentence, what went wrong, and what the score of a sentence says.

evaluation/details.json      Details
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf
from pydantic import BaseModel, ConfigDict, ValidationError

from model.data.references import target_texts
from model.data.subwords import Subwords
from model.evaluation.confidence import Tenth, rank_correlation, tenths_of
from model.evaluation.metrics import BLEU, CHRF, SetMetric, score_of, sentence_scores
from model.evaluation.mistakes import copied_words, repeated_words, wrong_numbers
from model.evaluation.word_alignment import WordAlignment
from model.evaluation.word_statistics import (
    COUNTED,
    Coverage,
    FrequencyClass,
    accuracy_by_frequency,
    coverage_of,
    frequencies_of,
)
from model.search.translator import TextTranslator
from workspace.layout import UNKNOWN_ID, WorkDirectory
from workspace.marks import Manifest, Score
from workspace.storage import read_json

_WORST = 30
# Characters of the translation for each of the first reference.
_SHORT, _LONG = 0.5, 2.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sentence(_Frozen):
    """One of the test set, known by its place there, from 0; chrf: 0 to 100; score: of the search, None where the
    source was too long."""

    source: str
    references: list[str]
    translation: str
    chrf: float
    score: float | None


class Finding(_Frozen):
    """Something wrong with a sentence, by its place in the test set; words: of the translation, or numbers."""

    sentence: int
    words: str


class UnknownWords(_Frozen):
    """Words that are not in the vocabularies, and the paper's two columns: BLEU of all sentences, and of those that
    have none of them in source and references (None where every sentence has some).

    source, target: how many there are in the sources and in the first references; sentences: without any.
    """

    source: int
    target: int
    all: Score
    no_unknown: Score | None
    sentences: int


class Details(_Frozen):
    """sentences: all, in their order; worst: by chrF, the worst first; copied, numbers, repeated: see
    ``model.evaluation.mistakes``; short, long: translations of less than half, and of more than twice, the characters
    of the first reference; length_ratio: of the characters of all to those of the first references; coverage: None
    without an alignment; training_pairs: those whose words ``by_frequency`` goes by; unknown: None where there are
    none; tenths: by the score; rank_correlation: of the scores and chrF, None where a side is the same throughout.
    """

    sentences: list[Sentence]
    worst: list[int]
    copied: list[Finding]
    numbers: list[Finding]
    repeated: list[Finding]
    short: list[int]
    long: list[int]
    length_ratio: float
    coverage: Coverage | None
    training_pairs: int
    by_frequency: list[FrequencyClass]
    unknown: UnknownWords | None
    tenths: list[Tenth]
    rank_correlation: float | None


def details_of(
    work: WorkDirectory,
    manifest: Manifest,
    translator: TextTranslator,
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    translated: Sequence[tuple[str, float]],
    alignments: Sequence[WordAlignment],
    metrics: dict[str, SetMetric],
) -> Details:
    """What there is to tell of the (translation, score) of every sentence; references: [references][sentences];
    alignments: of every sentence, or none."""
    form = translator.target_subwords.normal_form
    translations, scores = [text for text, _ in translated], [score for _, score in translated]
    chrf = sentence_scores(translations, references, form)
    sentences = [
        Sentence(
            source=source,
            references=list(known),
            translation=translations[number],
            chrf=chrf[number],
            score=scores[number] if math.isfinite(scores[number]) else None,
        )
        for number, (source, *known) in enumerate(zip(sources, *references, strict=True))
    ]
    rated = [number for number, sentence in enumerate(sentences) if sentence.score is not None]
    lengths = [(len(text), len(reference)) for text, reference in zip(translations, references[0], strict=True)]
    frequencies = frequencies_of(target_texts(work, manifest, "train"), form)
    return Details(
        sentences=sentences,
        worst=sorted(range(len(sentences)), key=chrf.__getitem__)[:_WORST],
        copied=_found(sentences, copied_words),
        numbers=_found(sentences, lambda *texts: " ".join(wrong_numbers(*texts))),
        repeated=_found(sentences, repeated_words),
        short=[number for number, (ours, theirs) in enumerate(lengths) if ours < _SHORT * theirs],
        long=[number for number, (ours, theirs) in enumerate(lengths) if ours > _LONG * theirs],
        length_ratio=sum(ours for ours, _ in lengths) / max(1, sum(theirs for _, theirs in lengths)),
        coverage=coverage_of(alignments) if alignments else None,
        training_pairs=min(COUNTED, manifest.records["train"]),
        by_frequency=accuracy_by_frequency(translations, references[0], frequencies, form),
        unknown=unknown_words(
            (translator.source_subwords, translator.target_subwords), sources, references, translations, metrics[BLEU]
        ),
        tenths=tenths_of(
            [scores[number] for number in rated],
            [translations[number] for number in rated],
            [[side[number] for number in rated] for side in references],
            metrics[CHRF],
        ),
        rank_correlation=rank_correlation([scores[number] for number in rated], [chrf[number] for number in rated]),
    )


def read_details(work: WorkDirectory) -> Details | None:
    """What the last evaluation left; None where there is nothing of this version of the project."""
    value = read_json(work.details)
    try:
        return None if value is None else Details.model_validate(value)
    except ValidationError:
        return None


def unknown_words(
    subwords: tuple[Subwords, Subwords],
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    translations: Sequence[str],
    bleu: SetMetric,
) -> UnknownWords | None:
    """None where the vocabularies have all words, as those of subwords mostly do."""
    counts = [_unknown(subwords[0], sources), *(_unknown(subwords[1], side) for side in references)]
    without = [number for number, of_sentence in enumerate(zip(*counts, strict=True)) if not any(of_sentence)]
    if len(without) == len(sources):
        return None
    known = [translations[number] for number in without], [[side[number] for number in without] for side in references]
    return UnknownWords(
        source=sum(counts[0]),
        target=sum(counts[1]),
        all=score_of(bleu, translations, references),
        no_unknown=score_of(bleu, *known) if without else None,
        sentences=len(without),
    )


def _unknown(subwords: Subwords, texts: Sequence[str]) -> list[int]:
    """How many subwords of each text are unknown."""
    found: list[int] = (
        tf.math.count_nonzero(subwords.ids(tf.constant(texts)).ids == UNKNOWN_ID, axis=1).numpy().tolist()
    )
    return found


def _found(sentences: Sequence[Sentence], look: Callable[[str, str, Sequence[str]], str]) -> list[Finding]:
    found = (look(each.source, each.translation, each.references) for each in sentences)
    return [Finding(sentence=number, words=words) for number, words in enumerate(found) if words]
