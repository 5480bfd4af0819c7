# ruff: noqa: RUF001
"""Texts of any length: by models that are worked by hand, and by a server whose model takes twenty letters."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import asyncio
import io
import json
import sys
from collections.abc import Callable, Iterator

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from serving import translate
from serving.client.answers import TOO_LONG, TextTooLongError, Translation
from serving.client.async_translator import AsyncTranslator
from serving.client.long_text import answered, by_sentence, document
from serving.client.translator import Translator
from tests.serving.support import Running, TextModel, running
from workspace.errors import UserError

TEXT = "  One, two. Three!\r\n\r\n\tMr. Four said five, six and seven.\n"
TRANSLATED = "  one:One, two. one:Three!\r\n\r\n\tone:Mr. one:Four said five, one:six and seven.\n"


def model(longest: int, words: Callable[[str], str] = str) -> Callable[[list[str]], list[Translation]]:
    """Takes so many characters, and no white space around a text; the score is less a number of them."""

    def translations(texts: list[str]) -> list[Translation]:
        assert all(text and text == text.strip() for text in texts)
        assert len(set(texts)) == len(texts)
        return [Translation(words(text), -len(text)) if len(text) <= longest else TOO_LONG for text in texts]

    return translations


@given(st.lists(st.text("aB。9.!?, \t\n\r\u2028“”").map(lambda text: text + " "), max_size=9), st.integers(1, 30))
def test_what_a_model_leaves_as_it_is_stays_as_it_is(texts: list[str], longest: int) -> None:
    """But for a space where a sentence ends without one; what a model does not take is split as far as it can be."""
    text = "".join(texts)
    try:
        found = answered(document(text), model(longest))
    except TextTooLongError:
        assert any(len(word) > longest for word in text.split())
    else:
        assert found.replace(" ", "") == text.replace(" ", "")
        assert len(found) >= len(text)


@pytest.mark.parametrize(
    ("source", "words", "expected"),
    [
        ("One.  Two.\u00a0Three.", {"One.": "一。", "Two.": "二。", "Three.": "三。"}, "一。二。\u00a0三。"),
        ("一。二。三。", {"一。": "One.", "二。": "Two.", "三。": "Three."}, "One. Two. Three."),
        ("一！\u3000二。", {"一！": "One!", "二。": "Two."}, "One! Two."),
        ("一。二。", {"一。": "イチ。", "二。": "ABC。ニはさんと。"}, "イチ。ABC。ニはさんと。"),
        ("One. Two.", {"One.": "หนึ่ง", "Two.": "สอง"}, "หนึ่ง สอง"),
        ("One. Two.", {"One.": "하나.", "Two.": "둘."}, "하나. 둘."),
        ("1. 2!  3?", {"1. 2!": "1. 2!", "3?": "3?"}, "1. 2!  3?"),
    ],
)
def test_sentences_are_joined_as_the_script_has_it(source: str, words: dict[str, str], expected: str) -> None:
    assert answered(document(source), model(9, words.__getitem__)) == expected


def test_the_score_is_the_mean_and_one_long_part_is_a_long_line() -> None:
    lines = ["Aa. Bbb.", "", "Aa. " + "b" * 9, "Bbb. Bbb."]
    found = answered(by_sentence(lines), model(5))
    assert found == [Translation("Aa. Bbb.", -3.5), Translation("", 0.0), TOO_LONG, Translation("Bbb. Bbb.", -4.0)]
    with pytest.raises(TextTooLongError, match=r"^line 3 of the text, which begins 'Aa. bbb.*make it shorter$"):
        answered(document("\n".join(lines)), model(5))


def test_what_turns_up_again_as_a_part_is_split_there_too() -> None:
    text = "aa bb\naa bb aa bb aa bb aa bb"
    assert answered(document(text), model(4)) == text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base, served = tmp_path_factory.mktemp("short"), TextModel("one:")
    tf.saved_model.save(served, str(base / "1"), signatures={"serving_default": served.at_most_twenty_letters})
    with running(base, "rnnsearch") as server:
        yield server


@pytest.mark.slow
def test_both_clients_translate_a_text(server: Running) -> None:
    async def asked(text: str) -> str:
        async with AsyncTranslator(server.address) as translator:
            return await translator.translate_text(text)

    with Translator(server.address) as translator:
        assert translator.translate_text(TEXT) == asyncio.run(asked(TEXT)) == TRANSLATED
        assert translator.translate_text("") == ""
        for ask in (translator.translate_text, lambda text: asyncio.run(asked(text))):
            with pytest.raises(TextTooLongError, match="line 2 of the text, which begins 'ccc"):
                ask("a\n" + "c" * 21)


@pytest.mark.slow
def test_the_command_splits_what_is_too_long(
    server: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """And with --document every line."""

    def said(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        translate.main(["--server", server.address, *arguments])
        return capsys.readouterr().out.splitlines()

    lines = "One. Two.\n\nThree, four. Five and six.\n"
    assert said() == ["one:One. Two.", "", "one:Three, four. one:Five and six."]
    assert said("--document") == ["one:One. one:Two.", "", "one:Three, four. one:Five and six."]
    scores = [json.loads(line)["score"] for line in said("--json")]
    assert scores == [9.0, 0.0, 12.5]
    lines += "ccc" * 9 + "\n"
    for arguments in ([], ["--document"]):
        with pytest.raises(UserError, match=r"^too long for the model, and empty in the translation: line 4; split"):
            said(*arguments)
        assert capsys.readouterr().out.splitlines()[2:] == ["one:Three, four. one:Five and six.", ""]
