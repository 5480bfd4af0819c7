"""Starts stores on loopback and stops them: S3, Google Cloud Storage, HDFS.

S3 is versitygw (Go) over a temporary directory, or moto's server (Python) where that is not installed; Google Cloud
Storage is fake-gcs-server (Go); HDFS is Hadoop's own NameNode and DataNode in one process of Java, asked over WebHDFS.
.ci/stores installs the Go programs. Each store stands on ports that were free, and ends with its context.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from pipelines.runners.flink_jars import cache_directory, java_command
from tests.stores.hdfs_jars import hdfs_jars
from workspace.errors import UserError
from workspace.locations import RemotePath, located
from workspace.machine import LOOPBACK, free_port, free_ports

BUCKET = "rnnsearch-tests"
# Of the root of a store that ends with the test; no secret.
ACCESS_KEY, SECRET_KEY = "tests-access-key", "tests-secret-key-4d1f0e"
SECONDS_TO_START = 60
_MINICLUSTER = "org.apache.hadoop.mapreduce.MiniHadoopClusterManager"
_GO_PROGRAMS = cache_directory() / "stores"


@dataclass(frozen=True)
class Store:
    """A store that runs.

    name: s3, gcs or hdfs.
    endpoint: where it listens, as http://host:port.
    root: the URL of a directory in it; nothing is there yet.
    environment: by which libraries find the store and may use it, in this process and in those that it starts.
    """

    name: str
    endpoint: str
    root: str
    environment: dict[str, str]

    def with_own_root(self) -> Store:
        """The same store with a directory that nobody else has."""
        return replace(self, root=f"{self.root}/{uuid.uuid4().hex[:12]}")

    def behind(self, endpoint: str) -> Store:
        """The same store, as it is reached by a proxy that listens on ``endpoint``."""
        of_proxy = {name: value.replace(self.endpoint, endpoint) for name, value in self.environment.items()}
        address, of_endpoint = self.endpoint.partition("//")[2], endpoint.partition("//")[2]
        return replace(self, endpoint=endpoint, root=self.root.replace(address, of_endpoint), environment=of_proxy)


@contextlib.contextmanager
def s3_store() -> Iterator[Store]:
    """versitygw. Raises UserError if it is not installed."""
    with _directory() as directory:
        for name in ("buckets", "users", "attributes"):
            (directory / name).mkdir()
        port = free_port()
        options = ["--port", f"{LOOPBACK}:{port}", "--access", ACCESS_KEY, "--secret", SECRET_KEY]
        options += ["--iam-dir", str(directory / "users"), "--keep-alive", "--quiet"]
        # Not every file system has the extended attributes in which it would keep what is known of an object.
        backend = ["posix", "--sidecar", str(directory / "attributes"), str(directory / "buckets")]
        with _running([go_program("versitygw"), *options, *backend], port, directory):
            yield _with_bucket(port)


@contextlib.contextmanager
def moto_store() -> Iterator[Store]:
    """moto's server, which has all in memory, and asks nobody for rights."""
    with _directory() as directory:
        port = free_port()
        command = [
            sys.executable,
            "-c",
            "from moto.server import main; main()",
            "--host",
            LOOPBACK,
            "--port",
            str(port),
        ]
        with _running(command, port, directory):
            yield _with_bucket(port)


def _with_bucket(port: int) -> Store:
    environment = {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        # What this machine may have for other stores is no matter.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    store = Store("s3", environment["AWS_ENDPOINT_URL"], f"s3://{BUCKET}", environment)
    s3_client(store).create_bucket(Bucket=BUCKET)
    return store


def s3_client(store: Store, **settings: Any) -> Any:
    """A client of boto3, by which a test sees what is in a store of S3 without the code that it tests."""
    # Most tests need none.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        aws_access_key_id=settings.pop("access_key", ACCESS_KEY),
        aws_secret_access_key=settings.pop("secret_key", SECRET_KEY),
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, **settings),
    )


def add_s3_user(store: Store, access_key: str, secret_key: str) -> None:
    """A user of versitygw who has no right to any bucket."""
    administrator = ["admin", "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--endpoint-url", store.endpoint]
    user = ["create-user", "--access", access_key, "--secret", secret_key, "--role", "user"]
    subprocess.run([go_program("versitygw"), *administrator, *user], check=True, capture_output=True)


@contextlib.contextmanager
def gcs_store() -> Iterator[Store]:
    """fake-gcs-server, with all in memory. Raises UserError if it is not installed."""
    port = free_port()
    endpoint = f"http://{LOOPBACK}:{port}"
    with _directory() as directory:
        options = ["-scheme", "http", "-host", LOOPBACK, "-port", str(port), "-backend", "memory"]
        options += ["-external-url", endpoint, "-public-host", f"{LOOPBACK}:{port}", "-log-level", "error"]
        with _running([go_program("fake-gcs-server"), *options], port, directory):
            bucket = json.dumps({"name": BUCKET}).encode()
            headers = {"Content-Type": "application/json"}
            with urlopen(Request(f"{endpoint}/storage/v1/b", bucket, headers), timeout=SECONDS_TO_START):
                pass
            environment = {
                "STORAGE_EMULATOR_HOST": endpoint,
                # Or gcsfs would ask Google what kind of bucket it is.
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            }
            yield Store("gcs", endpoint, f"gs://{BUCKET}", environment)


@contextlib.contextmanager
def hdfs_store() -> Iterator[Store]:
    """A NameNode and a DataNode. Raises UserError if there is no Java, or the jars cannot be had."""
    java, jars = java_command("HDFS"), hdfs_jars()
    port, web_port = free_ports(2)
    with _directory() as directory:
        details = directory / "details.json"
        # It runs for a minute or two, which is not worth the second compiler of Java.
        options = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Djava.io.tmpdir={directory}"]
        command = [java, *options, "-cp", f"{jars}/*", _MINICLUSTER, "-format", "-nomr", "-writeDetails", str(details)]
        command += ["-nnport", str(port), "-nnhttpport", str(web_port)]
        # Else every file that is written is waited for longer: 0.2 seconds.
        command += ["-D", "dfs.client.block.write.locateFollowingBlock.initial.delay.ms=10"]
        with _running(command, web_port, directory, is_ready=details.exists):
            # Who started it is who may do everything there.
            environment = {"HADOOP_USER_NAME": getpass.getuser()}
            yield Store("hdfs", f"http://localhost:{web_port}", f"webhdfs://localhost:{web_port}/tests", environment)


def is_installed(program: str) -> bool:
    return _found(program) is not None


def go_program(name: str) -> str:
    """A program that .ci/stores installs, or one of PATH. Raises UserError if there is none."""
    if (found := _found(name)) is None:
        raise UserError(f"{name} is not installed; .ci/stores builds it with Go")
    return found


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(str(_GO_PROGRAMS / program))


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="store-") as directory:
        yield Path(directory)


@contextlib.contextmanager
def _running(
    command: list[str], port: int, directory: Path, is_ready: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """While the body runs, so does the command, which listens on ``port`` by then."""
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + SECONDS_TO_START
        while not (is_ready() and _listens(port)):
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        # Nothing of it is kept, so it need not put anything in order.
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def root_of(store: Store) -> RemotePath:
    """Where a store's tests have their files."""
    root = located(store.root)
    assert isinstance(root, RemotePath)
    return root
