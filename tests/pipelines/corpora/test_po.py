"""Gettext's messages: what is translated, in the languages that are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.corpora.formats import read_pairs
from recipes.data_schema import PairFiles
from tests.pipelines.corpora.support import read


def test_po_may_be_in_the_other_order(tmp_path: Path) -> None:
    path = tmp_path / "a.po"
    path.write_text('msgid ""\nmsgstr "Language: en_GB\\n"\n\nmsgid "un"\nmsgstr "one"\n')
    assert read(path) == [(b"one", b"un")]


def test_po_gives_what_is_translated(tmp_path: Path) -> None:
    path = tmp_path / "messages.po"
    header = '\ufeffmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset={}\\n"\n\n'
    messages = (
        '#, fuzzy\nmsgid "no"\nmsgstr "non"\n\nmsgid "none"\nmsgstr ""\n\n#~ msgid "old"\n#~ msgstr "vieux"\n\n'
        'msgid "one file"\nmsgid_plural "%d files"\nmsgstr[0] "un fichier"\nmsgstr[1] "%d fichiers"\n\n'
        'msgid "a\\n"\n"b"\nmsgstr "é"\n'
    )
    path.write_text(header.format("UTF-8") + messages, encoding="utf-8")
    expected = [(b"%d files", b"%d fichiers"), (b"a b", "é".encode())]
    assert read(path) == expected
    path.write_text(header.format("ISO-8859-1")[1:] + messages, encoding="latin-1")
    assert read(path) == expected


def test_po_strings_are_those_of_c(tmp_path: Path) -> None:
    """Bytes by their numbers are of the file's character set; as msgfmt reads them."""
    path = tmp_path / "messages.po"
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset={}\\n"\n\n'
    message = r'msgid "a\tb\a\x41\101\1012\x22\134\\x41\\\"\v"' + '\nmsgstr "{}"\n'
    for charset, written in (("UTF-8", r"\303\251\xC3\xa9"), ("ISO-8859-1", r"\351\xe9")):
        path.write_text(header.format(charset) + message.format(written))
        assert read(path) == [(b'a\tb\aAAA2"\\\\x41\\"\v', "éé".encode())]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_po_in_utf_16_is_read(tmp_path: Path, charset: str) -> None:
    """Whatever its header says; also where it was converted, and still says that."""
    path = tmp_path / "messages.po"
    message = '\nmsgid "上\\303\\251"\nmsgstr "Ċ\u2028"\n'
    for said in ("UTF-16", "UTF-8", "CHARSET"):
        text = f'msgid ""\nmsgstr "Content-Type: text/plain; charset={said}\\n"\n{message}'
        for converted in (charset, "utf-8"):
            path.write_bytes(text.encode(converted))
            pairs = list(read_pairs(PairFiles(file=str(path)), "en", "fr"))
            assert pairs == [("上é".encode(), "Ċ\u2028".encode(), 4)]
