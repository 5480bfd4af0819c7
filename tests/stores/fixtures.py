"""The stores as fixtures: each is started once for the tests of a process, and every test has a directory of its own.

s3, gcs, hdfs    a store, which this process and those that it starts find by the environment
faulty_s3        the same S3 by way of a proxy with faults
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.requirements import missing
from tests.stores.proxy import Proxy, proxy_of
from tests.stores.servers import Store, gcs_store, hdfs_store, is_installed, moto_store, s3_store
from workspace.errors import UserError


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Store]:
    """versitygw; where it is not installed, and need not be, moto's server will do."""
    required = "s3" in os.environ.get("RNNSEARCH_REQUIRE", "").split(",")
    yield from started("s3", s3_store if required or is_installed("versitygw") else moto_store)


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Store]:
    yield from started("gcs", gcs_store)


@pytest.fixture(scope="session")
def hdfs_server() -> Iterator[Store]:
    yield from started("hdfs", hdfs_store)


def started(name: str, store: Callable[[], AbstractContextManager[Store]]) -> Iterator[Store]:
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(store())
        except UserError as error:
            missing(name, str(error))
        yield running


@pytest.fixture
def s3(s3_server: Store) -> Iterator[Store]:
    with in_use(s3_server.with_own_root()) as store:
        yield store


@pytest.fixture
def gcs(gcs_server: Store) -> Iterator[Store]:
    with in_use(gcs_server.with_own_root()) as store:
        yield store


@pytest.fixture
def hdfs(hdfs_server: Store) -> Iterator[Store]:
    with in_use(hdfs_server.with_own_root()) as store:
        yield store


@pytest.fixture
def faulty_s3(s3_server: Store) -> Iterator[tuple[Store, Proxy]]:
    with proxy_of(s3_server.endpoint) as proxy, in_use(s3_server.with_own_root().behind(proxy.endpoint)) as store:
        yield store, proxy


@contextlib.contextmanager
def in_use(store: Store, **changes: str | None) -> Iterator[Store]:
    """While the body runs, the environment says where the store is, but for ``changes``; None is a variable less."""
    environment = {**store.environment, **changes}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        forget_clients(environment)
        yield store


def forget_clients(environment: dict[str, str | None]) -> None:
    """fsspec keeps its clients, which know the environment of when they were made: in another, they are forgotten."""
    if environment == _last:
        return
    _last.clear()
    _last.update(environment)
    if fsspec := sys.modules.get("fsspec"):
        for kind in list(fsspec.registry.values()):
            kind.clear_instance_cache()


_last: dict[str, str | None] = {}
