"""What stands in a translation for words that the vocabulary lacks, as the SavedModel and the engine have it.

Both put, for an unknown word, the word of the source that it attends to most (Luong et al. 2015, "Addressing the Rare
Word Problem in Neural Machine Translation"; by the attention, as Jean et al. 2015, "On Using Very Large Target
Vocabulary for Neural Machine Translation", section 3.3), or what a dictionary says of that. A word of the source is
what stands between spaces; of that, an unknown subword, and each subword of a script without spaces, is a word by
itself. The patterns are for RE2 and for the package regex.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from workspace.errors import UserError
from workspace.scripts import UNSPACED_SCRIPTS
from workspace.text_lines import text_lines

WHITE = "[\\p{Z}\\p{Cc}\u200b]"
BEGINS_WHITE = rf"(?s){WHITE}.*"
IS_WHITE = rf"{WHITE}*"
HAS_UNSPACED = rf"(?s).*[{UNSPACED_SCRIPTS}].*"
# The punctuation before a word, the word, and the punctuation after it.
BEFORE, CORE, AFTER = r"^(\p{P}*).*$", r"^\p{P}*(.*?)\p{P}*$", r"^.*?(\p{P}*)$"


def read_dictionary(path: Path) -> dict[str, str]:
    """Words of the source in NFC, and what they are in the target: two columns, a tab between them.

    Raises UserError where the file cannot be read, a line has no two columns, or a word is there twice.
    """
    words: dict[str, str] = {}
    try:
        with path.open("rb") as file:
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
        raise UserError(f"{path} cannot be read: {error.strerror}; set search.unknown_dictionary to a file") from error
    return words
