"""Codes of languages: whatever people write for a language is that language; ISO 639 and BCP 47 say what is right."""

from __future__ import annotations

import pytest

from recipes.languages import Language, language_of, nearness


@pytest.mark.parametrize(
    ("codes", "language"),
    [
        ("en EN eng Eng en_US en-GB en_US.UTF-8 en.utf8 en_GB.ISO8859-1@euro", "en"),
        ("de deu ger de-AT de_CH de-1996", "de"),
        ("fr fra fre fr_CA", "fr"),
        ("zh zho chi cmn zh-Hans zh_TW zh-CN cmn-Hant zh_CN.GB18030", "zh"),
        ("yue yue-HK", "yue"),
        ("ja jpn ja_JP.eucJP", "ja"),
        ("fa fas per pes prs fa_AF", "fa"),
        ("sr srp sr-Latn sr@latin sr_RS.UTF-8@latin sh hbs", "sr"),
        ("he heb iw", "he"),
        ("id ind in", "id"),
        ("uz uzb uzn", "uz"),
        ("et est ekk", "et"),
        ("lv lav lvs", "lv"),
        ("ms msa may zsm", "ms"),
        ("my mya bur", "my"),
        ("bo bod tib", "bo"),
        ("ro ron rum mo", "ro"),
        ("no nor nb nob nb_NO", "no"),
        ("nn nno nn-NO", "nn"),
        ("klingonish", "klingonish"),
        ("", ""),
    ],
)
def test_whatever_people_write_for_a_language_is_that_language(codes: str, language: str) -> None:
    assert {language_of(code).code for code in codes.split() or [""]} == {language}


def test_script_region_and_variants_are_what_is_said() -> None:
    assert language_of("sr_RS.UTF-8@latin") == Language("sr", "latn", "rs")
    assert language_of("zh-Hant-HK") == Language("zh", "hant", "hk")
    assert language_of("sh") == Language("sr")
    assert language_of("prs") == Language("fa")
    assert language_of("ca-valencia") == Language("ca", variants="valencia")
    assert language_of(" EN ") == Language("en")


@pytest.mark.parametrize(
    ("said", "asked", "near"),
    [
        ("eng", "en", 0),
        ("fr_CA", "fr-CA", 0),
        ("en-US", "en", 1),
        ("zh-CN", "zh-Hans", 1),
        ("ca-valencia", "ca", 1),
        ("en", "en-GB", 2),
        ("zh-Hant", "zh-TW", 2),
        ("sr-RS", "sr-Latn", 3),
        ("en-US", "en-GB", None),
        ("zh-CN", "zh-Hant", None),
        ("zh-TW", "zh_CN", None),
        ("sr-Cyrl", "sr@latin", None),
        ("enm", "en", None),
        ("fr", "en", None),
    ],
)
def test_how_near_a_language_is_to_the_one_that_is_asked_for(said: str, asked: str, near: int | None) -> None:
    assert nearness(said, asked) == near
