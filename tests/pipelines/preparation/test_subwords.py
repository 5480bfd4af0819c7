"""SentencePiece models: the ids the model and the exported graph count on, and sizes that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.preparation.subwords import load_subwords, train_subwords
from recipes.data_schema import Subwords
from tests.numbers_corpus import english, french
from workspace.errors import UserError
from workspace.layout import END_ID, PADDING_ID, UNKNOWN_ID

SENTENCES = [words(number) for number in range(0, 3000, 7) for words in (english, french)]


def trained(path: Path, sentences: list[str] = SENTENCES, **settings: Any):  # type: ignore[no-untyped-def]
    train_subwords(sentences, Subwords.model_validate({"vocabulary": 60, **settings}), path)
    return load_subwords(path)


@pytest.mark.parametrize(("kind", "vocabulary"), [("unigram", 60), ("bpe", 60), ("word", 50)])
def test_the_first_ids_are_those_of_the_layout(tmp_path: Path, kind: str, vocabulary: int) -> None:
    subwords = trained(tmp_path / "m", type=kind, vocabulary=vocabulary)
    assert subwords.vocab_size() == vocabulary
    assert (subwords.pad_id(), subwords.eos_id(), subwords.unk_id()) == (PADDING_ID, END_ID, UNKNOWN_ID)
    assert subwords.bos_id() == -1
    sentence = english(42)
    ids = subwords.encode(sentence)
    assert PADDING_ID not in ids
    assert END_ID not in ids
    assert subwords.decode(ids) == sentence


@pytest.fixture(scope="module")
def unigram(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    return trained(tmp_path_factory.mktemp("subwords") / "m")


@given(st.lists(st.sampled_from(SENTENCES), max_size=3).map(" ".join))
def test_decoding_gives_back_what_was_encoded(unigram, sentence: str) -> None:  # type: ignore[no-untyped-def]
    assert unigram.decode(unigram.encode(sentence)) == sentence


def test_the_same_sentences_give_the_same_bytes(tmp_path: Path) -> None:
    trained(tmp_path / "a")
    trained(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word"])
def test_too_large_a_vocabulary_is_told_the_largest_that_works(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match=r"subwords\.vocabulary is 99999, but .* allows \d+ at most") as error:
        trained(tmp_path / "m", type=kind, vocabulary=99_999)
    assert not (tmp_path / "m").exists()
    largest = int(str(error.value).partition("allows ")[2].split()[0])
    assert trained(tmp_path / "m", type=kind, vocabulary=largest).vocab_size() == largest


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word"])
def test_a_vocabulary_may_shrink_to_what_the_corpus_allows(tmp_path: Path, kind: str) -> None:
    assert 4 < trained(tmp_path / "m", type=kind, vocabulary=99_999, shrink=True).vocab_size() < 1000
    assert trained(tmp_path / "m", type=kind, vocabulary=50, shrink=True).vocab_size() == 50


def test_too_small_a_vocabulary_is_told_the_smallest_that_works(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"subwords\.vocabulary is 5, but .* needs \d+ at least") as error:
        trained(tmp_path / "m", vocabulary=5)
    smallest = int(str(error.value).partition("needs ")[2].split()[0])
    assert trained(tmp_path / "m", vocabulary=smallest).vocab_size() == smallest


def test_long_sentences_are_learnt_from_too(tmp_path: Path) -> None:
    """SentencePiece itself leaves out sentences longer than 4,192 bytes."""
    subwords = trained(tmp_path / "m", [*SENTENCES, "ξ " * 3000])
    assert UNKNOWN_ID not in subwords.encode("ξ")


def test_characters_outside_the_vocabulary_become_bytes(tmp_path: Path) -> None:
    without = trained(tmp_path / "a", type="bpe")
    assert UNKNOWN_ID in without.encode("漢")
    subwords = trained(tmp_path / "b", type="bpe", vocabulary=320, byte_fallback=True)
    assert UNKNOWN_ID not in subwords.encode("漢字 one")
    assert subwords.decode(subwords.encode("漢字 one")) == "漢字 one"


def test_symbols_and_tags_are_one_subword_always(tmp_path: Path) -> None:
    settings = Subwords(vocabulary=70, symbols=("<date>",))
    train_subwords(SENTENCES, settings, tmp_path / "m", tags=["<ted>"])
    subwords = load_subwords(tmp_path / "m")
    for symbol in ("<date>", "<ted>"):
        symbol_id = subwords.piece_to_id(symbol)
        assert symbol_id != UNKNOWN_ID
        assert subwords.encode(f"{symbol} one{symbol}").count(symbol_id) == 2
