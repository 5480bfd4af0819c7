"""Addresses and placeholders, as people and programs write them, beside the letters of any script."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.links import unmatched
from pipelines.cleaning.measures import unmatched_links
from pipelines.cleaning.sentences import Sentences
from recipes.data_schema import Cleaning

LINKS = [
    *("%s", "%1$d", "%5.2f", "%lu", "%lld", "%zu", "%@", "%c", "%n", "%(user)s", "%(total)d", "%PATH%"),
    *("%1", "%L2", "$user", "${user}", "%{user}", "#{user}", "{{user}}", "{0}", "{n:,}"),
    *("ftp://files.example.org/a.zip", "HTTPS://EXAMPLE.ORG/", "ssh://git@host.example", "www.example.org"),
    *("https://почта.рф/вход", "https://例え.テスト/", "http://example.org/wiki/東京/駅", "http://localhost:8000/x"),
    *("help@пример.рф", "info@例え.jp", "example.org/download", "docs.example.org/"),
]


@pytest.mark.parametrize("link", LINKS)
def test_a_link_that_only_one_side_has(link: str) -> None:
    sides = Sentences(["a b", f"see {link} there"]), Sentences([f"参照{link} 的页", "la"])
    assert unmatched_links(*sides, Cleaning()).tolist() == [1, 1]


@pytest.mark.parametrize("link", LINKS)
def test_a_link_that_both_sides_have(link: str) -> None:
    assert unmatched(f"{link} is it.", f"它是「{link}」。") == 0
    assert unmatched(f"See {link}, there", f"参照{link} 的页") == 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("http://example.org/東京", "http://example.org/大阪"),
        ("http://example.org/東京/a", "http://example.org/東京/b"),
        ("example.org/a", "example.org/b"),
        ("%d of %s", "%s von %s"),
        ("$first", "$last"),
        ("%1 and %2", "%1 und %3"),
    ],
)
def test_links_that_differ(source: str, target: str) -> None:
    assert unmatched(source, target) == 2


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Read https://example.org/b soon.", "https://example.org/b'yi yakında okuyun."),
        ("Open https://example.org/ first", "まずhttps://example.org/を開く"),
        ("Open https://почта.рф/ first", "まずhttps://почта.рф/を開く"),
        ("See http://Example.org/A", "Voir HTTP://example.org/A/"),
        ("the %s folder", "der %sordner"),
        ("with %s", "%sével"),
        ("the %1$s page", "die %1$sseite"),
        ("the %(name)s folder", "der %(name)sordner"),
        ("a rise of 7%", "%7 artış"),
        ("a rise of 7.5%", "%7.5 artış"),
        ("a rise of 35%", "%35'lik artış"),
        ("100% sure", "100%sicher"),
        ("he and/or she, 90 km/h, a.m./p.m.", "er und/oder sie"),
        ("It costs US$20 or $5.", "Das kostet 20 oder 5 US$."),
    ],
)
def test_what_is_the_same_or_no_link(source: str, target: str) -> None:
    assert unmatched(source, target) == unmatched(target, source) == 0


@given(st.text("a1é日.:/@%${}s' ()-_", max_size=30))
def test_every_sentence_has_the_links_of_itself(text: str) -> None:
    assert unmatched(text, text) == 0
