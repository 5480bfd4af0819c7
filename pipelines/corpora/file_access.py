"""Opens the files of a corpus wherever they are and however they are compressed, and says what is wrong with them.

A path is one of this machine, or a URL that one of Beam's file systems reads (gs://, s3://, hdfs://). Files
that end in .gz, .zst or .xz are decompressed on the way. Whatever goes wrong while a file is read becomes a
UserError that names it.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import itertools
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow

from recipes.corpora import base_name, is_remote
from workspace.errors import UserError

_BYTES_AT_A_TIME = 1 << 18


def _unpack_zstandard(file: BinaryIO) -> Any:
    # Not with the package zstandard, whose reader takes a file that is cut short for one that ends there.
    return pyarrow.CompressedInputStream(file, "zstd")


_UNPACK: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".zst": _unpack_zstandard,
    ".xz": lzma.LZMAFile,
}


def without_compression(path: str) -> str:
    """The path without the ending that says how the file is compressed."""
    return path[: -len(_compression(path))] if _compression(path) else path


@contextlib.contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Opens a file for its bytes, decompressed.

    Raises UserError, also from within the ``with`` block, where the file does not exist, may not be read, is
    empty, a directory, cut short or damaged.
    """
    with _explained(path), contextlib.ExitStack() as stack:
        file = stack.enter_context(_open_remote(path) if is_remote(path) else Path(path).open("rb"))  # noqa: SIM115
        if compression := _compression(path):
            file = stack.enter_context(_UNPACK[compression](file))
        # Its lines end at line feeds only, whatever is beneath.
        reader = stack.enter_context(io.BufferedReader(file, _BYTES_AT_A_TIME))  # type: ignore[type-var]
        if not reader.peek(1):
            raise UserError(f"{path} is empty; give a file with sentence pairs")
        yield reader


def read_lines(path: str) -> Iterator[bytes]:
    """The lines of a text file, without their line feeds and without a byte order mark before the first.

    Raises UserError as ``open_file`` does, and where the file is in UTF-16.
    """
    with open_file(path) as file:
        first = file.readline()
        first = first[size_of_byte_order_mark(first, path) :]
        for line in itertools.chain([first] if first else [], file):
            yield line.removesuffix(b"\n")


def size_of_byte_order_mark(beginning: bytes, path: str) -> int:
    """The size of the mark that a UTF-8 file may begin with, 0 without one. Raises UserError for a file in UTF-16."""
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is in UTF-16; convert it with iconv -f UTF-16 -t UTF-8")
    return len(codecs.BOM_UTF8) if beginning.startswith(codecs.BOM_UTF8) else 0


@contextlib.contextmanager
def local_file(path: str) -> Iterator[Path]:
    """The path of a file on this machine with the same content, for libraries that must have a path.

    It is the file itself, or a temporary copy of one that is remote or compressed. Raises UserError as
    ``open_file`` does.
    """
    with open_file(path) as file:
        if not is_remote(path) and not _compression(path):
            yield Path(path)
            return
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / base_name(without_compression(path))
            with copy.open("wb") as copied:
                shutil.copyfileobj(file, copied, _BYTES_AT_A_TIME)
            yield copy


def in_one_line(error: BaseException) -> str:
    """What a library says is wrong, as a part of a sentence."""
    return " ".join(str(error).split())


def _compression(path: str) -> str:
    return next((ending for ending in _UNPACK if path.lower().endswith(ending)), "")


def _open_remote(path: str) -> BinaryIO:
    # Beam's import takes seconds, and most corpora are on this machine.
    from apache_beam.io.filesystem import BeamIOError, CompressionTypes  # noqa: PLC0415
    from apache_beam.io.filesystems import FileSystems  # noqa: PLC0415

    try:
        file: BinaryIO = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    # A ValueError is about the kind of URL: it does not exist, or the package for it is missing.
    except (BeamIOError, ValueError) as error:
        raise UserError(f"{path} cannot be opened ({in_one_line(error)}); check the address and your rights") from error
    return file


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
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        # The system's errors have a number, those about the file's content have none.
        if getattr(error, "errno", None) is not None:
            raise
        raise UserError(f"{path} is cut short or damaged ({in_one_line(error)}); fetch or make it again") from error
