"""From subwords to words: every weight goes to a word, once, whatever the script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from model.data.references import read_references
from model.data.subwords import Subwords
from model.evaluation.alignment_error import Gold, gold_alignments, read_gold
from model.evaluation.word_alignment import (
    SubwordAlignment,
    WordAlignment,
    align_subwords,
    align_words,
    merged,
    pharaoh,
    write_alignments,
)
from model.search.forced import forced_decoding
from model.search.translator import TextTranslator
from tests.model.search.test_translator import untrained
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest


def places(*subwords: tuple[int, int]) -> np.ndarray:
    return np.array(subwords)


def test_subwords_are_merged_to_words_by_hand() -> None:
    """Source "to day", three subwords: to, " d", ay. Target "aujourd'hui oui", three: aujourd, 'hui, " oui"."""
    weights = np.array([[0.5, 0.25, 0.125], [0.1, 0.2, 0.3], [0.0, 0.0, 0.5]])
    subwords = SubwordAlignment(places((0, 2), (2, 4), (4, 6)), places((0, 7), (7, 11), (11, 15)), weights)
    found = align_words("to day", "aujourd'hui oui", subwords)
    assert (found.source, found.target) == (["to", "day"], ["aujourd'hui", "oui"])
    # Of the source added up; of the target by the share of bytes that each subword has of the word, 7 and 4 of 11.
    expected = [[(7 * 0.5 + 4 * 0.1) / 11, (7 * 0.375 + 4 * 0.5) / 11], [0.0, 0.5]]
    np.testing.assert_allclose(found.weights, expected)
    assert found.links() == [(1, 1), (1, 0)][::-1]


def test_a_subword_of_two_words_is_shared_out() -> None:
    """As of "qu'il" where "qu'" and "il" were aligned by hand: three bytes of five, and two."""
    subwords = SubwordAlignment(places((0, 5)), places((0, 3)), np.array([[1.0]]))
    found = merged(("qu'il", [(0, 3), (3, 5)]), ("oui", [(0, 3)]), subwords)
    np.testing.assert_allclose(found.weights, [[0.6, 0.4]])


def test_a_script_without_spaces_has_subwords_for_words() -> None:
    source = places((0, 3), (3, 9), (9, 12))
    found = align_words("我喜欢 A", "j'aime", SubwordAlignment(source, places((0, 6)), np.array([[0.2, 0.5, 0.3]])))
    assert found.source == ["我", "喜欢", "A"]
    np.testing.assert_allclose(found.weights, [[0.2, 0.5, 0.3]])


@pytest.mark.parametrize(
    "text", ["  two  words ", "a\u00a0b", "e\u0301te\u0301 ﬁn", "我喜欢 A4 纸。", "ภาษาไทย ดี", "🙂 שלום עולם"]
)
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_no_weight_is_lost_or_counted_twice(text: str, byte_fallback: bool, tmp_path: Path) -> None:
    """Whatever normalisation and single bytes do to the text in between."""
    (tmp_path / "text").write_text("two words fin A4 ete\n" * 20, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"),
        model_prefix=str(tmp_path / "m"),
        vocab_size=280 if byte_fallback else 20,
        byte_fallback=byte_fallback,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    _, starts, ends = Subwords(tmp_path / "m.model").with_places(tf.constant([text]))
    of_text = np.stack([starts[0].numpy(), ends[0].numpy()], axis=1)
    count = len(of_text)
    weights = np.random.default_rng(1).random((count, count))
    found = align_words(text, text, SubwordAlignment(of_text, of_text, weights))
    assert "".join(found.source) == "".join(text.split())
    np.testing.assert_allclose(
        align_words(text, text, SubwordAlignment(of_text, of_text, np.ones((count, count)))).weights.sum(axis=1),
        count,
    )
    assert found.weights.shape == (len(found.target), len(found.source))
    assert found.weights.min() > 0


def test_links_are_written_as_pharaoh_has_them(tmp_path: Path) -> None:
    alignments = [
        WordAlignment(["a", "b"], ["x", "y", "z"], np.array([[0.1, 0.6], [0.5, 0.2], [0.0, 0.1]])),
        WordAlignment([], [], np.zeros((0, 0))),
        WordAlignment(["c"], ["w"], np.zeros((1, 1))),
    ]
    paths = [tmp_path / f"x.{ending}" for ending in ("source", "target", "align")]
    write_alignments(paths, alignments)
    assert [path.read_text("utf-8") for path in paths] == ["a b\n\nc\n", "x y z\n\nw\n", "0-1 1-0 1-2\n\n\n"]
    assert pharaoh([]) == ""
    # They are what a gold alignment is read from.
    assert [len(each.possible) for each in read_gold(tmp_path / "x")] == [3, 0, 0]


@pytest.mark.slow
def test_given_translations_are_aligned_by_forced_decoding(trained: WorkDirectory[Path]) -> None:
    """Each as alone, whatever else is in the batch; and words have what their subwords have."""
    translator: TextTranslator = untrained(trained)
    test = read_references(trained, read_manifest(trained), "test")
    sources, targets = test.sources[:9], [*test.targets[:8], " "]
    found = align_subwords(translator, sources, targets)
    assert len(found[-1].weights) == 0
    for source, target, subwords in list(zip(sources, targets, found, strict=True))[:8]:
        ids = [
            side.ids(tf.constant([text])).ids
            for side, text in zip(
                (translator.source_subwords, translator.target_subwords), (source, target), strict=True
            )
        ]
        expected = forced_decoding(translator.model, *ids).alignment[0].numpy()
        np.testing.assert_allclose(subwords.weights, expected[:-1, :-1], atol=1e-5)
        words = align_words(source, target, subwords)
        assert (words.source, words.target) == (source.split(), target.split())
        # The target's subwords are of different lengths, but none of their rows gives more than it has.
        rows = expected[:-1, :-1].sum(axis=1)
        assert words.weights.sum(axis=1).max() <= rows.max() + 1e-5
        assert words.weights.sum(axis=1).min() >= rows.min() - 1e-5
    gold = [Gold(s.split(), t.split(), frozenset(), frozenset()) for s, t in zip(sources[:3], targets[:3], strict=True)]
    for ours, subwords, source, target in zip(gold_alignments(translator, gold), found, sources, targets, strict=False):
        np.testing.assert_allclose(ours.weights, align_words(source, target, subwords).weights, atol=1e-5)
