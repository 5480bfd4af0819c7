"""What an evaluation says beside the scores."""

from __future__ import annotations

from pathlib import Path

import sacrebleu

from model.data.references import read_references, target_texts
from model.data.subwords import load_subwords
from model.evaluation.details import read_details, unknown_words
from model.evaluation.measures import Measure
from model.evaluation.metrics import BLEU, metrics_of
from tests.model.shards import write_data
from tests.model.support import TINY
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest


def test_bleu_without_unknown_words_is_of_the_sentences_that_have_none(tmp_path: Path) -> None:
    subwords = load_subwords(write_data(tmp_path / "run", TINY), joint=True)
    bleu = metrics_of(Measure("13a", "bleu"), "NFC")[BLEU]
    sources = ["one hundred and two", "nine 日 hundred and 本", "three hundred and one"]
    references = [["cent deux un deux", "neuf cent", "trois 日 cent"], ["cent deux", "neuf", "trois cent un"]]
    translations = ["cent deux un", "neuf cent", "trois cent un"]
    found = unknown_words(subwords, sources, references, translations, bleu)
    assert found is not None
    assert (found.source, found.target, found.sentences) == (2, 1, 1)
    assert found.all.score == sacrebleu.corpus_bleu(translations, references).score
    assert found.no_unknown is not None
    only = sacrebleu.corpus_bleu(translations[:1], [side[:1] for side in references])
    assert found.no_unknown.score == only.score
    nowhere = unknown_words(subwords, sources[1:], [side[1:] for side in references], translations[1:], bleu)
    assert nowhere is not None
    assert (nowhere.no_unknown, nowhere.sentences) == (None, 0)
    assert unknown_words(subwords, sources[:1], [references[0][:1]], translations[:1], bleu) is None


def test_targets_are_those_of_the_shards(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", TINY)
    manifest = read_manifest(work)
    assert list(target_texts(work, manifest, "train")) == read_references(work, manifest, "train").targets


def test_what_another_version_left_is_not_read(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    assert read_details(work) is None
    work.evaluation.mkdir()
    work.details.write_text('{"worst": []}')
    assert read_details(work) is None
