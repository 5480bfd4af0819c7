"""The pages: that they say what was counted, need nothing beside them, and let no corpus write into them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipelines.cleaning.rules import RULES
from pipelines.reports import pictures
from pipelines.reports.clean_report_page import other_limits, write_clean_report
from pipelines.reports.preparation_report import render_report
from pipelines.runners.options import pipeline_options
from recipes.stages import resolved_recipe
from tests.pages import Page
from tests.pipelines.shard_records import records
from tests.pipelines.support import SOURCES, TARGETS, new_work, run, write_pair
from workspace.layout import TARGET_TEXT, WorkDirectory


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    directory = tmp_path_factory.mktemp("report")
    source = [*SOURCES, *SOURCES[:5], "", "word " * 150, "<script>alert(1)</script> & more"]
    target = [*TARGETS, *TARGETS[:5], "x", "mot " * 120, "<script>alert(1)</script> & plus"]
    return new_work(
        directory / "work",
        write_pair(directory, source, target),
        cleaning={"max_html_tags": 9},
        subwords={"vocabulary": 80},
        corpus={"source_language": "en", "target_language": "fr"},
    )


def test_the_report_says_what_was_counted(work: WorkDirectory[Path]) -> None:
    manifest = run(work, render_report=render_report)
    page = Page(work.report.read_text("utf-8"))
    assert page.foreign == []
    assert f"{manifest['pairs']['kept']['train']:,} train" in page.texts[page.texts.index("Preparation of test", 2) + 1]
    for reason, count in manifest["pairs"]["rejected"].items():
        assert page.after(reason) == f"{count:,}"
    assert "<script>alert" not in work.report.read_text("utf-8")
    drawn = work.report.read_text("utf-8").count("<svg")
    assert drawn == 6
    assert "most words on either side" in page.texts
    assert "records written" not in work.report.read_text("utf-8")


def test_without_spaces_lengths_are_in_characters(tmp_path: Path) -> None:
    """Which are more than the words that cleaning counts of them."""
    verses = [f"第{number}の言葉。" for number in range(300)]
    work = new_work(tmp_path / "work", write_pair(tmp_path, SOURCES, verses), subwords={"vocabulary": 90})
    manifest = run(work, render_report=render_report)
    page = Page(work.report.read_text("utf-8"))
    drawn = work.report.read_text("utf-8")
    assert "words, source" in drawn
    assert "characters, target" in drawn
    assert "words, target" not in drawn
    kept = sum(len(target) for target in (record[TARGET_TEXT].decode() for record in records(work, "train")))
    row = page.texts.index("subwords on average")
    per_word = manifest["tokens"]["train"]["source"] / manifest["words"]["train"]["source"]
    per_character = manifest["tokens"]["train"]["target"] / kept
    assert page.texts[row + 1 : row + 3] == [f"{per_word:.2f} a word", f"{per_character:.2f} a character"]


def test_records_are_shown_where_weights_make_them_others_than_pairs() -> None:
    assert "records written" in pictures.waterfall(10, [("too_long", 4)], 6, 9)
    assert "records written" not in pictures.waterfall(10, [("too_long", 4)], 6, 6)


@pytest.mark.slow
def test_the_clean_report_takes_nothing_and_says_what_would_be_taken(work: WorkDirectory[Path]) -> None:
    write_clean_report(resolved_recipe(work), work, pipeline_options([]))
    text = work.clean_report.read_text("utf-8")
    page = Page(text)
    assert page.foreign == []
    assert "<script>alert" not in text
    measured = text.count('<h2 id="')
    assert measured > 10
    assert text.count("<svg") == measured
    assert "<details>" not in text
    table = page.texts[page.texts.index("rule") :]
    for reason, setting, limit, taken in (
        ("too_long", "max_words", "100", "1"),
        ("html_tags", "max_html_tags", "9", "0"),
        ("too_many_characters", "max_characters", "off", "0"),
    ):
        place = table.index(reason)
        assert table[place + 1 : place + 4] == [setting, limit, taken]


def test_other_limits_take_what_they_say() -> None:
    values = [float(value) for value in range(1000)]
    most = next(rule for rule in RULES if rule.bound == "most")
    least = next(rule for rule in RULES if rule.bound == "least")
    for rule in (most, least):
        limits = other_limits(rule, Counter(values))
        assert len(limits) == 7
        for limit, taken in limits:
            beyond = [value for value in values if (value > limit if rule.bound == "most" else value < limit)]
            assert len(beyond) == taken
        assert [taken for _, taken in limits] == [1, 5, 10, 20, 50, 100, 200]
    assert other_limits(most, Counter({3.0: 50})) == []
