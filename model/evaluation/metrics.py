"""sacreBLEU's metrics of a whole test set: BLEU, chrF, chrF++ and TER, with any number of references for a sentence.

chrF++ and TER count words, which they take to be what stands between spaces. Where BLEU needs another tokenizer to tell
words (model.evaluation.measures), they get the text in the words of that one, and their signature says so. Where that
can tell characters only there is no TER, whose time grows with the cube of the length: seconds for one sentence.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import sacrebleu

from model.data.subwords import NormalForm
from model.evaluation.measures import Measure, bleu_with
from workspace.marks import Score

BLEU, CHRF, CHRF_PLUS_PLUS, TER = "BLEU", "chrF2", "chrF2++", "TER"
# The others are better the larger they are.
LOWER_IS_BETTER = {TER}
# Tokenizers of BLEU to which spaces tell words, as they do to chrF++ and TER.
_BY_SPACES = ("13a", "intl", "none")
# sacreBLEU has the statistics of all resamples in memory at once, up to 100 bytes a sentence.
_RESAMPLES, _SENTENCES_RESAMPLED, _FEWEST_RESAMPLES = 1000, 4_000_000, 100


class SetMetric(NamedTuple):
    """One of sacreBLEU's metrics; prepare: what is done to every text before; words: what the signature says of that,
    if anything."""

    metric: sacrebleu.metrics.base.Metric
    prepare: Callable[[str], str]
    words: str

    @property
    def signature(self) -> str:
        """sacreBLEU's, of what was scored last."""
        return f"{self.metric.get_signature()}{self.words}"


def metrics_of(measure: Measure, form: NormalForm) -> dict[str, SetMetric]:
    """By their names; both sides are compared in the same normal form. Raises UserError where there is no tokenizer."""
    bleu = bleu_with(measure.tokenize)

    def normalized(text: str) -> str:
        return unicodedata.normalize(form, text)

    def in_words(text: str) -> str:
        words: str = bleu.tokenizer(normalized(text))
        return words

    by_spaces = measure.tokenize in _BY_SPACES
    of_words = (normalized, "") if by_spaces else (in_words, f"|words:{measure.tokenize}")
    found = {
        BLEU: SetMetric(bleu, normalized, ""),
        CHRF: SetMetric(sacrebleu.metrics.CHRF(), normalized, ""),
        CHRF_PLUS_PLUS: SetMetric(sacrebleu.metrics.CHRF(word_order=2), *of_words),
    }
    if measure.tokenize != "char":
        found[TER] = SetMetric(sacrebleu.metrics.TER(), *of_words)
    return found


def score_of(metric: SetMetric, translations: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The score with its confidence interval, by sacreBLEU's bootstrap; references: for each further translation of the
    test set by people, one of every sentence."""
    sides = [[metric.prepare(text) for text in side] for side in (translations, *references)]
    found = metric.metric.corpus_score(sides[0], sides[1:], n_bootstrap=resamples(len(translations)))
    drawn = json.loads(found.format(is_json=True, width=4, signature=str(metric.metric.get_signature())))
    return Score(
        score=found.score,
        signature=metric.signature,
        text=str(found),
        mean=drawn.get("confidence_mean", found.score),
        margin=drawn.get("confidence_var", 0.0),
    )


def sentence_scores(translations: Sequence[str], references: Sequence[Sequence[str]], form: NormalForm) -> list[float]:
    """chrF of every sentence by itself, 0 to 100: of characters, so that it is fair to every script."""
    chrf = sacrebleu.metrics.CHRF()
    sides = [[unicodedata.normalize(form, text) for text in side] for side in (translations, *references)]
    return [chrf.sentence_score(text, list(known)).score for text, *known in zip(*sides, strict=True)]


def resamples(sentences: int) -> int:
    """How often a test set of so many sentences is drawn anew."""
    return max(_FEWEST_RESAMPLES, min(_RESAMPLES, _SENTENCES_RESAMPLED // max(1, sentences)))
