"""Opens the files of a corpus wherever they are and however they are compressed, and says what is wrong with them.

A path is one of this machine, or the URL of a file in a store (``workspace.locations``). Files that are compressed
(``pipelines.corpora.compression``) are decompressed on the way. Whatever goes wrong while a file is read becomes a
UserError that names it.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import lzma
import shlex
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backports import zstd

from pipelines.corpora.compression import BEGINNING, Decompressed, compression_of, compression_within, without_ending
from pipelines.corpora.raw_pairs import Warn
from recipes.corpora import base_name
from workspace import charsets
from workspace.errors import UserError
from workspace.locations import is_url, located
from workspace.scratch import scratch_directory
from workspace.storage import reading, writing

_BYTES_AT_A_TIME = 1 << 18
# Where the header of a tar archive says that it is one.
_TAR = slice(257, 262)


def is_plain(path: str) -> bool:
    """Whether a file can be read where it is, in any place: it is of this machine, and not compressed.

    Raises UserError as ``open_file`` does.
    """
    return not is_url(path) and is_not_compressed(path)


def is_not_compressed(path: str) -> bool:
    """Whether a file is as it is read, wherever it is. Raises UserError as ``open_file`` does."""
    with _explained(path), reading(located(path)) as file:
        return compression_of(file.read(BEGINNING), path) is None


@contextlib.contextmanager
def open_file(path: str, warn: Warn) -> Iterator[io.BufferedReader[Any]]:
    """Opens a file of a corpus for its bytes, decompressed; ``warn`` is told what is left out of it.

    Raises UserError as ``open_decompressed`` does, and where the file is empty.
    """
    with open_decompressed(path, warn) as reader:
        if not reader.peek(1):
            raise UserError(f"{path} is empty; give a file with sentence pairs")
        yield reader


@contextlib.contextmanager
def open_decompressed(path: str, warn: Warn) -> Iterator[io.BufferedReader[Any]]:
    """Opens a file for its bytes, decompressed; ``warn`` is told what is left out of it.

    Raises UserError, also from within the ``with`` block, where the file does not exist, may not be read, is
    a directory, an archive, cut short or damaged.
    """
    with _explained(path), contextlib.ExitStack() as stack:
        file: Any = stack.enter_context(reading(located(path)))
        # Its lines end at line feeds only, whatever is beneath.
        reader: io.BufferedReader[Any] = io.BufferedReader(file, _BYTES_AT_A_TIME)
        stack.enter_context(reader)
        if compression := compression_of(reader.peek(BEGINNING)[:BEGINNING], path):
            unpacked = Decompressed(reader, compression, path, warn)
            reader = stack.enter_context(io.BufferedReader(unpacked, _BYTES_AT_A_TIME))
            if again := compression_within(reader.peek(BEGINNING)[:BEGINNING], path):
                raise UserError(
                    f"{path} is compressed twice, and {again.adjective} within; unpack it once, and give what was in it"
                )
        if reader.peek(_TAR.stop)[_TAR] == b"ustar":
            raise UserError(f"{path} is a tar archive; unpack it, and give what was in it")
        yield reader


def read_lines(path: str, warn: Warn) -> Iterator[bytes]:
    """The lines of a text file, without their line feeds and without a byte order mark before the first.

    Raises UserError as ``open_file`` and ``size_of_byte_order_mark`` do.
    """
    with open_file(path, warn) as file:
        file.read(size_of_byte_order_mark(file.peek(charsets.BEGINNING)[: charsets.BEGINNING], path))
        for line in file:
            yield line.removesuffix(b"\n")


def size_of_byte_order_mark(beginning: bytes, path: str) -> int:
    """The size of the mark that a UTF-8 file may begin with, 0 without one; of ``charsets.BEGINNING`` bytes of it.

    Raises UserError for a file that is in another character set, or whose lines end in carriage returns only.
    """
    if (charset := charsets.charset_of(beginning)) is not None:
        # The C library has no HZ; ICU's tool has.
        convert = f"uconv -f {charset} -t UTF-8" if charset == "HZ" else f"iconv -f {charset} -t UTF-8"
        name = charset.removesuffix("LE").removesuffix("BE")
        raise UserError(f"{path} is in {name}; convert it with {_through(convert, path, 'utf8')}")
    if charsets.has_carriage_returns_only(beginning):
        convert = _through(r"tr '\r' '\n'", path, "lines")
        raise UserError(f"the lines of {path} end in carriage returns, not in line feeds; convert it with {convert}")
    return len(codecs.BOM_UTF8) if beginning.startswith(codecs.BOM_UTF8) else 0


@contextlib.contextmanager
def local_file(path: str, warn: Warn) -> Iterator[Path]:
    """The path of a file on this machine with the same content, for libraries that must have a path.

    It is the file itself, or a temporary copy of one that is remote or compressed. Raises UserError as
    ``open_file`` does, and where there is no room for the copy.
    """
    with open_file(path, warn) as file:
        if is_plain(path):
            yield Path(path)
            return
        with scratch_directory() as directory:
            copy = directory / base_name(without_ending(path))
            with writing(copy) as copied:
                shutil.copyfileobj(file, copied, _BYTES_AT_A_TIME)
            yield copy


def in_one_line(error: BaseException | str) -> str:
    """What a library says is wrong, as a part of a sentence."""
    return " ".join(str(error).split())


def _through(command: str, path: str, made: str) -> str:
    """The command that reads a file and writes another, with the same endings; just its name where it cannot.

    ``made`` is what becomes of the name.
    """
    if is_url(path) or without_ending(path) != path:
        return command
    folder, slash, name = path.rpartition("/")
    stem, dot, endings = name.partition(".")
    return f"{command} < {shlex.quote(path)} > {shlex.quote(f'{folder}{slash}{stem}_{made}{dot}{endings}')}"


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a directory; name a file") from error
    except PermissionError as error:
        raise UserError(f"no permission to read {path}; change its mode") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
        # The system's errors have a number, those about the file's content have none.
        if getattr(error, "errno", None) is not None:
            raise
        raise UserError(f"{path} is cut short or damaged ({in_one_line(error)}); fetch or make it again") from error
