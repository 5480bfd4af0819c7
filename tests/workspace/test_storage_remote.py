"""The seam on this machine, S3, Google Cloud Storage and HDFS: what holds on one holds on all."""

from __future__ import annotations

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workspace import listing, storage
from workspace.errors import UserError
from workspace.locations import Location, RemotePath, located

pytestmark = pytest.mark.slow

# Names that a URL, a shell or a pattern may read otherwise.
NAMES = ["two words", "100%", "%41", "a#b?x=y", "ü中文", "a+b&c", "[1]*", "'\"~", "a:b", ".hidden"]


@pytest.fixture(params=["local", "s3", "gcs", "hdfs"])
def root(request: pytest.FixtureRequest) -> Location:
    """An empty place on each kind of storage."""
    return place_of(request.param, request)


def is_hadoop(location: Location) -> bool:
    return isinstance(location, RemotePath) and location.scheme == "webhdfs"


def contents(directory: Location) -> dict[str, bytes]:
    files = listing.files_under(directory)
    return {listing.name_below(directory, file): storage.read_bytes(file) for file in files}


def test_what_is_not_there_is_not_there(root: Location) -> None:
    nothing = root / "nothing" / "there"
    assert not listing.exists(nothing)
    assert not listing.is_file(nothing)
    assert not listing.is_directory(nothing)
    assert listing.entries(nothing) == listing.files_under(nothing) == listing.matching(f"{nothing}/*") == []
    assert storage.read_json(nothing) is None
    storage.remove(nothing)
    for read in (listing.size_of, storage.read_bytes, storage.read_text, storage.sha256_of):
        with pytest.raises(FileNotFoundError):
            read(nothing)
    with pytest.raises(FileNotFoundError), storage.local_copy(nothing) as here:
        here.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 65_537])
def test_a_file_has_the_bytes_that_were_written(size: int, root: Location) -> None:
    value, file = random.Random(size).randbytes(size), root / "deep" / "below" / "file"
    storage.write_bytes(file, value)
    assert listing.exists(file)
    assert listing.is_file(file)
    assert not listing.is_directory(file)
    assert listing.size_of(file) == size
    assert storage.read_bytes(file) == value
    assert storage.sha256_of(file) == hashlib.sha256(value).hexdigest()
    with storage.reading(file) as opened:
        assert opened.read() == value
    assert listing.is_directory(root / "deep")
    assert listing.exists(root / "deep")
    assert not listing.is_file(root / "deep")
    assert listing.entries(root / "deep") == [root / "deep" / "below"]


def test_a_text_has_the_lines_that_were_written(root: Location) -> None:
    storage.write_text(root / "text", "ü\r\n中\n\n")
    assert storage.read_bytes(root / "text") == "ü\r\n中\n\n".encode()
    storage.write_json(root / "json", {"ü": [1, None]})
    assert storage.read_json(root / "json") == {"ü": [1, None]}
    storage.write_bytes(root / "json", b"\xff")
    assert storage.read_json(root / "json") is None


def test_any_name_is_one_name(root: Location) -> None:
    """In every place that a name has: the directory's, the file's, and of what is copied and removed."""
    # Hadoop has no names with a colon.
    names = [name for name in NAMES if ":" not in name or not is_hadoop(root)]
    for name in names:
        storage.write_text(root / "all" / name / name, name)
    assert listing.entries(root / "all") == [root / "all" / name for name in sorted(names)]
    assert contents(root / "all") == {f"{name}/{name}": name.encode() for name in sorted(names)}
    storage.copy(root / "all", root / "copied")
    assert contents(root / "copied") == contents(root / "all")
    for name in names:
        assert listing.size_of(root / "all" / name / name) == len(name.encode())
        storage.move(root / "all" / name, root / "moved" / name)
        assert not listing.exists(root / "all" / name)
        with storage.local_copy(root / "moved" / name / name) as here:
            assert here.read_text(encoding="utf-8") == name
    assert contents(root / "moved") == contents(root / "copied")
    for name in names:
        storage.remove(root / "moved" / name)
        assert not listing.is_directory(root / "moved" / name)
    assert listing.files_under(root / "moved") == []


def test_entries_and_patterns_are_in_the_order_of_their_names(root: Location) -> None:
    names = ["b-00001-of-2.gz", "b-00000-of-2.gz", "a/deep.gz", "a/b/deeper.gz", "c.txt", "a!.gz"]
    for name in names:
        storage.write_text(root / name, name)
    assert [entry.name for entry in listing.entries(root)] == [
        "a",
        "a!.gz",
        "b-00000-of-2.gz",
        "b-00001-of-2.gz",
        "c.txt",
    ]
    assert listing.files_under(root) == sorted(root / name for name in names)
    assert listing.matching(f"{root}/b-*-of-2.gz") == [root / "b-00000-of-2.gz", root / "b-00001-of-2.gz"]
    assert listing.matching(f"{root}/b-0000[1-9]*") == [root / "b-00001-of-2.gz"]
    assert listing.matching(f"{root}/?.txt") == [root / "c.txt"]
    assert listing.matching(f"{root}/c.txt") == [root / "c.txt"]
    assert listing.matching(f"{root}/**/*.gz") == sorted(root / name for name in names if name.endswith(".gz"))
    # A directory's name is another's beginning.
    storage.write_text(root / "a" / "x", "")
    storage.write_text(root / "ab" / "x", "")
    storage.remove(root / "a")
    assert listing.files_under(root / "a") == []
    assert listing.is_file(root / "ab" / "x")


def test_a_part_of_a_file(root: Location) -> None:
    value = random.Random(1).randbytes(100_000)
    storage.write_bytes(root / "file", value)
    for begin, end in [(0, 10), (99_990, None), (50, 50), (1_000, 2_000), (0, None), (99_990, 200_000)]:
        assert storage.read_bytes(root / "file", begin, end) == value[begin:end], (begin, end)
    with storage.reading(root / "file") as opened:
        opened.seek(70_000)
        assert opened.read(5) == value[70_000:70_005]
        opened.seek(3)
        assert opened.read(5) == value[3:8]


def test_a_large_file_comes_whole(root: Location, tmp_path: Path) -> None:
    """In parts, both ways."""
    value = random.Random(2).randbytes(20 << 20)
    storage.write_bytes(root / "large", value)
    assert listing.size_of(root / "large") == len(value)
    with storage.local_copy(root / "large") as here:
        assert here.read_bytes() == value
    storage.copy(root / "large", root / "again")
    assert storage.sha256_of(root / "again") == hashlib.sha256(value).hexdigest()


def test_a_file_takes_the_place_of_another(root: Location) -> None:
    for text in ("first, and longer", "second"):
        storage.write_text(root / "file", text)
        assert storage.read_text(root / "file") == text
    assert listing.entries(root) == [root / "file"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_what_was_there(kind: type[BaseException], root: Location) -> None:
    storage.write_text(root / "file", "old")
    storage.write_text(root / "directory" / "file", "old")
    for name in ("file", "new"):
        with pytest.raises(kind), storage.replacing(root / name) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise kind
    with pytest.raises(kind), storage.replacing(root / "directory") as temporary:
        temporary.mkdir()
        (temporary / "other").write_text("half", encoding="utf-8")
        raise kind
    assert contents(root) == {"directory/file": b"old", "file": b"old"}


def test_of_a_directory_that_is_replaced_nothing_stays(root: Location) -> None:
    for names in (("a", "b", "deep/c"), ("b", "done")):
        with storage.replacing(root / "directory", last="done") as temporary:
            for name in names:
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                (temporary / name).write_text(f"{len(names)}", encoding="utf-8")
    assert contents(root) == {"directory/b": b"2", "directory/done": b"2"}


def test_of_several_who_create_one_does(root: Location) -> None:
    storage.make_directory(root)
    together = threading.Barrier(8)

    def create(value: bytes) -> bool:
        together.wait()
        return storage.create(root / "lock", value)

    values = [b"%d" % number for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        won = [value for value, is_ours in zip(values, threads.map(create, values), strict=True) if is_ours]
    assert len(won) == 1
    assert storage.read_bytes(root / "lock") == won[0]
    assert not storage.create(root / "lock", b"late")
    storage.remove(root / "lock")
    assert storage.create(root / "lock", b"again")


def test_a_file_is_moved_and_copied_over_another(root: Location) -> None:
    for name in ("one", "two", "three"):
        storage.write_text(root / name, name)
    storage.move(root / "one", root / "two")
    storage.copy(root / "two", root / "three")
    assert contents(root) == {"three": b"one", "two": b"one"}


def place_of(kind: str, request: pytest.FixtureRequest) -> Location:
    """An empty place on a kind of storage."""
    place: Location = (
        request.getfixturevalue("tmp_path") if kind == "local" else located(request.getfixturevalue(kind).root)
    )
    return place


@pytest.mark.parametrize(
    "kinds",
    ["local local", "local s3", "local gcs", "local hdfs", "s3 s3", "s3 gcs", "s3 hdfs", "hdfs hdfs", "hdfs gcs"],
)
def test_files_and_directories_go_to_other_stores_and_back(kinds: str, request: pytest.FixtureRequest) -> None:
    root, other = (place_of(kind, request) for kind in kinds.split())
    root, there = root / "one", other / "two"
    for name in ("file", "directory/a", "directory/deep/b"):
        storage.write_text(root / "here" / name, name)
    expected = contents(root / "here")
    storage.copy(root / "here", there)
    assert contents(there) == contents(root / "here") == expected
    storage.move(root / "here", there / "again")
    assert contents(there / "again") == expected
    assert not listing.exists(root / "here")
    storage.move(there / "again" / "file", root / "file")
    assert contents(root) == {"file": b"file"}
    assert not listing.exists(there / "again" / "file")


def test_what_is_streamed_is_seen_when_it_is_whole(root: Location) -> None:
    with storage.writing(root / "file") as file:
        file.write(b"one ")
        assert not listing.exists(root / "file")
        file.write(b"two")
    assert storage.read_bytes(root / "file") == b"one two"
    with pytest.raises(RuntimeError), storage.writing(root / "file") as file:
        file.write(b"three")
        raise RuntimeError
    assert contents(root) == {"file": b"one two"}


@pytest.mark.parametrize("root", ["s3", "gcs", "hdfs"], indirect=True)
@pytest.mark.parametrize("size", [20 << 20, 9 << 20])
def test_a_file_that_changes_while_it_is_read_is_not_half_of_each(size: int, root: RemotePath) -> None:
    storage.write_bytes(root / "file", b"a" * (20 << 20))
    with pytest.raises(UserError) as refused, storage.reading(root / "file") as opened:
        opened.read(1)
        storage.write_bytes(root / "file", b"b" * size)
        opened.read()
    assert str(refused.value) == f"{root}/file changed while it was read; run the same command again"


def test_sizes_of_files_by_how_they_are_reached(root: Location) -> None:
    storage.write_bytes(root / "one" / "file", b"12")
    storage.write_bytes(root / "two" / "file", b"123")
    reached = {"file": 2, "../two/file": 3, "nothing": None, "../one": None}
    assert listing.sizes_of(reached, root / "one") == reached
    assert listing.sizes_of(["file"], root / "three") == {"file": None}


@pytest.mark.parametrize("root", ["s3", "gcs", "hdfs"], indirect=True)
def test_a_file_that_changed_is_in_another_state(root: RemotePath) -> None:
    for name in ("a", "deep/b"):
        storage.write_bytes(root / name, b"old")
    before = listing.states_under(root)
    assert before == {name: listing.state_of(root / name) for name in ("a", "deep/b")}
    assert [state["size"] for state in before.values()] == [3, 3]
    storage.write_bytes(root / "a", b"new")
    after = listing.states_under(root)
    assert after["a"] != before["a"]
    assert after["deep/b"] == before["deep/b"]


def test_a_copy_is_there_while_it_is_used(root: Location) -> None:
    storage.write_text(root / "file", "text")
    with storage.local_copy(root / "file") as here:
        kept = here
        assert here.read_text(encoding="utf-8") == "text"
    assert kept.exists() is not isinstance(root, RemotePath)
