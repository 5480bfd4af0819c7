# ruff: noqa: RUF001
"""The page in a browser, Debian's Chromium without a window, against a server of the stand-in."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import json
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, FilePayload, Page, Route, expect

from tests.serving.support import Running, config_of, labels, model, running, save_text_model
from tests.serving.web.support import IMPOSSIBLE, MOST_CHARACTERS, CapitalLetters
from workspace.layout import model_card_of

pytestmark = pytest.mark.slow

DOCUMENT = "A dog runs. Two men <b>talk</b> & sit.\n\n  “Why?” he asked. No!\n"
TRANSLATED = DOCUMENT.upper()
PREDICT = "**/v1/models/rnnsearch*:predict"

expect.set_options(timeout=10_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Version 1 has only what every model has, and begins with "one:"; version 2, the stable one, has all there is."""
    base = tmp_path_factory.mktemp("page")
    save_text_model(base / "1", "one:")
    CapitalLetters().save(base / "2")
    card = model_card_of(base / "2", "html")
    card.parent.mkdir()
    card.write_text("<title>Card</title><h1>Capital letters</h1>")
    policy = f"model_version_policy {{ specific {{ versions: 1 versions: 2 }} }} {labels(stable=2)}"
    config = base / "models.config"
    config.write_text(config_of(model("rnnsearch", base, policy)))
    flags = {"model_config_file": config, "allow_version_labels_for_unavailable_models": True}
    with running(base, "rnnsearch", **flags) as server:
        yield server


@dataclass
class Seen:
    """What a page has done unseen: its requests, and what it said to the console."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)


Open = Callable[..., Page]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def open_page(browser: Browser, server: Running, seen: Seen) -> Iterator[Open]:
    """Opens the page with a text, in a window of its own; no request may leave the server, and nothing go wrong."""
    origin = f"http://127.0.0.1:{server.rest_port}"
    contexts = []

    def open_one(text: str = "", **window: Any) -> Page:
        context = browser.new_context(**window)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.console.append(message.text))
        page.on("pageerror", lambda error: seen.console.append(str(error)))
        page.goto(f"{origin}/" + (f"#text={quote(text)}" if text else ""))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [url for url in seen.requests if not url.startswith((f"{origin}/", "blob:"))] == []
    assert seen.console == []


def translation(page: Page) -> Any:
    return page.locator("#translation")


def word(page: Page, text: str) -> Any:
    """A word of the translation's active sentence."""
    return translation(page).get_by_role("button", name=text, exact=True)


def text_field(page: Page) -> Any:
    return page.get_by_role("textbox", name="Text")


def version(page: Page) -> Any:
    return page.get_by_role("combobox", name="Version", exact=True)


def lit(page: Page, place: str) -> list[str]:
    """The words that are lit up there."""
    weights = f"#{place} .word"
    return page.locator(weights).evaluate_all(
        "words => words.filter(word => word.style.getPropertyValue('--weight') > 0).map(word => word.textContent)"
    )


def answer_with(status: int, error: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, body=json.dumps({"error": error}))


def test_a_document_is_translated_as_it_is_typed(open_page: Open) -> None:
    page = open_page()
    text_field(page).press_sequentially("One. T")
    expect(translation(page)).to_have_text("ONE. T")
    text_field(page).fill(DOCUMENT)
    expect(page.locator("#translation p")).to_have_text(TRANSLATED.split("\n"), use_inner_text=False)
    expect(page.locator("#status")).to_have_text("4 sentences are translated.")
    assert page.locator("#translation b").count() == 0
    # Behind the field, where words light up, is the same text in the same place.
    assert page.locator("#mirror").text_content() == DOCUMENT + "\u200b"
    boxes = [page.locator(place).bounding_box() for place in ("#mirror", "#text")]
    assert boxes[0] == boxes[1]


def test_the_translation_of_one_sentence_is_announced(open_page: Open) -> None:
    page = open_page("A dog runs.")
    expect(page.locator("#status")).to_have_text("A DOG RUNS.")
    expect(page.locator("#translation")).to_have_attribute("aria-busy", "false")


def test_what_was_typed_outlives_a_reload(open_page: Open) -> None:
    page = open_page("A cat.")
    text_field(page).fill("A dog.")
    expect(translation(page)).to_have_text("A DOG.")
    page.reload()
    expect(text_field(page)).to_have_value("A dog.")
    expect(translation(page)).to_have_text("A DOG.")


def test_only_what_changed_is_asked_for(open_page: Open, seen: Seen) -> None:
    page = open_page("One. Two.")
    expect(translation(page)).to_have_text("ONE. TWO.")
    asked = sum("predict" in url for url in seen.requests)
    text_field(page).fill("One. Two. Three. One.")
    expect(translation(page)).to_have_text("ONE. TWO. THREE. ONE.")
    assert sum("predict" in url for url in seen.requests) == asked + 1


def test_other_translations_have_scores_and_can_be_chosen(open_page: Open) -> None:
    page = open_page("A dog.")
    page.get_by_text("Other translations").click()
    others = page.locator("#nbest li")
    expect(others).to_have_text(["A DOG.score −0.250", "A DOG. INDEEDscore −0.500"])
    expect(others.locator("mark")).to_have_text(["INDEED"])
    others.nth(1).get_by_role("button").click()
    expect(translation(page)).to_have_text("A DOG. INDEED")
    page.get_by_role("button", name="Remove: chosen from the list").click()
    expect(translation(page)).to_have_text("A DOG.")


def test_the_alignment_lights_up_on_both_sides(open_page: Open) -> None:
    page = open_page("First. A dog runs home.")
    # Also of a sentence that one is not at.
    expect(translation(page)).to_have_text("FIRST. A DOG RUNS HOME.")
    page.locator("#translation .sentence").first.hover()
    expect(page.locator("#attention")).to_have_text("FIRST. – First. 75 %")
    assert lit(page, "mirror") == ["First."]
    word(page, "RUNS").hover()
    expect(page.locator("#attention")).to_have_text("RUNS – runs 75 %")
    assert lit(page, "mirror") == ["runs"]
    # By the keyboard, and from the text.
    word(page, "A").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#attention")).to_have_text("DOG – dog 75 %")
    text_field(page).focus()
    page.keyboard.press("End")
    expect(page.locator("#attention")).to_have_text("home. – HOME. 75 %")
    assert lit(page, "translation") == ["HOME."]
    dog = page.locator("#mirror .word", has_text="dog").bounding_box()
    assert dog
    page.mouse.move(dog["x"] + 5, dog["y"] + 5)
    expect(page.locator("#attention")).to_have_text("dog – DOG 75 %")
    assert lit(page, "translation") == ["DOG"]


def test_one_types_on_while_the_alignment_comes(open_page: Open, server: Running) -> None:
    server.rest("POST", "/v1/models/rnnsearch:predict", {"signature_name": "align", "instances": ["the first is slow"]})
    page = open_page("A dog runs")
    expect(translation(page)).to_have_text("A DOG RUNS")
    expect(page.locator("#hint")).to_contain_text("Click a word")
    # In one go, for the answer comes at once: the first asks what the word there attended to.
    text_field(page).evaluate(
        """field => {
            field.dispatchEvent(new MouseEvent("click"));
            field.setRangeText(" home.", field.value.length, field.value.length, "end");
            field.dispatchEvent(new InputEvent("input"));
        }"""
    )
    expect(translation(page)).to_have_text("A DOG RUNS HOME.")


def test_the_alignment_is_a_heat_map(open_page: Open) -> None:
    page = open_page("A dog runs.")
    page.get_by_text("Alignment").first.click()
    table = page.get_by_role("table", name="What each word of the translation attended to")
    expect(table.locator("thead th")).to_have_text(["A", "dog", "runs."])
    expect(table.get_by_role("rowheader")).to_have_text(["A", "DOG", "RUNS."])
    cells = [row.locator("td").all_text_contents() for row in table.locator("tbody tr").all()]
    assert cells == [["75 %" if row == column else "0 %" for column in range(3)] for row in range(3)]
    table.locator("tbody td").nth(4).hover()
    assert lit(page, "mirror") == ["dog"]


def test_what_stands_before_a_word_is_kept_and_the_rest_translated_anew(open_page: Open) -> None:
    page = open_page("One two three four")
    word(page, "TWO").click()
    page.keyboard.type("ZWEI")
    expect(translation(page)).to_have_text("ONE ZWEITHREE FOUR")  # as the model goes on, where the prefix ends
    expect(page.locator("#translation .kept")).to_have_text(["ONE"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="begins with “ONE ZWEI”")).to_be_visible()
    expect(page.locator(".word:focus")).to_have_text("ZWEITHREE")
    page.keyboard.press("Enter")
    page.keyboard.type("X")
    expect(translation(page)).to_have_text("ONE XWO THREE FOUR")
    page.keyboard.press("Escape")
    expect(translation(page)).to_have_text("ONE ZWEITHREE FOUR")
    # What is asked of a sentence stays with it, whatever happens to others; a click leads to the words of another.
    text_field(page).fill("New! One two three four")
    expect(translation(page)).to_have_text("NEW! ONE ZWEITHREE FOUR")
    page.locator("#translation .sentence").first.click()
    expect(page.get_by_role("combobox", name="What stands here")).to_have_value("NEW!")
    page.keyboard.press("Escape")
    page.locator("#translation .sentence").last.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="begins with “ONE ZWEI”").click()
    expect(translation(page)).to_have_text("NEW! ONE TWO THREE FOUR")


def test_other_words_are_proposed_with_their_probabilities(open_page: Open) -> None:
    page = open_page("one two three")
    word(page, "TWO").click()
    options = page.get_by_role("option")
    expect(options).to_have_text(["AFTER450 %", "OTHER6.3 %"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_text("OTHER6.3 %")
    page.keyboard.press("Enter")
    expect(translation(page)).to_have_text("ONE OTHER REE")  # a whole word: with a space after it
    expect(page.locator(".word:focus")).to_have_text("REE")
    # Also of those that begin as what one types, after a word that one has typed.
    word(page, "ONE").click()
    page.keyboard.type("UN DE")
    page.get_by_role("option", name="AFTER5").click()
    expect(translation(page)).to_have_text("UN AFTER5 REE")
    word(page, "UN").click()
    page.get_by_role("option", name="AFTER0").click()
    expect(translation(page)).to_have_text("AFTER0 THREE")


def test_words_are_required_and_forbidden(open_page: Open) -> None:
    page = open_page("one two, three")
    word(page, "TWO,").click()
    page.get_by_role("button", name="Forbid").click()
    expect(translation(page)).to_have_text("ONE TWO, THREE WITHOUT TWO")
    word(page, "ONE").click()
    page.keyboard.type("EINS")
    page.get_by_role("button", name="Require").click()
    expect(translation(page)).to_have_text("ONE TWO, THREE WITH EINS WITHOUT TWO")
    page.get_by_role("button", name="Remove: without “TWO”").click()
    expect(translation(page)).to_have_text("ONE TWO, THREE WITH EINS")
    word(page, "ONE").click()
    page.keyboard.type(IMPOSSIBLE)
    page.get_by_role("button", name="Require").click()
    expect(page.get_by_text("The model finds no translation that keeps to this")).to_have_count(2)
    expect(translation(page)).to_have_text("ONE TWO, THREE WITH EINS")


def test_all_of_it_goes_by_the_keyboard(open_page: Open) -> None:
    page = open_page("Hello there. One two")
    expect(translation(page)).to_have_text("HELLO THERE. ONE TWO")
    text_field(page).press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("ONE")
    page.keyboard.press("ArrowUp")
    expect(page.locator(":focus")).to_have_text("HELLO")
    page.keyboard.press("End")
    expect(page.locator(":focus")).to_have_text("THERE.")
    page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_have_text("ONE")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_role("combobox", name="What stands here")).to_be_focused()
    page.keyboard.type("ZWEI")
    page.keyboard.press("Enter")
    expect(translation(page)).to_have_text("HELLO THERE. ONE ZWEI")
    expect(page.locator(":focus")).to_have_text("ZWEI")


LINES = ["A dog runs. No!", "", "<b>bold</b> & so", "long " * 30, "x" * (MOST_CHARACTERS + 1), *string.ascii_lowercase]


def text_file(name: str, content: bytes) -> list[FilePayload]:
    return [FilePayload(name=name, mimeType="text/plain", buffer=content)]


def test_a_file_comes_back_line_by_line(open_page: Open) -> None:
    page = open_page()
    lines = [*LINES, "the end"]
    file = text_file("a.txt", "\r\n".join(lines).encode())
    page.get_by_label("Text file, UTF-8").set_input_files(file)
    said = f"{len(lines)} of {len(lines)} lines are translated. Too long for the model, and empty: line 5."
    expect(page.locator("#file-status")).to_have_text(said)
    expect(page.get_by_role("progressbar")).to_have_js_property("position", 1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download a.translated.txt").click()
    lines[4] = ""
    assert Path(download.value.path()).read_bytes().decode() == "\r\n".join(lines).upper()
    latin = text_file("b.txt", "été".encode("latin-1"))
    page.get_by_label("Text file, UTF-8").set_input_files(latin)
    expect(page.locator("#file-status")).to_contain_text("b.txt is not a text in UTF-8")


def test_a_file_goes_on_where_it_was(open_page: Open, seen: Seen) -> None:
    page = open_page()
    page.route(PREDICT, answer_with(400, "no"))
    file = text_file("a.txt", "\n".join(LINES[:3]).encode())
    page.get_by_label("Text file, UTF-8").set_input_files(file)
    expect(page.locator("#file-status")).to_have_text("The server refuses: no 0 of 3 lines are translated.")
    page.unroute(PREDICT)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#file-status")).to_have_text("3 of 3 lines are translated.")
    seen.console.clear()  # of the refusal


def test_two_versions_are_compared(open_page: Open) -> None:
    page = open_page("a dog")
    expect(translation(page)).to_have_text("A DOG")
    page.get_by_label("Compare with").focus()
    expect(page.locator("datalist option")).to_have_count(2)
    page.get_by_label("Compare with").fill("1")
    page.keyboard.press("Tab")
    other = page.get_by_role("group", name="Version 1")
    expect(other).to_have_text("one:a dog")
    expect(other.locator("mark")).to_have_text(["one:a", "dog"])
    page.get_by_label("Compare with").fill("stable")
    page.keyboard.press("Tab")
    expect(page.get_by_role("group", name="Version stable")).to_have_text("A DOG")
    expect(page.locator("mark")).to_have_count(0)


def test_another_version_is_asked_for_the_same(open_page: Open) -> None:
    page = open_page("One two. Three four.")
    for last in ("TWO.", "FOUR."):
        page.locator("#translation .sentence", has_text=last).click()
        page.keyboard.press("Escape")
        word(page, last).evaluate("word => word.click()")  # as assistive technology does, which has no pointer
        page.keyboard.type("X")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="begins with")).to_be_visible()
    expect(translation(page)).to_have_text("ONE XWO. THREE XOUR.")
    version(page).fill("1")
    page.keyboard.press("Tab")
    expect(translation(page)).to_have_text("one:One two. one:Three four.")
    version(page).fill("stable")
    page.keyboard.press("Tab")
    expect(translation(page)).to_have_text("ONE XWO. THREE XOUR.")


def test_what_an_older_model_cannot_do_is_said_and_hidden(open_page: Open) -> None:
    page = open_page("a dog")
    version(page).fill("1")
    page.keyboard.press("Tab")
    expect(translation(page)).to_have_text("one:a dog")
    expect(page.locator("#hint")).to_have_text(
        "This version cannot change from a word on, propose words, show other translations or show the alignment."
    )
    for hidden in ("#nbest", "#alignment", "#editor"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(word(page, "dog")).to_have_attribute("aria-disabled", "true")
    word(page, "dog").click(force=True)
    expect(page.locator("#editor")).to_be_hidden()
    version(page).fill("")
    page.keyboard.press("Tab")
    expect(page.locator("#hint")).to_have_text(re.compile("^Click a word of the translation, or .* from there on.$"))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (answer_with(503, "queue is full"), "The server has too much to do. It is asked again in a moment."),
        (lambda route: route.abort("connectionrefused"), "The server does not answer. It is asked again in a moment."),
    ],
    ids=["busy", "down"],
)
def test_a_server_that_is_away_is_said_so_and_asked_again(
    open_page: Open, seen: Seen, fault: Callable[[Route], None], sentence: str
) -> None:
    page = open_page()
    page.route("**/v1/**", fault)
    text_field(page).fill("A dog.")
    problem = page.locator("#problem")
    expect(problem).to_contain_text(sentence)
    text_field(page).press_sequentially(" runs")
    assert text_field(page).input_value() == "A dog. runs"
    page.unroute("**/v1/**")
    expect(translation(page)).to_have_text("A DOG. RUNS")
    expect(problem).to_be_hidden()
    # In the editor.
    word(page, "RUNS").click()
    page.route(PREDICT, fault)
    page.keyboard.type("WALKS")
    problem = page.locator("#editor-problem")
    expect(problem).to_contain_text(sentence.partition(".")[0])
    assert page.locator("#editor-word").input_value() == "WALKS"
    page.unroute(PREDICT)
    problem.get_by_role("button", name="Try again").click()
    expect(translation(page)).to_have_text("A DOG. WALKS")
    seen.console.clear()  # where the browser names what failed


def test_a_version_that_is_not_there_is_said_so(open_page: Open, seen: Seen) -> None:
    page = open_page("A dog.")
    version(page).fill("7")
    page.keyboard.press("Tab")
    expect(page.locator("#problem")).to_contain_text("The server has no version or label “7” of the model “rnnsearch”.")
    version(page).fill("")
    page.keyboard.press("Tab")
    expect(translation(page)).to_have_text("A DOG.")
    expect(page.locator("#problem")).to_be_hidden()
    seen.console.clear()


def test_what_is_too_long_is_translated_in_parts_or_said(open_page: Open) -> None:
    clauses = "one clause, " * 8 + "the end"
    page = open_page(f"{clauses}\n{'x' * (MOST_CHARACTERS + 1)}")
    expect(page.locator("#translation p").first).to_have_text(clauses.upper())
    expect(page.locator("#translation p").last).to_contain_text("This is too long for the model")
    page.locator("#translation .sentence").first.click()
    expect(page.get_by_text("The model has translated this sentence in parts")).to_be_visible()


def test_a_link_has_the_text_in_its_fragment(open_page: Open, seen: Seen) -> None:
    page = open_page("100% & #1+1\nétude")
    expect(translation(page)).to_have_text("100% & #1+1ÉTUDE")
    text_field(page).fill("a secret & 50%")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#said")).to_contain_text("The link is")
    link = page.url
    assert link.endswith("#text=a+secret+%26+50%25")
    page.goto("about:blank")
    page.goto(link)
    expect(text_field(page)).to_have_value("a secret & 50%")
    assert not any("secret" in url.partition("#")[0] for url in seen.requests)


def test_the_card_of_the_model_is_a_click_away_and_so_is_the_text(open_page: Open) -> None:
    page = open_page()
    text_field(page).fill("A dog.")
    expect(translation(page)).to_have_text("A DOG.")
    page.get_by_role("link", name="About the model").click()
    expect(page.get_by_role("heading", name="Capital letters")).to_be_visible()
    page.go_back()
    expect(translation(page)).to_have_text("A DOG.")


def test_text_of_the_other_direction(open_page: Open) -> None:
    page = open_page("كلب أسود")
    expect(page.locator("#translation p")).to_have_css("direction", "rtl")
    expect(text_field(page)).to_have_css("direction", "rtl")
    word(page, "كلب").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(":focus")).to_have_text("أسود")


# Every state of the page, in both colours and on a phone.
WINDOWS = [
    {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light"},
    {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "has_touch": True, "is_mobile": True},
]


@pytest.mark.parametrize("window", WINDOWS, ids=["wide", "phone"])
def test_everybody_can_use_it(open_page: Open, window: dict[str, Any]) -> None:
    page = open_page("", **window)

    def look() -> None:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= window["viewport"]["width"]

    look()
    text_field(page).fill("A dog runs. One two three four five six, one two three four five sev")
    page.get_by_label("Compare with").fill("1")
    page.keyboard.press("Tab")
    for summary in page.locator("summary").all():
        summary.click()
    expect(page.locator("#nbest li")).to_have_count(2)
    expect(page.get_by_role("table")).to_be_visible()
    look()
    word(page, "SEV").click()
    expect(page.get_by_role("option")).to_have_count(2)
    look()
    page.get_by_role("button", name="Forbid").click()
    expect(page.get_by_role("button", name="Remove: without")).to_be_visible()
    look()


def test_colours_are_those_that_the_reader_prefers(open_page: Open) -> None:
    grounds = {
        scheme: open_page(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    red = {scheme: int(re.findall(r"\d+", ground)[0]) for scheme, ground in grounds.items()}
    assert red["light"] > 200
    assert red["dark"] < 50


def test_no_script_but_its_own_runs(open_page: Open, seen: Seen) -> None:
    page = open_page()
    for attempt in ("innerHTML = '<p>'", "setAttribute('onclick', 'alert()')"):
        with pytest.raises(Error, match="Trusted"):
            page.evaluate(f"document.body.{attempt}")
    page.evaluate("document.body.append(document.createElement('style'))")
    page.evaluate("document.querySelector('style').textContent = 'body { background: red }'")
    assert page.evaluate("document.styleSheets.length") == 1
    assert "inline style" in "".join(seen.console)
    seen.console.clear()
