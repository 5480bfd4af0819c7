"""Subwords in the graph are those of SentencePiece."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Literal

import pytest
import sentencepiece
import tensorflow as tf

from model.data.subwords import Subwords
from pipelines.preparation.subwords import train_subwords
from recipes.data_schema import Subwords as SubwordSettings
from tests.model.support import TEXTS
from tests.numbers_corpus import english
from tests.texts import TEXTS_OF_MANY_SCRIPTS
from workspace.layout import END_ID, LARGEST_SUBWORD_BYTES, PADDING_ID, UNKNOWN_ID, WorkDirectory


def test_ids_are_sentencepieces(trained: WorkDirectory[Path]) -> None:
    path = trained.subword_model("source", joint=True)
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = [*TEXTS, "", "  two   hundred ", "Übermut 漢字 \u2028"]
    ids, lengths, *_ = subwords.ids(tf.constant(texts))
    for row, length, text in zip(ids.numpy(), lengths.numpy(), texts, strict=True):
        expected = [*reference.encode(text), END_ID]
        assert list(row) == expected + [PADDING_ID] * (len(row) - len(expected))
        assert length == len(expected) - 1
    assert [text.decode() for text in subwords.texts(ids).numpy()] == [
        reference.decode(reference.encode(text)) for text in texts
    ]
    assert subwords.vocabulary == reference.vocab_size()


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_ids_are_sentencepieces_with_bytes_and_symbols_too(tmp_path: Path, kind: Literal["unigram", "bpe"]) -> None:
    path = tmp_path / "m"
    settings = SubwordSettings(type=kind, vocabulary=310, byte_fallback=True, symbols=("<date>",))
    train_subwords((english(number) for number in range(2000)), settings, path, tags=["<ted>"])
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = ["<ted> seven <date>", "漢字 é", "one<date>two"]
    ids, lengths, *_ = subwords.ids(tf.constant(texts))
    found = [list(row[:length]) for row, length in zip(ids.numpy(), lengths.numpy(), strict=True)]
    assert found == [reference.encode(text) for text in texts]
    assert [text.decode() for text in subwords.texts(ids).numpy()] == [reference.decode(row) for row in found]


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("form", ["nfc", "identity", "nfkc"])
def test_text_of_any_script_is_sentencepieces(
    tmp_path: Path, form: Literal["nfc", "identity", "nfkc"], byte_fallback: bool
) -> None:
    """Ids and text, of what is in the vocabulary and of what is not; white space and invisible characters included."""
    path, texts = tmp_path / "m", list(TEXTS_OF_MANY_SCRIPTS.values())
    vocabulary = 420 if byte_fallback else 345
    # Of equally likely segmentations by a unigram model, the two need not choose the same.
    settings = SubwordSettings(type="bpe", vocabulary=vocabulary, normalization=form, byte_fallback=byte_fallback)
    train_subwords(texts * 3, settings, path)
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts += ["\u3000 a\tb\u00a0\u200b c\ufeff ", "\u1112\u1161\u11ab e\u0323\u0302", "ⵣ 𐌰", "\ue000"]
    ids, lengths, *_ = subwords.ids(tf.constant(texts))
    found = [list(row[:length]) for row, length in zip(ids.numpy(), lengths.numpy(), strict=True)]
    assert found == [reference.encode(text) for text in texts]
    decoded = [text.decode() for text in subwords.texts(ids).numpy()]
    assert decoded == [reference.decode(row) for row in found]
    if form != "nfkc":
        assert decoded[: len(TEXTS_OF_MANY_SCRIPTS)] == list(TEXTS_OF_MANY_SCRIPTS.values())
    assert (UNKNOWN_ID in found[-1]) != byte_fallback


def test_what_is_unknown_shows(tmp_path: Path) -> None:
    """As SentencePiece's double question mark; a part of a character, of which some bytes are missing, as U+FFFD."""
    path = tmp_path / "m"
    settings = SubwordSettings(vocabulary=310, byte_fallback=True)
    train_subwords((english(number) for number in range(2000)), settings, path)
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    first = reference.piece_to_id("<0xE4>")
    one = reference.encode("one")
    texts = subwords.texts(tf.constant([[*one, UNKNOWN_ID], [*one, first]])).numpy()
    assert [text.decode() for text in texts] == ["one \u2047 ", "one\ufffd"]


def test_a_text_of_too_many_bytes_is_too_long_before_it_is_cut(trained: WorkDirectory[Path]) -> None:
    """White space around it does not count, and one of as many bytes as fit is cut."""
    subwords = Subwords(trained.subword_model("source", joint=True))
    most = 3 * LARGEST_SUBWORD_BYTES
    texts = [
        "one",
        "one" * 10_000_000,
        "\u6f22" * (most // 3 + 1),
        "\u6f22" * (most // 3),
        " " * most + "one ",
        " " * most,
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ids, lengths, too_long, *_ = subwords.ids(tf.constant(texts), longest=3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # cutting took 4 GB
    assert list(too_long.numpy()) == [False, True, True, False, False, False]
    whole = subwords.ids(tf.constant(["one", "", "", texts[3], "one", ""]))
    assert list(lengths.numpy()) == list(whole.lengths.numpy())
    assert ids.numpy().tolist() == whole.ids.numpy().tolist()
