"""Lists of blocked words as people have them, in text with spaces between words and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cleaning.blocked_words import pattern_of_words


@pytest.mark.parametrize(
    ("word", "blocked", "kept"),
    [
        ("casino", ["CASINO!", "去casino玩", "カジノ(casino)です"], ["casinos", "encasino", "casino\u0301s"]),
        ("彩票", ["买彩票吗", "彩票", "他说彩票。"], ["彩色的票"]),
        ("คาสิโน", ["เล่นคาสิโนออนไลน์"], ["สิโน"]),
        ("ставка", ["Ставка!"], ["ставками"]),
        ("c**p", ["what c**p!"], ["what c***p"]),
        ("naïve", ["nai\u0308ve", "NAÏVE"], ["naive"]),
        ("big  deal", ["a Big deal"], ["big and deal", "big deals"]),
        ("카지노", ["카지노 가자"], ["카지노에서"]),
    ],
)
def test_words(tmp_path: Path, word: str, blocked: list[str], kept: list[str]) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"{word}\n", encoding="utf-8")
    pattern = pattern_of_words(str(path))
    assert pattern is not None
    assert [len(pattern.findall(text)) for text in blocked] == [1] * len(blocked)
    assert not any(pattern.search(text) for text in kept)


def test_a_list_from_windows(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffspam\r\n\r\nham\r\n".encode())
    pattern = pattern_of_words(str(path))
    assert pattern is not None
    assert pattern.findall("spam, ham") == ["spam", "ham"]


@pytest.mark.parametrize("content", ["", "\ufeff", "\n \n"])
def test_an_empty_list_blocks_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(content, encoding="utf-8")
    assert pattern_of_words(str(path)) is None
