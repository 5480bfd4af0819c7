"""Evaluation by the plain text of the test set."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
import tensorflow as tf

from model.data.references import read_references
from model.data.subwords import load_subwords
from model.evaluation.scores import evaluate
from tests.model.support import TINY
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest, read_scores

pytestmark = pytest.mark.slow


def test_evaluation_scores_the_plain_text(trained: WorkDirectory) -> None:
    scores = evaluate(trained, TINY)
    assert scores == read_scores(trained)
    test = read_references(trained, read_manifest(trained), "test")
    translations = trained.hypotheses.read_text(encoding="utf-8").splitlines()
    assert len(translations) == len(test.sources) == scores.sentences == 20
    bleu = sacrebleu.corpus_bleu(translations, [test.targets])
    assert scores.bleu.score == pytest.approx(bleu.score)
    assert scores.bleu.signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    assert scores.chrf.score == pytest.approx(sacrebleu.corpus_chrf(translations, [test.targets]).score)
    for sample in scores.samples:
        assert translations[test.sources.index(sample.source)] == sample.translation


def test_evaluation_counts_what_is_too_long(trained: WorkDirectory) -> None:
    test = read_references(trained, read_manifest(trained), "test")
    lengths = load_subwords(trained, joint=True)[0].ids(tf.constant(test.sources)).lengths.numpy()
    longest = int(np.median(lengths))
    search = TINY.search.model_copy(update={"max_source_length": longest})
    scores = evaluate(trained, TINY.model_copy(update={"search": search}))
    assert scores.too_long == sum(lengths > longest) > 0
    translations = np.array(trained.hypotheses.read_text(encoding="utf-8").split("\n")[:-1])
    assert np.all(translations[lengths > longest] == "")
    assert evaluate(trained, TINY).too_long == 0
