"""Files of words and their translations: a dictionary, a terminology."""

from __future__ import annotations

import unicodedata

from workspace.errors import UserError
from workspace.locations import Location
from workspace.storage import reading
from workspace.text_lines import text_lines


def read_word_pairs(path: Location, advice: str) -> dict[str, str]:
    """Words or phrases of the source, and what they are in the target, in NFC: two columns, a tab between them.

    Raises UserError where a line has no two columns, a word is there twice, or the file cannot be read, which ends in
    ``advice``.
    """
    words: dict[str, str] = {}
    try:
        with reading(path) as file:
            for number, line in enumerate(text_lines(file, str(path)), start=1):
                if not line.strip():
                    continue
                columns = [unicodedata.normalize("NFC", " ".join(column.split())) for column in line.split("\t")]
                if len(columns) != 2 or not all(columns):
                    raise UserError(f"{path}: line {number:,} has no two words with a tab between them; write them so")
                if columns[0] in words:
                    raise UserError(f"{path}: line {number:,} has {columns[0]!r} again; keep one translation of it")
                words[columns[0]] = columns[1]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or 'no such file'}; {advice}") from error
    return words
