"""Reads the sentence pairs of a corpus, in order, from any of the formats that corpora come in.

``read_pairs`` is for one sequential reader: the preparation job uses it to unpack whatever is not two plain files
already. All formats are streamed and need only as much memory as their longest pairs, except gettext PO, which its
library loads whole. The readers are in ``tables``, ``translation_memories`` and ``po``, beside this file.

Text stays as the file has it: what is not UTF-8 is passed on where the format can hold it, so that such pairs
are rejected one by one later. A row without text on one side is a pair with an empty side, for the same reason.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator

from pipelines.corpora.compression import without_ending
from pipelines.corpora.file_access import is_not_compressed, read_lines
from pipelines.corpora.po import read_po
from pipelines.corpora.raw_pairs import LeftOut, RawPair, Reader, Warn
from pipelines.corpora.tables import read_csv, read_jsonl, read_parquet, read_sqlite, read_tsv
from pipelines.corpora.translation_memories import read_tmx, read_xliff
from recipes.corpora import paths_of
from recipes.data_schema import PairFiles
from workspace.errors import UserError

_ENDINGS = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tmx": "tmx",
    ".xlf": "xliff",
    ".xliff": "xliff",
    ".po": "po",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}


def format_of(files: PairFiles) -> str:
    """The format of a corpus: as its settings say, or else by the ending of the file's name.

    Raises UserError where neither tells, or the settings do not go together.
    """
    if files.file is None:
        if files.format not in (None, "lines"):
            raise UserError(f"{files.source}: format {files.format} has both sides in one file; give it as file")
        return "lines"
    if files.format == "lines":
        raise UserError(f"{files.file}: format lines has a file for each side; give source and target")
    found = files.format or format_by_ending(files.file)
    if found is None:
        raise UserError(
            f"{files.file}: its name does not tell its format; give format, one of {', '.join(list(READERS)[1:])}"
        )
    if found == "sqlite" and not files.query:
        raise UserError(f"{files.file}: give query, a SELECT of two columns, source and target")
    return found


def format_by_ending(path: str) -> str | None:
    """The format that the ending of a file's name tells, whatever it is compressed with; None where it tells none."""
    name = without_ending(path).lower()
    return next((form for ending, form in _ENDINGS.items() if name.endswith(ending)), None)


def read_pairs(
    files: PairFiles,
    source_language: str,
    target_language: str,
    warn: Warn = lambda sentence: print(f"warning: {sentence}", file=sys.stderr),
) -> Iterator[RawPair]:
    """The pairs of a corpus; line feeds and carriage returns in them become spaces.

    The languages are those of the recipe; TMX, XLIFF and PO files are searched for them unless ``files`` names others.
    What a file has besides translated pairs, such as units without one of the languages, is left out; at the end
    ``warn`` is told how many, and of whatever else is left out. Raises UserError where a file cannot be read to its end
    in its format.
    """
    form = format_of(files)
    default_source, default_target = _DEFAULT_FIELDS.get(form, (source_language, target_language))
    settings = {
        "source_field": files.source_field or default_source,
        "target_field": files.target_field or default_target,
    }
    pairs = 0
    left_out: dict[str, list[int]] = {}
    for found in READERS[form](files.model_copy(update=settings), warn):
        if isinstance(found, LeftOut):
            count, first = left_out.setdefault(found.why, [0, found.line])
            left_out[found.why] = [count + 1, first]
        else:
            pairs += 1
            yield RawPair(_one_line(found.source), _one_line(found.target), found.line)
    path = files.file or files.source
    total = pairs + sum(count for count, _ in left_out.values())
    if not pairs:
        besides = "".join(f", and {count:,} units that {why}" for why, (count, _) in left_out.items())
        raise UserError(f"{path} has no sentence pairs{besides}; give a file that has some")
    for why, (count, first) in left_out.items():
        warn(f"{path}: {count:,} of {total:,} units {why} and are left out, the first in line {first:,}")


def is_plain_lines(files: PairFiles) -> bool:
    """Whether a corpus is two line-aligned files, neither compressed, wherever they are."""
    return format_of(files) == "lines" and all(map(is_not_compressed, paths_of(files)))


def _read_two_files(files: PairFiles, warn: Warn) -> Iterator[RawPair]:
    paths = str(files.source), str(files.target)
    sides = [read_lines(path, warn) for path in paths]
    counts = [0, 0]
    for source, target in itertools.zip_longest(*sides):
        counts[0] += source is not None
        counts[1] += target is not None
        if source is not None and target is not None:
            yield RawPair(source, target, counts[0])
    if counts[0] != counts[1]:
        raise UserError(
            f"{paths[0]} has {counts[0]:,} lines but {paths[1]} has {counts[1]:,}; "
            "line n of one must be the translation of line n of the other"
        )


def _one_line(text: bytes) -> bytes:
    return text.replace(b"\r\n", b" ").replace(b"\n", b" ").replace(b"\r", b" ")


# In the other formats the sides are found by the recipe's languages.
_DEFAULT_FIELDS = {
    "tsv": ("1", "2"),
    "csv": ("source", "target"),
    "jsonl": ("source", "target"),
    "parquet": ("source", "target"),
}

READERS: dict[str, Reader] = {
    "lines": _read_two_files,
    "tsv": read_tsv,
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "tmx": read_tmx,
    "xliff": read_xliff,
    "po": read_po,
    "sqlite": read_sqlite,
}
