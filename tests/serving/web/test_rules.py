# ruff: noqa: RUF001
"""What the page computes by itself, against serving.client, whose rules these are; served by any web server."""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import serving
from serving.client.alignment import align_words
from serving.client.answers import Translation
from serving.client.sentences import halves, sentences
from tests.serving.client.test_sentences import OF_OUR_OWN, OF_UNICODE

pytestmark = pytest.mark.slow

WEB = Path(serving.__file__).parent / "web"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(WEB))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        page.close()
        server.shutdown()
        thread.join()


def test_where_there_is_no_model_it_is_said(page: Page) -> None:
    page.get_by_role("textbox", name="Text").fill("A dog.")
    page.get_by_text("The server has no model “rnnsearch”.").or_(page.get_by_text("The server refuses")).wait_for()


def test_sentences_are_those_of_the_client(page: Page) -> None:
    """What splits text in the browser, which has other regular expressions, against serving.client.sentences."""
    made = random.Random(3)
    characters = "aB9.!?… \t。！「」“”,、字ก\u0301\u200d'\"()«»;:-؛،؟।։ZéX3"
    pieces = [*" ".join(OF_OUR_OWN).replace("|", "").split(), "Mr.", "z.", "3.", "...", "?!"]
    texts = [marked.replace("|", "") for marked in [*OF_UNICODE, *OF_OUR_OWN]]
    texts += ["".join(made.choices(characters, k=made.randint(1, 25))).strip() for _ in range(1000)]
    texts += [made.choice(["", " "]).join(made.choices(pieces, k=made.randint(1, 12))) for _ in range(1000)]
    found = page.evaluate(
        """async texts => {
            const { sentences, halves } = await import("/sentences.js");
            const pairs = parts => parts.map(({ text, space }) => [text, space]);
            return texts.map(text => [pairs(sentences(text)), pairs(halves(text))]);
        }""",
        texts,
    )
    for text, ours in zip(texts, found, strict=True):
        assert ours == [[list(part) for part in parts] for parts in (sentences(text), halves(text))], text


def test_alignments_of_words_are_those_of_the_client(page: Page) -> None:
    made = random.Random(4)
    pieces = ["\u2581a", "b", "\u2581", "\u2581字", "典", "<0xC3>", "<0xA9>", "."]
    cases = []
    for _ in range(100):
        source, target = (["\u2581x", *made.choices(pieces, k=made.randint(0, 6)), "</s>"] for _ in range(2))
        cases.append((source, target, [[made.random() for _ in source] for _ in target]))
    expected = []
    for source, target, weights in cases:
        given = align_words(Translation("", 0.0), source, target, [weight for row in weights for weight in row])
        expected.append([given.source, given.target, given.weights])
    found = page.evaluate(
        """async ([cases, expected]) => {
            const { alignmentOf } = await import("/words.js");
            const texts = words => words.map(({ text }) => text);
            return cases.map(([source_subwords, target_subwords, alignment], place) => {
                const [text, translation] = expected[place].map(words => words.join(" "));
                const { source, target, weights } =
                    alignmentOf(text, translation, { source_subwords, target_subwords, alignment });
                return [texts(source), texts(target), weights];
            });
        }""",
        [cases, expected],
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[:2] == theirs[:2]
        assert [pytest.approx(row) for row in ours[2]] == theirs[2]
