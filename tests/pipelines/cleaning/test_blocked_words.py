"""Lists of blocked words as people have them, in text with spaces between words and without."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cleaning.blocked_words import comparable, pattern_of_words
from workspace.errors import UserError


def found(path: Path, text: str) -> int:
    pattern = pattern_of_words(str(path))
    assert pattern is not None
    return len(pattern.findall(comparable(text)))


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
        ("카지노", ["카지노 가자", "카지노에서", "온라인 카지노를"], ["온라인카지노", "카지"]),
        ("놈", ["그 놈!"], ["놈팡이"]),
        ("\ufeffpoker\u200b", ["ｐｏｋｅｒ", "PO\u00adKER"], ["pokers"]),
        ("ｐｏｋｅｒ", ["poker"], ["pokers"]),
        ("ﾎﾟｰｶｰ", ["ポーカーで勝つ"], ["ポー"]),
        ("ポーカー", ["ﾎﾟｰｶｰで勝つ"], []),
        ("don’t bet", ["Don't bet", "don\u2018t bet", "don’t  bet".replace("  ", "\u00a0")], ["dont bet"]),
        ("bull's-eye", ["bull’s\u2011eye"], []),
        ("γάτα", ["ΓΑΤΑ", "γατα", "Γάτα!"], ["γάτας"]),
        ("ΣΤΟΙΧΟΣ", ["στοίχος", "Στοῖχος"], []),
        ("spaß", ["SPASS", "Spaß"], ["spas"]),
        ("çekiliş", ["c\u0327ekilis\u0327"], ["cekilis"]),
        ("sıkı", [], ["siki"]),
        ("کتاب\u200c", ["کتاب\u200cها"], []),
    ],
)
def test_words(tmp_path: Path, word: str, blocked: list[str], kept: list[str]) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"{word}\n", encoding="utf-8")
    assert [found(path, text) for text in blocked] == [1] * len(blocked)
    assert not any(found(path, text) for text in kept)


def test_lists_from_windows_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffspam\r\n\r\nham\r\n\ufeffeggs\r\n".encode())
    assert found(path, "spam, ham and eggs") == 3


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_a_compressed_list(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(compress(b"lottery\n"))
    assert found(path, "a lottery") == 1


def test_what_is_left_out_of_a_compressed_list_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(gzip.compress(b"lottery\n") + b"raffle, which is not gzipped\n")
    assert found(path, "a lottery, a raffle") == 1
    assert "warning: " in (told := capsys.readouterr().err)
    assert "29 bytes after its end" in told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("wette\n".encode("utf-16"), "is in UTF-16; convert it with iconv -f UTF-16 -t UTF-8 < "),
        ("wette\n".encode("utf-16-le"), "is in UTF-16; convert it with iconv -f UTF-16LE -t UTF-8 < "),
        ("ставка\n".encode("utf-16-le"), "is in UTF-16; convert it with iconv -f UTF-16LE"),
        ("赌博\n".encode("utf-16-be"), "is in UTF-16; convert it with iconv -f UTF-16BE"),
        ("pari\nenchère\n".encode("latin1"), r"not UTF-8 \(byte 10\); convert it"),
        (b"PK\x03\x04words", "is a zip archive"),
        (gzip.compress(b"wette\n", mtime=0)[:-9], "is cut short or damaged"),
    ],
)
def test_a_list_that_is_not_utf8_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^cleaning\.blocked_words .*words\.txt .*{message}"):
        pattern_of_words(str(path))


@pytest.mark.parametrize("content", ["", "\ufeff", "\n \n"])
def test_an_empty_list_blocks_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(content, encoding="utf-8")
    assert pattern_of_words(str(path)) is None
