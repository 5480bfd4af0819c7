"""Reading and writing, wherever it is: the only module that opens files of a work directory, a corpus, an input or an
output (``workspace.locations`` says what a location is, ``workspace.listing`` what is there).

Nothing that is half written is ever taken as whole. On this machine and on Hadoop's file system it is written to a
temporary name in the same directory, then renamed, here when it has reached the disk. An object store has no renaming,
but shows an object only when it is whole; a directory appears there object by object, and the one that says that it is
complete comes last.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from workspace.errors import UserError
from workspace.listing import described, entries, files_under, is_directory, name_below, state_of
from workspace.locations import Location, RemotePath
from workspace.scratch import is_scratch, scratch_directory
from workspace.stores import CHANGED, file_system, told

# How the names end of what is not yet whole.
PARTIAL = ".partial"
_BYTES_AT_A_TIME = 1 << 20
# Of what is read from a store in order: fewer requests, each of which takes its time.
_READ_AHEAD = 1 << 23


@contextlib.contextmanager
def reading(location: Location) -> Iterator[BinaryIO]:
    """A file opened for its bytes. Raises FileNotFoundError where there is none."""
    if isinstance(location, Path):
        with location.open("rb") as file:
            yield file
        return
    with told(location):
        system, path = file_system(location)
        opened = system.open(path, "rb", block_size=_READ_AHEAD)
    with io.BufferedReader(_FromStore(opened, location), _BYTES_AT_A_TIME) as file:
        yield file


class _FromStore(io.RawIOBase):
    """A file in a store. What goes wrong while it is read is ``told``; what is done with what was read is not.

    Raises UserError at the end of a file that is another than at its beginning.
    """

    def __init__(self, file: Any, location: RemotePath):
        self._file, self._location = file, location
        self._state = described(file.details)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with told(self._location):
            read = self._file.read(len(buffer))
        # S3 looks itself: each of its requests says which state of the file is asked for.
        if not read and self._location.scheme != "s3" and state_of(self._location) != self._state:
            raise UserError(CHANGED.format(location=self._location))
        buffer[: len(read)] = read
        return len(read)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()
        super().close()


def read_bytes(location: Location, begin: int = 0, end: int | None = None) -> bytes:
    """The bytes of a file from ``begin`` to before ``end``."""
    if isinstance(location, Path):
        with location.open("rb") as file:
            file.seek(begin)
            return file.read() if end is None else file.read(end - begin)
    with told(location):
        system, path = file_system(location)
        if begin == end:
            return b""
        # In one request: S3's client would ask for the size first, and read parts of what is large, which may be of two
        # files where one takes the place of the other meanwhile.
        in_one = {"max_concurrency": 1} if location.scheme == "s3" else {}
        return bytes(system.cat_file(path, start=begin or None, end=end, **in_one))


def read_text(location: Location, encoding: str = "utf-8") -> str:
    """A text in UTF-8. Raises UnicodeDecodeError where it is none."""
    with io.TextIOWrapper(io.BytesIO(read_bytes(location)), encoding) as text:
        return text.read()


def read_json(location: Location) -> Any:
    """The JSON value in a file, or None where there is no such file or it cannot be read as JSON."""
    try:
        return json.loads(read_text(location))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_bytes(location: Location, value: bytes) -> None:
    """Writes a file, whole."""
    with replacing(location) as temporary:
        temporary.write_bytes(value)


def write_text(location: Location, value: str) -> None:
    """Writes a text in UTF-8, whole."""
    with replacing(location) as temporary:
        temporary.write_text(value, encoding="utf-8", newline="")


def write_json(location: Location, value: Any) -> None:
    """Writes ``value`` as indented UTF-8 JSON, whole."""
    write_text(location, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def create(location: Location, value: bytes) -> bool:
    """Writes a file where there is none, and gives whether there was none: of several who try, one does.

    In a store, what is there with the same value is ours: the answer that it was written can get lost, and then it is
    asked for again. So let the value be one that nobody else has.
    """
    if isinstance(location, Path):
        try:
            with location.open("xb") as file:
                file.write(value)
        except FileExistsError:
            return False
        return True
    try:
        with told(location):
            system, path = file_system(location)
            system.pipe_file(path, value, mode="create")
    except FileExistsError:
        # It may be gone meanwhile.
        with contextlib.suppress(FileNotFoundError):
            return value != b"" and read_bytes(location) == value
        return False
    return True


@contextlib.contextmanager
def replacing(location: Location, last: str | None = None) -> Iterator[Path]:
    """Yields a path of this machine to write a file or directory at, which takes the place of ``location`` on success.

    last: of a directory, the file that says that it is complete. On any exception, Ctrl-C included, what was written
    is removed and what stood at ``location`` still stands.
    """
    if not isinstance(location, Path):
        with scratch_directory() as directory:
            temporary = directory / (location.name or "root")
            yield temporary
            copy(temporary, location, last)
        return
    location.parent.mkdir(parents=True, exist_ok=True)
    temporary = location.with_name(f".{location.name}.{os.getpid()}{PARTIAL}")
    # What a killed process of the same id left: in a container the id is always the same.
    remove(temporary)
    try:
        yield temporary
        if not is_scratch(temporary):
            _settle(temporary)
        move(temporary, location)
    except OSError as error:
        # Of a full disk, the system names the file only where it is opened.
        if error.errno == errno.ENOSPC and error.filename is None:
            raise OSError(error.errno, error.strerror, str(location)) from error
        raise
    finally:
        remove(temporary)


def _settle(written: Path) -> None:
    """Has a file, or all files of a directory, written to the disk: where the power fails, one that was renamed before
    can come out empty."""
    for file in (path for path in written.rglob("*") if path.is_file()) if written.is_dir() else [written]:
        number = os.open(file, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextlib.contextmanager
def writing(location: Location) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``location`` on success, as in ``replacing``."""
    with replacing(location) as temporary, temporary.open("wb") as file:
        yield file


def make_directory(location: Location) -> None:
    """Makes a directory with those above it, where there is none; an object store needs none."""
    if isinstance(location, Path):
        location.mkdir(parents=True, exist_ok=True)
    elif not _has_objects(location):
        with told(location):
            system, path = file_system(location)
            system.makedirs(path, exist_ok=True)


def remove(location: Location, last: str | None = None) -> None:
    """Removes a file or a whole directory, of that first ``last``, as in ``replacing``; nothing there is no error."""
    if isinstance(location, Path):
        if location.is_dir() and not location.is_symlink():
            shutil.rmtree(location)
        else:
            location.unlink(missing_ok=True)
        return
    if location.name == "":
        # The root of a bucket is the bucket.
        for entry in entries(location):
            remove(entry)
        return
    if last is not None:
        remove(location / last)
    with contextlib.suppress(FileNotFoundError), told(location):
        system, path = file_system(location)
        # It would take other files for those that a name with [ or * means.
        system.rm(glob.escape(path) if _has_objects(location) else path, recursive=True)


def move(source: Location, target: Location, last: str | None = None) -> None:
    """Puts a file or a directory in another place, and in place of what is there; ``last`` as in ``replacing``."""
    if isinstance(source, Path) and isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.with_name(f".{target.name}.{os.getpid()}.before")
        try:
            if source.is_dir() and target.is_dir():
                # A directory cannot be renamed over another, and removing the other first may take a while.
                remove(before)
                target.rename(before)
            source.replace(target)
        finally:
            remove(before)
        return
    if isinstance(source, RemotePath) and isinstance(target, RemotePath) and _renames(source, target):
        make_directory(target.parent)
        _rename(source, target)
        return
    copy(source, target, last)
    remove(source, last)


def copy(source: Location, target: Location, last: str | None = None) -> None:
    """Copies a file or a directory, in place of what is there; ``last`` as in ``replacing``."""
    if not is_directory(source):
        _copy_file(source, target)
        return
    if isinstance(target, Path):
        with replacing(target) as temporary:
            _copy_files(source, temporary, None)
    elif _has_objects(target):
        remove(target, last)
        _copy_files(source, target, last)
    else:
        with _renamed(target) as whole:
            _copy_files(source, whole, None)


def _copy_files(source: Location, target: Location, last: str | None) -> None:
    names = [name_below(source, file) for file in files_under(source)]
    make_directory(target)
    for name in sorted(names, key=lambda name: (name == last, name)):
        _copy_file(source / name, target / name, in_place=True)


def _copy_file(source: Location, target: Location, in_place: bool = False) -> None:
    """Whole; ``in_place`` where it is seen only with its directory."""
    if isinstance(target, Path):
        with replacing(target) as temporary, reading(source) as file, temporary.open("wb") as written:
            shutil.copyfileobj(file, written, _BYTES_AT_A_TIME)
    elif isinstance(source, RemotePath) and _has_objects(source) and source.scheme == target.scheme:
        with told(target):
            system, path = file_system(target)
            system.cp_file(file_system(source)[1], path)
    else:
        with local_copy(source) as here:
            if in_place or _has_objects(target):
                _upload(here, target)
            else:
                with _renamed(target) as whole:
                    _upload(here, whole, target)


def _upload(source: Path, target: RemotePath, named: RemotePath | None = None) -> None:
    with told(named or target):
        system, path = file_system(target)
        system.put_file(str(source), path)


@contextlib.contextmanager
def _renamed(target: RemotePath) -> Iterator[RemotePath]:
    """Where to write what takes the place of ``target`` on success: a file is seen from its first byte on."""
    # Not by the number of a process: in containers on several machines, these are the same.
    whole = target.with_name(f".{target.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        yield whole
        _rename(whole, target)
    except BaseException:
        # What went wrong may go wrong with this, too.
        with contextlib.suppress(UserError, OSError):
            remove(whole)
        raise


def _renames(source: RemotePath, target: RemotePath) -> bool:
    return not _has_objects(source) and source.store == target.store


def _rename(source: RemotePath, target: RemotePath) -> None:
    # A file takes the place of another at once, but no directory does.
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.before") if is_directory(target) else None
    with told(target):
        system, path = file_system(target)
        if aside:
            system.mv(path, file_system(aside)[1])
        system.mv(file_system(source)[1], path)
    if aside:
        remove(aside)


def _has_objects(location: RemotePath) -> bool:
    """Whether it is an object store, which has neither directories nor renaming."""
    return location.scheme in ("s3", "gs")


@contextlib.contextmanager
def local_copy(location: Location) -> Iterator[Path]:
    """A file or directory on this machine with the same content, while the body runs: itself where it is here, else a
    copy in scratch."""
    if isinstance(location, Path):
        yield location
        return
    with scratch_directory() as directory:
        here = directory / location.name
        copy(location, here)
        yield here


def sha256_of(location: Location) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with reading(location) as file:
        while block := file.read(_BYTES_AT_A_TIME):
            digest.update(block)
    return digest.hexdigest()
