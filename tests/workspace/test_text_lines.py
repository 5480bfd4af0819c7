"""Lines of text that are UTF-8, and what is said of those that are not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from workspace.errors import UserError
from workspace.text_lines import text_lines, written_lines

JAPANESE = "はじめに神は天と地とを創造された。\n地は形なく、\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0\x1b\ufeff"))))
def test_lines_of_utf_8_are_as_they_are(lines: list[str]) -> None:
    """Whatever other separators are in them, and whether there is a mark before them or not."""
    for mark, end in (b"", "\n"), (b"\xef\xbb\xbf", "\r\n"):
        file = io.BytesIO(mark + "".join(line + end for line in lines).encode())
        assert list(text_lines(file, "f")) == lines


@pytest.mark.parametrize(
    "encoding", ["shift_jis", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030", "big5"]
)
def test_another_encoding_is_said_with_its_line(encoding: str) -> None:
    text = JAPANESE if encoding != "big5" else "起初神創造天地\n"
    with pytest.raises(UserError, match=r"^my text: line 1 is not UTF-8; convert the text, as iconv"):
        list(text_lines(io.BytesIO(text.encode(encoding)), "my text"))
    if not encoding.startswith("utf"):
        file = io.BytesIO(b"In the beginning\n" * 1_200 + text.encode(encoding))
        with pytest.raises(UserError, match=r"^my text: line 1,201 is not UTF-8"):
            list(text_lines(file, "my text"))


@pytest.mark.parametrize(("encoding", "name"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32")])
def test_a_mark_tells_the_encoding(encoding: str, name: str) -> None:
    with pytest.raises(UserError, match=f"^f is in {name}; convert it with iconv -f {name} -t UTF-8$"):
        list(text_lines(io.BytesIO(JAPANESE.encode(encoding)), "f"))


@pytest.mark.parametrize(
    ("compress", "reader"),
    [
        (gzip.compress, "gzip -dc"),
        (bz2.compress, "bzip2 -dc"),
        (lzma.compress, "xz -dc"),
        (zstd.compress, "zstd -dc"),
    ],
    ids=["gzip", "bzip2", "xz", "zstd"],
)
@pytest.mark.parametrize("text", [b"", b"In the beginning\n"], ids=["empty", "text"])
def test_what_is_compressed_is_said_to_be(compress: object, reader: str, text: bytes) -> None:
    assert callable(compress)
    with pytest.raises(UserError, match=re.escape(f"f is compressed; give what is in it, as {reader} writes it")):
        list(text_lines(io.BytesIO(compress(text)), "f"))


def test_lines_that_were_written_end_in_line_feeds_only(tmp_path: Path) -> None:
    lines = ["a\rb", "", "\u2028c\x0b", " d\r"]
    path = tmp_path / "lines"
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    assert written_lines(path) == lines
    assert written_lines(tmp_path / "none") == []
