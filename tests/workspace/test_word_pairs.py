"""Files of two columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspace.errors import UserError
from workspace.word_pairs import read_word_pairs


def test_words_are_read_in_composed_form(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("one  word\tun mot\n\n e\u0301te\u0301 \tsummer\r\n", encoding="utf-8")
    assert read_word_pairs(path, "set it") == {"one word": "un mot", "\u00e9t\u00e9": "summer"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("one", "line 1 has no two words with a tab between them; write them so"),
        ("one\tun\n\none\tune\n", "line 3 has 'one' again; keep one translation of it"),
        ("one\t\n", "line 1 has no two words"),
    ],
)
def test_a_file_that_has_no_pairs(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "words.tsv"
    with pytest.raises(UserError, match=r"cannot be read: No such file or directory; set it"):
        read_word_pairs(path, "set it")
    path.write_text(lines)
    with pytest.raises(UserError, match=message):
        read_word_pairs(path, "set it")
