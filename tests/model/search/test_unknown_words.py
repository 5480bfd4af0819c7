"""Words of the source in place of unknown ones, by a model that repeats what it reads, whatever it can say."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from model.data.subwords import Subwords
from model.exported import unknown_words as without_tensorflow
from model.network.network import Next
from model.search.translator import TextTranslator
from model.search.unknown_words import words_of
from pipelines.preparation.subwords import train_subwords
from recipes import schema
from recipes.data_schema import Subwords as Settings
from workspace.word_pairs import read_word_pairs

SENTENCES = ["one two three four", "five two one, three", "four café one", "two 我很 one 我"] * 50
TEXTS = [
    "one two",  # nothing is unknown
    "one quintillion two",
    "  zzz\tcafe\u0301  Žeta,\u3000two",
    "我很鬱 one鬱",
    "quintillion quintillion.",
    "",
]


class Texts(NamedTuple):
    initial_state: tf.Tensor
    source: tf.Tensor


class Echo:
    """Says the subwords of the source one after the other, each attending to where it stands there."""

    def __init__(self, vocabulary: int, attends: bool = True):
        self.vocabulary, self.attends = vocabulary, attends

    def read(self, source: tf.Tensor) -> Texts:
        return Texts(tf.zeros([tf.shape(source)[0], 1]), source)

    def output_kernel(self) -> tf.Tensor:
        return tf.zeros([])

    def step(self, read: Texts, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        source = tf.repeat(read.source, tf.shape(state)[0] // tf.shape(read.source)[0], axis=0)
        place, length = tf.cast(state[:, 0], tf.int32), tf.shape(source)[1]
        word = tf.gather(source, tf.minimum(place, length - 1), batch_dims=1)
        logits = 9 * tf.one_hot(word, self.vocabulary) + output_kernel
        return Next(logits, state + 1, tf.one_hot(place, length * int(self.attends)))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Subword models that lack some characters, by their type."""
    directory = tmp_path_factory.mktemp("subwords")
    settings = {
        "word": Settings(type="word", vocabulary=9, shrink=True),
        "unigram": Settings(type="unigram", vocabulary=40, shrink=True),
        "bpe": Settings(type="bpe", vocabulary=45, shrink=True),
    }
    for name, of_type in settings.items():
        train_subwords(SENTENCES, of_type, directory / name)
    return {name: directory / name for name in settings}


def echo(model: Path, attends: bool = True, **settings: object) -> TextTranslator:
    subwords = Subwords(model)
    search = schema.Search.model_validate({"beam_size": 2, **settings})
    return TextTranslator(Echo(subwords.vocabulary, attends), (subwords, subwords), search)


def in_one_line(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


@pytest.mark.parametrize("kind", ["word", "unigram"])
def test_what_is_unknown_is_copied_as_it_is_written(models: dict[str, Path], kind: str) -> None:
    """So that a text is repeated whole, whatever the vocabulary lacks; and its score is that which came with it."""
    translator = echo(models[kind])
    translated = translator.n_best(tf.constant(TEXTS))
    texts = [text.decode() for text in translated.text[:, 0].numpy()]
    assert texts == [in_one_line(text) for text in TEXTS]
    assert not any("\u2047" in text.decode() for text in translated.text.numpy().ravel())
    scored = translator.score_subwords(tf.constant(TEXTS), translated.text[:, 0])
    np.testing.assert_array_equal(scored.score, translated.score[:, 0])
    assert b"<unk>" in scored.target_subwords[1].numpy()  # so it is scored
    aligned = translator.align(tf.constant(TEXTS))
    for side in (aligned.source_subwords, aligned.target_subwords):
        pieces = [b"".join(row.tolist()).decode().removesuffix("</s>") for row in side.numpy()]
        assert [" ".join(piece.replace("\u2581", " ").split()) for piece in pieces] == texts
    for row, text in enumerate(TEXTS):
        assert translator.n_best(tf.constant([text])).text[0, 0] == translated.text[row, 0]


def test_a_beginning_may_have_unknown_words(models: dict[str, Path]) -> None:
    """It stays as it was typed, however long what was copied in its place is; what follows is repeated whole."""
    translator = echo(models["word"])
    source = "quintillion four five one two zzz one two café two"
    for prefix in ("鬱 ", "grr ", "one 鬱鬱鬱 ", "grr", "two 鬱"):
        found = translator.constrained(*(tf.constant([text]) for text in (source, prefix, "", "")))
        text = found.text[0].numpy().decode()
        assert text.startswith(prefix)
        assert source.endswith(" " + text.removeprefix(prefix).lstrip())
        assert len(text) > len(prefix)


def test_what_is_unknown_goes_on_with_nothing(models: dict[str, Path]) -> None:
    translator = echo(models["word"])
    source = tf.constant(["one quintillion two zzz one two"] * 4)
    found = translator.alternatives(source, tf.constant(["grr", "one grr", "grr ", "one"]))
    there = [[word.decode() for word in row if word] for row in found.word.numpy()]
    assert there[:2] == [[], []]
    assert there[2]
    assert there[3][0] == "one"


def test_unknown_words_are_kept_where_they_are_asked_for(models: dict[str, Path]) -> None:
    translator = echo(models["word"], unknown_words="keep")
    found = translator.align(tf.constant(TEXTS[:2]))
    assert [text.decode() for text in found.translated.text.numpy()] == ["one two", "one \u2047  two"]
    assert found.target_subwords[1, 1] == found.source_subwords[1, 1] == b"<unk>"


def test_without_attention_they_are_left_out(models: dict[str, Path]) -> None:
    """But never all of a translation: some other word is said."""
    translator = echo(models["word"], attends=False)
    found = [text.decode() for text in translator.translate(tf.constant(["one zzz two", "zzz", "one"])).text.numpy()]
    assert (found[0], found[2]) == ("one two", "one")
    assert found[1]
    assert "\u2047" not in found[1]


def test_a_dictionary_says_what_stands_there(models: dict[str, Path], tmp_path: Path) -> None:
    dictionary = tmp_path / "words.tsv"
    dictionary.write_text("zzz\tsnore snore\nUno.\tOne!\nZ\u030ceta\tzeta\n\none\tnever asked\n", encoding="utf-8")
    translator = echo(models["word"], unknown_dictionary=str(dictionary))
    # One known word between two unknown ones, or SentencePiece takes them for one.
    texts = {
        "one zzz two": "one snore snore two",
        "«zzz», one": "«snore snore», one",
        "Uno. one Uno": "One! one Uno",
        "(Žeta)": "(zeta)",
    }
    found = translator.translate(tf.constant(list(texts)))
    assert [text.decode() for text in found.text.numpy()] == list(texts.values())
    np.testing.assert_array_equal(translator.score(tf.constant(list(texts)), found.text), found.score)
    words = read_word_pairs(dictionary, "set it")
    for word, expected in (("«zzz»,", "«snore snore»,"), ("Uno.", "One!"), ("Uno", "Uno"), ("(Žeta)", "(zeta)")):
        assert without_tensorflow.looked_up(words, word) == expected


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "word",
            [
                ["one", "two"],
                ["one", "quintillion", "two"],
                ["zzz", "café", "Žeta,", "two"],
                ["我很鬱 one鬱"],
                None,
                [],
            ],
        ),
        (
            "bpe",
            [
                ["one", "two"],
                ["one", "q", "uinti", "ll", "ion", "two"],
                ["zzz", "café", "Ž", "eta,", "two"],
                ["我很", "鬱", "one", "鬱"],
                None,
                [],
            ],
        ),
    ],
)
def test_words_of_a_text(models: dict[str, Path], kind: str, words: list[list[str] | None]) -> None:
    """An unknown subword is one by itself, and so is each of a script without spaces. With TensorFlow and without."""
    found = words_of(Subwords(models[kind]), tf.constant(TEXTS))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(models[kind]))
    for row, text in enumerate(TEXTS):
        ours = without_tensorflow.words_of(processor, text)
        assert [text.decode() for text in found.texts[row].numpy() if text] == ours.texts
        assert [number for number in found.numbers[row].numpy() if number >= 0] == ours.numbers
        assert [subword.decode() for subword in found.subwords[row].numpy()][: len(ours.subwords)] == ours.subwords
        if words[row] is not None:
            assert ours.texts == words[row]


@pytest.mark.parametrize("kind", ["word", "unigram"])
def test_texts_are_put_together_alike_with_tensorflow_and_without(models: dict[str, Path], kind: str) -> None:
    """Of any subwords; and as SentencePiece does it where nothing is unknown."""
    processor, subwords = sentencepiece.SentencePieceProcessor(model_file=str(models[kind])), Subwords(models[kind])
    random = np.random.default_rng(1)
    ids = np.where(random.random((200, 8)) < 0.3, 2, random.integers(3, subwords.vocabulary, (200, 8))).astype(np.int32)
    words = np.where(ids == 2, random.choice(["X", "y z", ""], ids.shape), "")
    given = subwords.texts_with(tf.constant(ids), tf.constant(words.tolist())).numpy()
    for row in range(len(ids)):
        text = without_tensorflow.text_with(processor, ids[row].tolist(), words[row].tolist())
        assert given[row].decode() == text
        if 2 not in ids[row]:
            assert text == processor.decode(ids[row].tolist()).strip()
