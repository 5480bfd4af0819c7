"""What stores do wrong changes nothing, and what is broken off is not taken for whole."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.stores.fixtures import in_use
from tests.stores.proxy import (
    EXPIRED_TOKEN,
    Proxy,
    proxy_of,
)
from tests.stores.servers import Store, moto_store, root_of
from workspace import listing, storage, web_hdfs
from workspace.errors import UserError
from workspace.locations import Location

pytestmark = pytest.mark.slow


def use(root: Location) -> dict[str, str]:
    """Does everything once; gives the digests of what is there at the end."""
    rng = random.Random(3)
    with storage.replacing(root / "directory", last="done") as temporary:
        temporary.mkdir()
        for number in range(3):
            (temporary / f"{number}").write_bytes(rng.randbytes(10_000))
        (temporary / "done").touch()
    storage.write_bytes(root / "large", rng.randbytes(12 << 20))
    storage.copy(root / "directory", root / "copied")
    storage.move(root / "large", root / "moved")
    for name in ("lock", "another"):
        assert storage.create(root / name, b"ours")
        assert not storage.create(root / name, b"theirs")
    storage.remove(root / "directory")
    assert not listing.exists(root / "directory")
    with storage.local_copy(root / "moved") as here:
        assert storage.sha256_of(here) == storage.sha256_of(root / "moved")
    assert storage.read_bytes(root / "moved", 1_000, 2_000) == storage.read_bytes(root / "moved")[1_000:2_000]
    return {listing.name_below(root, file): storage.sha256_of(file) for file in listing.files_under(root)}


def test_the_s3_where_no_other_is_installed(tmp_path: Path) -> None:
    with moto_store() as server, in_use(server) as store:
        assert use(root_of(store)) == use(tmp_path)


@pytest.mark.parametrize("kind", ["s3", "gcs", "hdfs"])
@pytest.mark.parametrize("fault", ["every", "losing"])
def test_a_store_that_is_busy_or_breaks_off_changes_nothing(
    kind: str, fault: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three requests is answered 503, or with half of the answer."""
    # Only the pauses are shorter.
    monkeypatch.setattr(web_hdfs, "PAUSES", (0.01,) * 5)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
    server: Store = request.getfixturevalue(f"{kind}_server")
    with proxy_of(server.endpoint) as proxy, in_use(server.with_own_root().behind(proxy.endpoint)) as store:
        if kind == "gcs":
            monkeypatch.setattr("gcsfs.retry.asyncio", SimpleNamespace(sleep=lambda _: asyncio.sleep(0.01)))
        setattr(proxy, fault, 3)
        assert use(root_of(store)) == use(tmp_path)
    assert proxy.refused >= 10


def test_a_file_is_read_in_one_request(faulty_s3: tuple[Store, Proxy]) -> None:
    """Or it might be parts of two."""
    store, proxy = faulty_s3
    for value in (b"", b"value"):
        storage.write_bytes(root_of(store) / "file", value)
        proxy.requests.clear()
        assert storage.read_bytes(root_of(store) / "file") == value
        assert proxy.requests == {"GET": 1}


def test_a_pattern_costs_one_list_however_many_files_it_names(faulty_s3: tuple[Store, Proxy]) -> None:
    store, proxy = faulty_s3
    files = [root_of(store) / name for name in ("a", "b", "c")]
    for file in (*files, root_of(store) / "directory" / "d"):
        storage.write_bytes(file, b"value")
    proxy.requests.clear()
    assert listing.matching(f"{store.root}/*") == files
    assert proxy.requests == {"GET": 1}


def test_a_directory_is_complete_or_does_not_say_so(faulty_s3: tuple[Store, Proxy]) -> None:
    """Wherever writing it anew is broken off: after any number of requests."""
    store, proxy = faulty_s3
    old, new = {"a": b"old", "b": b"old", "done": b"old"}, {"a": b"new", "c": b"new", "done": b"new"}
    seen = set()
    for requests in range(30):
        root = root_of(store) / f"{requests}"
        for name, value in old.items():
            storage.write_bytes(root / name, value)
        proxy.left, proxy.refusing = requests, EXPIRED_TOKEN
        try:
            with storage.replacing(root, last="done") as temporary:
                temporary.mkdir()
                for name, value in new.items():
                    (temporary / name).write_bytes(value)
        except UserError:
            pass
        proxy.left, proxy.refusing = 0, None
        found = {listing.name_below(root, file): storage.read_bytes(file) for file in listing.files_under(root)}
        assert found in (old, new) or "done" not in found
        seen.add("old" if found == old else "new" if found == new else "neither")
    assert seen == {"old", "new", "neither"}


def test_a_directory_in_hadoop_is_the_old_or_the_new_one(hdfs: Store) -> None:
    """Of the files, one cannot be there: Hadoop has no names with a colon."""
    root = root_of(hdfs)
    for names in (("a", "b"), ("a", "a:b", "c")):
        with contextlib.suppress(UserError), storage.replacing(root / "directory") as temporary:
            temporary.mkdir()
            for name in names:
                (temporary / name).write_text(f"{len(names)}", encoding="utf-8")
    assert listing.files_under(root) == [root / "directory" / "a", root / "directory" / "b"]
    assert storage.read_text(root / "directory" / "a") == "2"
    assert listing.entries(root) == [root / "directory"]
