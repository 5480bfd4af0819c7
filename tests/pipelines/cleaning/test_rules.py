"""The rules, each at its limit, and the properties that hold for any text."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.records import Rejection
from pipelines.cleaning.repairs import repaired
from pipelines.cleaning.rules import RULES, SETTING_OF_REASON, described_rules, rejections
from pipelines.cleaning.sentences import Sentences
from recipes.data_schema import Cleaning
from recipes.loading import check_recipe
from recipes.schema import Recipe
from recipes.sections import settings_of

NOTHING = {rule.setting: None for rule in RULES}
LINK = "see https://example.org/a for 20 %"


def judged(source: str, target: str, **settings: Any) -> Rejection | None:
    """What is found wrong with a pair under one rule, all others off."""
    return rejections(Sentences([source]), Sentences([target]), Cleaning.model_validate({**NOTHING, **settings}))[0]


@pytest.mark.parametrize(
    ("reason", "settings", "kept", "rejected", "value"),
    [
        ("too_short", {"min_words": 2}, ("a b", "c d"), ("a b", "c"), 1),
        ("too_long", {"max_words": 3}, ("a b c", "d e f"), ("a b c", "d e f g"), 4),
        ("too_many_characters", {"max_characters": 3}, ("abc", "d f"), ("abcd", "e"), 4),
        ("length_ratio", {"max_length_ratio": 2}, ("aa", "bbbb"), ("bbbbb", "aa"), 2.5),
        ("long_word", {"max_word_length": 4}, ("aaaa b", "b"), ("b", "b aaaaa b"), 5),
        ("few_letters", {"min_letters": 0.5}, ("ab 12", "x"), ("x", "ab 123"), 0.4),
        ("other_script", {"min_script": 0.5, "source_script": "Latin"}, ("ab мы, 1", "мы"), ("a мы", "a"), 0.3333),
        ("other_script", {"min_script": 1, "target_script": "Cyrillic"}, ("ab", "да 1!"), ("ab", "да x"), 0.6667),
        ("identical", {"max_identical": 3}, ("Abc", "aBC"), ("Abcd", "aBCD"), 4),
        ("similar", {"max_similarity": 0.5}, ("abcd", "abxy"), ("abcd", "abcy"), 0.75),
        ("numbers_differ", {"min_numbers": 0.5}, ("20 or 30", "20"), ("20 or 30", "20 40 50"), 0.4),
        ("numbers_differ", {"min_numbers": 1}, ("1,234 and 3.5", "1 234 et 3,5"), ("15 men", "quinze"), 0),
        ("numbers_differ", {"min_numbers": 1}, ("12 men", "douze"), ("the 013th", "14"), 0),
        ("links_differ", {"max_unmatched_links": 0}, (LINK, LINK), (LINK, LINK.replace("/a", "/b")), 2),
        ("links_differ", {"max_unmatched_links": 1}, ("a@b.com", "x"), ("a@b.com www.x.org", "x"), 2),
        ("links_differ", {"max_unmatched_links": 0}, ("50% of {0}", "{0} x"), ("%s of {name}", "{nom}"), 3),
        (
            "links_differ",
            {"max_unmatched_links": 0},
            ("%d of http://x.org/a now", "现在http://x.org/a的%d個"),
            ("%s", "个"),
            1,
        ),
        ("links_differ", {"max_unmatched_links": 0}, ("ask a@x.org", "a@x.orgへ"), ("%dx", "5 %s x"), 1),
        ("too_long", {"max_words": 4}, ("ไปโรงเรียนวันนี้", "a"), ("今天我们一起去学校", "b"), 6),
        ("long_word", {"max_word_length": 9}, ("今天我们一起去学校了", "ไปโรงเรียนวันนี้"), ("今天abcdefghij", "b"), 10),
        ("html_tags", {"max_html_tags": 0}, ("a < b > c", "<3"), ("a", "<b>a</b>"), 2),
        ("html_tags", {"max_html_tags": 1}, ("<br/>a", "<BR>b"), ("<p>a</p>", "<p>b</p>"), 2),
        ("html_tags", {"max_html_tags": 0}, ("a <ok> b", "<gut>"), ("a <g id='1'>b</g>", "a b"), 2),
        (
            "terminal_punctuation",
            {"min_terminal_punctuation": -1.5},
            ("Ah. Bo. Di.", "e"),
            ("Ah. Bo. Di. Go.", "e"),
            -1.6094,
        ),
        ("repetition", {"max_repetition": 2}, ("a b a b a b", "x"), ("x", "ha ha ha ha"), 3),
        ("sentences_differ", {"max_sentence_difference": 1}, ("Ah. Bo.", "Co."), ("Ah. Bo? Co!", "3.5"), 3),
    ],
)
def test_a_rule_at_its_limit(
    reason: str, settings: dict[str, Any], kept: tuple[str, str], rejected: tuple[str, str], value: float
) -> None:
    assert judged(*kept, **settings) is None
    found = judged(*rejected, **settings)
    assert found is not None
    assert found.reason == reason
    assert found.value == pytest.approx(value, abs=1e-4)
    (limit,) = (settings[rule.setting] for rule in RULES if rule.reason == reason)
    assert found.limit == limit


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Write to <office@example.com> today.", "Écrivez à <office@example.com>."),
        ("The page is <http://example.net/a?b=1>.", "La page est là."),
        ("Hit <Esc> twice.", "Appuyez deux fois sur <Échap>."),
        ("Run copy <your file>.", "Lancez copy <votre fichier>."),
        ("A Map<Key> holds it.", "Une Map<Key> le contient."),
        ("A Vector<Object> holds it.", "Un Vector<Object> le contient."),
        ("when p <q or r> s", "quand p <q ou r> s"),
        ("按<回车>键", "Press <Enter>"),
        ("It is <g1>red</g1>.", "C'est <g1>rouge</g1>."),
    ],
)
def test_angle_brackets_that_are_no_markup(source: str, target: str) -> None:
    assert judged(source, target, max_html_tags=0) is None


@pytest.mark.parametrize(
    "text",
    ["<I>a</I>", '<a href="http://x.org">a', "a<br />b", "a <!-- b", "a</div>", "<img src=a.png>", "<h1>a"],
)
def test_markup_on_both_sides_is_still_markup(text: str) -> None:
    assert judged(text, text, max_html_tags=0) is not None


def test_sentences_in_another_language() -> None:
    english = "And God said, Let there be light: and there was light."
    french = "Dieu dit: Que la lumière soit! Et la lumière fut."
    settings = Cleaning.model_validate({**NOTHING, "min_language": 0.99})

    def found(source: str, target: str, languages: tuple[str, str] = ("en", "fr")) -> Rejection | None:
        sides = Sentences([source], languages[0]), Sentences([target], languages[1])
        return rejections(*sides, settings)[0]

    assert found(english, french) is None
    # What says too little is not judged, nor languages that are not known.
    assert found("Amen.", french) is None
    assert found(french, english, ("source", "tlh")) is None
    for source, target in ((french, french), (english, english), (french[:27], french)):
        rejection = found(source, target)
        assert rejection is not None
        assert (rejection.reason, rejection.limit) == ("other_language", 0.99)
        assert rejection.value is not None
        assert rejection.value < 0.95


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (
            "I ran. You sat. We ate. He left. She slept. They woke.",
            "میں دوڑا۔ تم بیٹھے۔ ہم نے کھایا۔ وہ گیا۔ وہ سوئی۔ وہ جاگے۔",
        ),
        ("Who? What? When? Where? Why? How? Which?", "Ποιος; Τι; Πότε; Πού; Γιατί; Πώς; Ποιο;"),
        ("Go. Stop. Wait. Run. Sit. Stand. Sleep.", "去。停。等。跑。坐。站。睡。"),
        ("Go. Stop. Wait. Run. Sit. Stand. Sleep.", "သွား။ ရပ်။ စောင့်။ ပြေး။ ထိုင်။ မတ်တပ်။ အိပ်။"),
        ("Go. Stop. Wait. Run. Sit. Stand. Sleep.", "Գնա։ Կանգնիր։ Սպասիր։ Վազիր։ Նստիր։ Կանգնիր։ Քնիր։"),
        ("Go. Stop. Wait. Run. Sit. Stand. Sleep. Eat.", "ไป หยุด รอ วิ่ง นั่ง ยืน นอน กิน"),
        (
            "I ran, you sat, we ate, he left and she slept.",
            "J'ai couru. Tu t'es assis. On a mangé. Il est parti. Elle dort.",
        ),
        ("So... you... never... came... back...", "Alors tu n'es jamais revenu"),
        ("The U.S. and the U.K. signed e.g. No. 4 of J. R. R. Roe.", "美国和英国签署了"),
    ],
)
def test_sentences_end_alike(source: str, target: str) -> None:
    assert judged(source, target, min_terminal_punctuation=-2.0) is None


def test_a_long_line_takes_time_in_proportion() -> None:
    """Time that grew with the square of so many characters would be minutes."""
    settings = Cleaning(max_words=None, max_word_length=None, min_letters=None)
    for part in (
        "a",
        "word ",
        "a@",
        "a@b.",
        "a.",
        "ab://",
        "http://é/",
        "%(a",
        "%ab",
        "$a",
        "<é.",
        "%0",
        "%",
        "{",
        "<a ",
        "http://",
        "1,234,",
        "1 ",
        "&amp",
        ".",
        "的",
        "ส",
        "\u00c3",
    ):
        sources, targets = ([part * (150_000 // len(part)) + end] for end in ("/x", "/y"))
        source, target = (Sentences(repaired(side, settings, "en"), "en") for side in (sources, targets))
        start = time.process_time()
        rejections(source, target, settings)
        assert time.process_time() - start < 3, part


def test_words_that_are_blocked(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("damn\n\n two  words \n", encoding="utf-8")
    settings = {"blocked_words": str(path), "max_blocked_words": 0}
    assert judged("goddamned", "two  other words", **settings) is None
    assert judged("Oh, DAMN!", "TWO words", **settings) == Rejection("blocked_words", 2, 0)


def test_patterns_that_are_blocked() -> None:
    settings = {"blocked_patterns": [r"^\W", r"\bISBN\b"], "max_blocked_patterns": 1}
    assert judged("- a", "b", **settings) is None
    assert judged("- a", "ISBN 3", **settings) == Rejection("blocked_patterns", 2, 1)


def test_the_first_rule_that_is_broken_is_the_reason() -> None:
    found = judged("a b c d e", "x", max_words=3, max_characters=2)
    assert found == Rejection("too_long", 5, 3)


def test_a_side_with_nothing_is_empty_whatever_the_rules() -> None:
    assert judged("", "x") == judged("x", "") == Rejection("empty")
    assert rejections(Sentences(["", "a"]), Sentences(["b", "c"]), None) == [Rejection("empty"), None]


SENTENCES = st.text(max_size=40).map(lambda text: " ".join(text.split()))
PAIRS = st.lists(st.tuples(SENTENCES, SENTENCES), max_size=6)
STRICT = Cleaning.model_validate(
    {"max_words": 3, "max_length_ratio": 1.5, "max_repetition": 0, "max_characters": 20, "max_sentence_difference": 0}
)


@given(PAIRS)
def test_a_pair_is_judged_the_same_in_any_block(pairs: list[tuple[str, str]]) -> None:
    together = rejections(Sentences([s for s, _ in pairs]), Sentences([t for _, t in pairs]), STRICT)
    assert together == [rejections(Sentences([s]), Sentences([t]), STRICT)[0] for s, t in pairs]


@given(PAIRS)
def test_rules_treat_both_sides_alike(pairs: list[tuple[str, str]]) -> None:
    source, target = Sentences([s for s, _ in pairs]), Sentences([t for _, t in pairs])
    assert rejections(source, target, STRICT) == rejections(target, source, STRICT)


@given(PAIRS)
def test_what_is_measured_is_beyond_the_limit_where_and_only_where_a_pair_is_rejected(
    pairs: list[tuple[str, str]],
) -> None:
    source, target = Sentences([s for s, _ in pairs]), Sentences([t for _, t in pairs])
    limits = {rule: limit for rule in RULES if (limit := rule.limit(STRICT)) is not None}
    measured = {rule: rule.measure(source, target, STRICT) for rule in limits}
    for place, found in enumerate(rejections(source, target, STRICT)):
        broken = [rule.reason for rule, limit in limits.items() if rule.broken(measured[rule], limit)[place]]
        if found is None:
            assert not broken
        elif found.reason != "empty":
            assert found.reason == broken[0]


def test_every_reason_names_a_setting_that_there_is() -> None:
    settings = {setting.key for setting in settings_of(Recipe)}
    assert {setting for setting in SETTING_OF_REASON.values() if setting} <= settings
    assert {rule.reason for rule in RULES} <= SETTING_OF_REASON.keys()


def test_every_limit_has_one_rule() -> None:
    limits = [name for name in Cleaning.model_fields if name.startswith("m")]
    between_pairs = ["max_translations", "max_sources", "max_near_duplicates"]
    assert sorted(rule.setting for rule in RULES) == sorted(set(limits) - set(between_pairs))


PAGE = Path(__file__).parents[3] / "docs" / "cleaning.md"


def test_the_page_has_every_rule_as_it_is() -> None:
    """Make the rows anew from ``described_rules`` where a rule or its default has changed."""
    page = PAGE.read_text("utf-8").splitlines()
    first = page.index("| reason | setting | default | meaning | after |") + 2
    rows = [
        f"| {reason} | `{setting}` | {default} | {meaning} | {after} |"
        for reason, setting, default, meaning, after in described_rules()
    ]
    assert page[first : first + len(rows) + 1] == [*rows, ""]


def test_the_page_names_settings_and_reasons_that_there_are() -> None:
    page = PAGE.read_text("utf-8")
    assert all(reason in page for reason in SETTING_OF_REASON if reason not in ("not_utf8", "empty"))
    named = set(re.findall(r"^\| (?:\w+ \| )?`(\w+)`", page, re.MULTILINE))
    assert named - {"train"} <= set(Cleaning.model_fields)
    example = yaml.safe_load(page.split("own:\n")[1].split("##")[0])
    recipe = check_recipe({"name": "page", **example}, "docs/cleaning.md")
    assert [corpus.name for corpus in recipe.corpus.train] == ["europarl", "subtitles", "memory"]
