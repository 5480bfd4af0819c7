"""An exported version that is copied from a store is the one that was exported, byte for byte, or is not loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import marks
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.layout import SAVED_MODEL, engine_of, provenance_of
from workspace.listing import files_under
from workspace.locations import Location, located
from workspace.marks import write_version_mark
from workspace.staging import check_sizes, digest_of, staged
from workspace.storage import copy, read_bytes, read_json, remove, sha256_of, write_bytes, write_json

FILES = {SAVED_MODEL: b"graph", "variables/variables.index": b"index", "assets.extra/engine/search.tflite": b"search"}
DAMAGED = r"1: {} is missing or damaged; remove it, and export again$"


def exported(root: Path) -> Path:
    for name, value in FILES.items():
        write_bytes(root / "1" / name, value)
    write_version_mark(root / "1", marks.provenance({"weights": "w"}))
    return root / "1"


@pytest.fixture
def in_store(s3: Store, tmp_path: Path) -> Location:
    version = located(f"{s3.root}/export/1")
    copy(exported(tmp_path), version)
    return version


def test_a_mark_has_the_digests_of_all_files(tmp_path: Path) -> None:
    version = exported(tmp_path)
    mark = read_json(provenance_of(version))
    found = {(provenance_of(version).parent / name).resolve(): digest for name, digest in mark["sha256"].items()}
    assert found == {version / name: sha256_of(version / name) for name in FILES}
    assert mark["left"].keys() == mark["sha256"].keys()


def test_a_version_of_this_machine_is_not_read(tmp_path: Path) -> None:
    version = exported(tmp_path)
    for name, value in FILES.items():
        write_bytes(version / name, value.upper())
    with staged(version) as here, staged(version, engine_of(version)) as engine:
        assert (here, engine) == (version, engine_of(version))
    check_sizes(version)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FILES))
def test_a_copy_is_whole(in_store: Location, name: str) -> None:
    """Of a part of a version, only that is copied and looked at."""
    engine = engine_of(in_store)
    with staged(in_store) as here, staged(in_store, engine) as of_engine:
        assert {name: read_bytes(here / name) for name in FILES} == FILES
        assert [file.name for file in files_under(of_engine)] == ["search.tflite"]
    assert not here.exists()
    assert not of_engine.exists()
    write_bytes(in_store / name, FILES[name].upper())
    check_sizes(in_store)
    with pytest.raises(UserError, match=DAMAGED.format(Path(name).name)), staged(in_store):
        pass
    if "engine" in name:
        with pytest.raises(UserError, match=DAMAGED.format("search.tflite")), staged(in_store, engine):
            pass
    else:
        with staged(in_store, engine):
            pass


@pytest.mark.slow
def test_older_marks_have_sizes(in_store: Location) -> None:
    mark = read_json(provenance_of(in_store))
    del mark["sha256"]
    write_json(provenance_of(in_store), mark)
    write_bytes(in_store / SAVED_MODEL, b"GRAPH")
    with staged(in_store) as here:
        assert read_bytes(here / SAVED_MODEL) == b"GRAPH"
    check_sizes(in_store)
    for damage in (lambda: write_bytes(in_store / SAVED_MODEL, b"gr"), lambda: remove(in_store / SAVED_MODEL)):
        damage()
        with pytest.raises(UserError, match=DAMAGED.format(SAVED_MODEL)):
            check_sizes(in_store)
        with pytest.raises(UserError, match=DAMAGED.format(SAVED_MODEL)), staged(in_store):
            pass
    # A SavedModel of somebody else has no mark at all.
    remove(provenance_of(in_store))
    check_sizes(in_store)
    with staged(in_store) as here:
        assert not (here / SAVED_MODEL).exists()


@pytest.mark.slow
def test_what_is_gone_is_said(in_store: Location) -> None:
    remove(in_store)
    gone = f"^{in_store} is gone; export it again, and run the same command again$"
    with pytest.raises(UserError, match=gone), staged(in_store):
        pass


def test_what_tells_a_version_from_another(tmp_path: Path) -> None:
    """Its mark, which has the digests; without one its graph."""
    version = exported(tmp_path)
    before = digest_of(version)
    write_bytes(version / "variables" / "variables.index", b"INDEX")
    write_version_mark(version, marks.provenance({"weights": "w"}))
    assert digest_of(version) not in (before, None)
    remove(provenance_of(version))
    assert digest_of(version) == sha256_of(version / SAVED_MODEL)
    remove(version)
    assert digest_of(version) is None


@pytest.mark.slow
def test_room_is_asked_for_before_anything_is_copied(in_store: Location) -> None:
    mark = read_json(provenance_of(in_store))
    mark["left"] = dict.fromkeys(mark["left"], 1 << 60)
    write_json(provenance_of(in_store), mark)
    with pytest.raises(UserError, match=rf"^{in_store} has {3 << 60:,} bytes .* room for .* SCRATCH"), staged(in_store):
        pass
