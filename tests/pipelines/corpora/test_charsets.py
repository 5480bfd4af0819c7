"""Text that is not lines of UTF-8, but might be read as such without a word."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipelines.corpora.formats import read_pairs
from pipelines.corpora.line_files import index_file
from tests.pipelines.corpora.support import compressed, pairs_of, read, two_files
from workspace.charsets import charset_of
from workspace.errors import UserError

SENTENCES = {
    "Latin": "It rained all day.",
    "accents": "Ça a plu toute la journée.",
    "Latvian": "Āda ir ļoti plāna.",
    "Greek": "Έβρεχε όλη μέρα.",
    "Cyrillic": "Весь день шёл дождь.",
    "Hebrew": "ירד גשם כל היום",
    "Arabic": "هطل المطر طوال اليوم",
    "Hindi": "दिन भर बारिश हुई।",
    "Punjabi": "ਸਾਰਾ ਦਿਨ ਮੀਂਹ ਪਿਆ।",
    "Tamil": "நாள் முழுவதும் மழை பெய்தது.",
    "Thai": "ฝนตกทั้งวัน",
    "Georgian": "მთელი დღე წვიმდა.",
    "Khmer": "ភ្លៀងធ្លាក់ពេញមួយថ្ងៃ",
    "Chinese": "上午一直下雨，一点也没停。",
    "Japanese": "一日中雨が降っていました。",
    "Korean": "하루 종일 비가 왔다.",
    "controls": "It isn\x92t \x07 rain.",
    "emoji": "🌧️ ☔ 🌂",
}
SEVEN_BITS = [
    ("iso2022_jp", "ISO-2022-JP", SENTENCES["Japanese"]),
    ("iso2022_jp_2", "ISO-2022-JP", "雨 비"),
    ("iso2022_kr", "ISO-2022-KR", SENTENCES["Korean"]),
    ("hz", "HZ", SENTENCES["Chinese"]),
    ("utf-7", "UTF-7", SENTENCES["Cyrillic"]),
    ("utf-7", "UTF-7", SENTENCES["accents"]),
]


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("script", SENTENCES)
def test_utf_16_and_32_without_a_mark_are_told_in_every_script(script: str, charset: str) -> None:
    for lines in (2, 900):
        text = "".join(f"{SENTENCES[script]}\n" for _ in range(lines)).encode(charset)
        assert charset_of(text) == charset[:-3].upper() + charset[-2:].upper()
        assert charset_of(text[:-1]) == charset_of(text)


@pytest.mark.parametrize(("codec", "name", "sentence"), SEVEN_BITS)
def test_what_is_written_in_ascii_is_told(codec: str, name: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(f"Rain.\t{sentence}\nNo.\tno\n".encode(codec) * 500)
    with pytest.raises(UserError, match=rf"a\.tsv is in {name}.*; convert it with (iconv|uconv) -f {name}"):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        *SENTENCES.values(),
        *(sentence.replace(" ", " \0") + "\n\0one\n" for sentence in SENTENCES.values()),
        "".join(f"{sentence}\0\n\0" for sentence in SENTENCES.values()),
        "one\0two \0 three\n\nfour\n",
        "\0" * 4096,
        "a\0",
        "In C++, a+b is x+1/2 and +4912345678 is ~{a} phone; 1+1-1.\n" * 50,
        "+12345 67 89\n+1abc+def\n",
        "~{ and ~} make a home\n",
        "\x1b[1mbold\x1b(B\x1b[m\n",
        "plain text in English\n" * 40 + "\x1b$B%F%9%H\x1b(B\n",
        "",
    ],
)
def test_good_text_is_not_taken_for_another_set(text: str) -> None:
    assert charset_of(text.encode()) is None


@pytest.mark.slow
def test_both_ways_of_reading_files_say_it(tmp_path: Path) -> None:
    """In place and unpacked, and with a command that does what it says."""
    text = "".join(f"{SENTENCES['Cyrillic']} {number}\n" for number in range(40))
    paths = tmp_path / "a.ru", tmp_path / "a.en"
    paths[0].write_bytes(text.encode("utf-16-le"))
    paths[1].write_bytes(b"It rained.\n" * 40)
    with pytest.raises(UserError, match=r"a\.ru is in UTF-16; convert it with iconv -f UTF-16LE -t UTF-8 <") as error:
        pairs_of(two_files(*paths))
    with pytest.raises(UserError, match=r"a\.ru is in UTF-16; convert"):
        index_file(paths[0], 10)
    subprocess.run(str(error.value).partition("convert it with ")[2], shell=True, check=True)
    assert (tmp_path / "a_utf8.ru").read_text(encoding="utf-8") == text
    paths[0].write_bytes(compressed(text.encode("utf-16-be"), ".gz"))
    with pytest.raises(UserError, match=r"a\.ru is in UTF-16; convert"):
        pairs_of(two_files(*paths))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "\r", "\n", "\r\n"])
def test_lines_that_end_in_carriage_returns_only(tmp_path: Path, end: str) -> None:
    paths = tmp_path / "it's a.en", tmp_path / "a.fr"
    lines = [f"line {number}" for number in range(30)]
    for path in paths:
        path.write_bytes(("\r".join(lines) + end).encode())
    for read_them in (lambda: pairs_of(two_files(*paths)), lambda: index_file(paths[0], 10)):
        with pytest.raises(UserError, match=r"the lines of .* end in carriage returns, not in line feeds; ") as error:
            read_them()
    subprocess.run(str(error.value).partition("convert it with ")[2], shell=True, check=True)
    made = tmp_path / "it's a_lines.en"
    assert made.read_bytes().replace(b"\r", b"").split() == " ".join(lines).encode().split()


def test_carriage_returns_in_lines_are_white_space(tmp_path: Path) -> None:
    """Those of Windows, doubled by mistake, or here and there in the text."""
    for text in (b"one\r\ntwo\r\n", b"one\r\r\ntwo\r\r\n", b"one\ntwo\rtwo\n", b"one\rone\ntwo"):
        for name in ("a.en", "a.fr"):
            (tmp_path / name).write_bytes(text)
        pairs = list(read_pairs(two_files(tmp_path / "a.en", tmp_path / "a.fr"), "en", "fr"))
        assert len(pairs) == index_file(tmp_path / "a.en", 10).lines == 2
        assert pairs[0].source.split()[0] == b"one"
