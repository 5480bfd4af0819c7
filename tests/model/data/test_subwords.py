"""Subwords in the graph are those of SentencePiece."""

from __future__ import annotations

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
from workspace.layout import END_ID, PADDING_ID, WorkDirectory


def test_ids_are_sentencepieces(trained: WorkDirectory) -> None:
    path = trained.subword_model("source", joint=True)
    subwords, reference = Subwords(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = [*TEXTS, "", "  two   hundred ", "Übermut 漢字 \u2028"]
    ids, lengths, _ = subwords.ids(tf.constant(texts))
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
    ids, lengths, _ = subwords.ids(tf.constant(texts))
    found = [list(row[:length]) for row, length in zip(ids.numpy(), lengths.numpy(), strict=True)]
    assert found == [reference.encode(text) for text in texts]
    assert [text.decode() for text in subwords.texts(ids).numpy()] == [reference.decode(row) for row in found]
