"""What is judged to be in another language, from how little text, and under which codes."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from pipelines.cleaning.languages import is_known, likeness, unknown_languages
from recipes.loading import check_recipe

# Short lines of the languages, each enough to tell.
LINES = {
    "en": "The dog sleeps near the door.",
    "fr": "Elle habite près de la gare.",
    "de": "Wir haben heute keine Zeit.",
    "ru": "Она живёт у самой реки.",
    "zh": "我们明天去北京。",
    "ja": "明日は雨が降るでしょう。",
    "ko": "우리는 내일 서울에 간다.",
    "ar": "ذهب الولد إلى المدرسة.",
    "th": "พรุ่งนี้ฝนจะตก",
    "hi": "वह कल दिल्ली जाएगी।",
    "el": "Το παιδί πήγε στο σχολείο.",
    "tr": "Çocuklar bahçede oynuyor.",
}


def share_of(text: str, language: str) -> float:
    ((_, score),) = likeness([text], language)
    return score


@pytest.mark.parametrize("language", LINES)
def test_short_lines_are_kept_for_their_language_and_for_no_other(language: str) -> None:
    assert share_of(LINES[language], language) == 1
    for other in LINES.keys() - {language}:
        assert share_of(LINES[language], other) < 0.99, other


@pytest.mark.parametrize(
    "text", ["Windows XP", "Anna Müller", "OK", "2019", "C-3PO", "https://www.example.com/about-us", "…", ""]
)
@pytest.mark.parametrize("language", ["zh", "en", "ar"])
def test_names_numbers_and_addresses_are_not_judged(text: str, language: str) -> None:
    assert share_of(text, language) == 1


def test_a_script_that_no_language_is_known_in_is_another_language() -> None:
    burmese = "\u101c\u1030\u1010\u102d\u102f\u1004\u103a\u1038\u101e\u100a\u103a \u1010\u1030\u100a\u102e"
    assert share_of(burmese, "en") == share_of(burmese, "zh") == 0


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sr", "Деца се играју у дворишту испред куће."),
        ("sr", "Djeca se igraju u dvorištu ispred kuće."),
        ("bs", "Sutra ćemo zajedno otići na more."),
        ("ku", "Zarok li ber derê malê dilîzin û distirên."),
        ("ku", "منداڵەکان لە بەردەم ماڵەکەدا یاری دەکەن."),
        ("pa", "ਬੱਚੇ ਘਰ ਦੇ ਬਾਹਰ ਖੇਡ ਰਹੇ ਹਨ।"),
        ("pa-PK", "بچے گھر دے باہر کھیڈ رہے نیں تے ہس رہے نیں۔"),
        ("az", "Ушаглар һәјәтдә ојнајырлар."),
        ("az", "Uşaqlar həyətdə oynayırlar."),
        ("id", "Anak-anak bermain di halaman rumah."),
        ("ms", "Kanak-kanak bermain di halaman rumah."),
        ("nn", "Borna leikar seg ute framfor huset."),
        ("zh-Hant", "孩子們在屋前的院子裡玩耍。"),
        ("zh_CN", "孩子们在屋前的院子里玩耍。"),
        ("pt_BR", "As crianças estão brincando no quintal."),
    ],
)
def test_good_text_in_every_script_and_sister_is_kept(language: str, text: str) -> None:
    assert share_of(text, language) >= 0.99


@pytest.mark.parametrize("language", ["sr", "ku", "pa", "az", "be", "ms"])
def test_other_languages_are_rejected_where_a_language_has_two_scripts(language: str) -> None:
    assert share_of("The children were playing in the yard.", language) < 0.99


@pytest.mark.parametrize(
    "code", ["en-US", "eng", "EN", "zh-Hans", "zh_TW", "pt_BR", "ger", "deu", "cmn", "iw", "fil", "sr-Latn"]
)
def test_codes_as_people_write_them(code: str) -> None:
    assert is_known(code)


@pytest.mark.parametrize("code", ["", "source", "English", "tlh", "uz", "hi-Latn", "az-Cyrl"])
def test_languages_that_cannot_be_told(code: str) -> None:
    assert not is_known(code)


def test_a_script_is_part_of_the_language() -> None:
    assert share_of("Djeca se igraju u dvorištu ispred kuće.", "sr-Latn") == 1
    assert share_of("Djeca se igraju u dvorištu ispred kuće.", "sr-Cyrl") < 0.99


def test_a_rule_that_is_off_is_told() -> None:
    corpus = {"source_language": "en", "target_language": "Klingon", "train": {"source": "a", "target": "b"}}
    told = unknown_languages(check_recipe({"name": "x", "corpus": corpus}, "x"))
    assert told is not None
    assert "'Klingon'" in told
    assert "'en'" not in told
    assert unknown_languages(check_recipe({"name": "x", "corpus": {**corpus, "target_language": "fr"}}, "x")) is None
    off = {"name": "x", "corpus": corpus, "cleaning": {"min_language": None}}
    assert unknown_languages(check_recipe(off, "x")) is None
