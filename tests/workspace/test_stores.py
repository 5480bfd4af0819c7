"""What stores say no with is one sentence that says what to do."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.auth
import pytest

from tests.recipes.support import NAMESPACE, can_mount
from tests.stores.fixtures import in_use
from tests.stores.proxy import (
    CLOCK_SKEW,
    ELSEWHERE,
    EXPIRED_TOKEN,
    NO_SUCH_BUCKET,
    SIGNED_FOR_ANOTHER_REGION,
    SLOW_DOWN,
    WRONG_SIGNATURE,
    Proxy,
    proxy_of,
)
from tests.stores.servers import BUCKET, SECRET_KEY, Store, add_s3_user, is_installed, root_of
from workspace import listing, storage, web_hdfs
from workspace.errors import UserError
from workspace.locations import RemotePath, located
from workspace.machine import free_port
from workspace.stores import StoreError, file_system

pytestmark = pytest.mark.slow

checks_rights = pytest.mark.skipif(not is_installed("versitygw"), reason="moto's server takes all credentials")

# All that is asked of a store, of a directory in it.
QUESTIONS: list[Callable[[Any], object]] = [
    lambda root: listing.exists(root / "file"),
    lambda root: listing.is_file(root / "file"),
    listing.is_directory,
    lambda root: listing.size_of(root / "file"),
    lambda root: listing.state_of(root / "file"),
    listing.states_under,
    listing.entries,
    listing.files_under,
    lambda root: listing.sizes_of(["file", "../file"], root / "directory"),
    lambda root: listing.matching(f"{root}/*"),
    lambda root: storage.read_bytes(root / "file", 1, 3),
    lambda root: storage.read_json(root / "file"),
    lambda root: storage.sha256_of(root / "file"),
    lambda root: storage.write_bytes(root / "new", b"value"),
    lambda root: storage.create(root / "lock", b"value"),
    lambda root: storage.copy(root / "file", root / "copy"),
    lambda root: storage.move(root / "file", root / "moved"),
    storage.remove,
]


def answers(root: RemotePath, questions: list[Callable[[Any], object]] = QUESTIONS) -> Iterator[str]:
    """What is said no with, to each question."""
    for question in questions:
        with pytest.raises(UserError) as refused:
            question(root)
        sentence = str(refused.value)
        assert "\n" not in sentence
        assert SECRET_KEY not in sentence
        yield sentence


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (NO_SUCH_BUCKET, f"there is no bucket s3://{BUCKET}; make it, or check its name and AWS_ENDPOINT_URL"),
        (
            EXPIRED_TOKEN,
            f"the credentials for s3://{BUCKET} have expired; renew them, and run the same command again to go on",
        ),
        (
            CLOCK_SKEW,
            f"s3://{BUCKET} refuses requests, because the clock of this machine is wrong; set it right, and run the "
            "same command again to go on",
        ),
        (
            WRONG_SIGNATURE,
            f"s3://{BUCKET} does not know the credentials; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE",
        ),
        *(
            (
                elsewhere,
                f"s3://{BUCKET} is in another region, or at another address; set AWS_DEFAULT_REGION to its region, or "
                "check AWS_ENDPOINT_URL",
            )
            for elsewhere in (ELSEWHERE, SIGNED_FOR_ANOTHER_REGION)
        ),
    ],
)
def test_what_a_store_turns_to_in_mid_job_is_said(
    refusal: tuple[int, str], sentence: str, faulty_s3: tuple[Store, Proxy]
) -> None:
    """Whatever is asked for then, a HEAD, too, to which a store says no without a reason."""
    store, proxy = faulty_s3
    root = root_of(store)
    storage.write_bytes(root / "file", b"value")
    proxy.refusing = refusal
    assert set(answers(root)) == {sentence}


@checks_rights
@pytest.mark.parametrize("changes", [{"AWS_SECRET_ACCESS_KEY": "another"}, {"AWS_ACCESS_KEY_ID": "another"}])
def test_wrong_credentials(changes: dict[str, str], s3_server: Store) -> None:
    with in_use(s3_server.with_own_root(), **changes) as store:
        assert set(answers(root_of(store))) == {
            f"s3://{BUCKET} does not know the credentials; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE"
        }


@checks_rights
def test_a_wrong_clock(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = botocore.auth.get_current_datetime
    late = datetime.timedelta(hours=2)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *given, **named: now(*given, **named) - late)
    (sentence,) = set(answers(root_of(s3)))
    assert sentence.startswith(
        f"s3://{BUCKET} refuses requests, because the clock of this machine is wrong; set it right"
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"AWS_PROFILE": "nobody"},
            f"s3://{BUCKET}: The config profile (nobody) could not be found; check AWS_PROFILE, and the files of "
            "credentials where profiles are",
        ),
        (
            {"AWS_ENDPOINT_URL": "127.0.0.1:9"},
            f"the address of s3://{BUCKET} is no URL (Invalid endpoint: 127.0.0.1:9); AWS_ENDPOINT_URL begins with "
            "http:// or https://",
        ),
    ],
)
def test_a_variable_that_names_nothing(changes: dict[str, str | None], sentence: str, s3_server: Store) -> None:
    with in_use(s3_server.with_own_root(), **changes) as store:
        assert set(answers(root_of(store))) == {sentence}


SSO = """
[default]
sso_session = work
sso_account_id = 1
sso_role_name = reader
[sso-session work]
sso_start_url = http://127.0.0.1:9/start
sso_region = us-east-1
"""


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (SSO, "the credentials for {store} have expired; renew them, and run the same command again to go on"),
        (
            "[default]\ncredential_process = /bin/false\n",
            "{store}: Error when retrieving credentials from custom-process:; check AWS_PROFILE, and the files of "
            "credentials where profiles are",
        ),
        (
            "no section",
            "{store}: Unable to parse config file: {file}; check AWS_PROFILE, and the files of credentials where "
            "profiles are",
        ),
    ],
)
def test_files_of_credentials_that_give_none(
    config: str, sentence: str, s3_server: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing else is said, as tracebacks of what is said."""
    file = tmp_path / "config"
    file.write_text(config)
    changes = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_CONFIG_FILE": str(file)}
    with in_use(s3_server.with_own_root(), **changes) as store:
        asked = QUESTIONS[:2]
        with pytest.raises(StoreError):
            asked[0](root_of(store))
        assert set(answers(root_of(store), asked)) == {sentence.format(file=file, store=f"s3://{BUCKET}")}
    assert caplog.messages == []


def test_no_credentials(s3_server: Store) -> None:
    changes = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    with in_use(s3_server.with_own_root(), **changes) as store:
        assert set(answers(root_of(store))) == {
            f"there are no credentials for s3://{BUCKET}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE"
        }


@checks_rights
def test_no_rights(s3: Store) -> None:
    storage.write_bytes(root_of(s3) / "file", b"value")
    add_s3_user(s3, "somebody", "secret of somebody")
    with in_use(s3, AWS_ACCESS_KEY_ID="somebody", AWS_SECRET_ACCESS_KEY="secret of somebody"):
        for sentence in answers(root_of(s3)):
            assert sentence.startswith(f"no permission for {s3.root}")
            assert sentence.endswith(
                "; ask for rights there, or use other credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_PROFILE)"
            )


def test_no_rights_in_hadoop(hdfs: Store) -> None:
    root = root_of(hdfs)
    storage.write_bytes(root / "file", b"value")
    system, path = file_system(root)
    system.chmod(path, "700")
    with in_use(hdfs, HADOOP_USER_NAME="somebody"):
        # Of the directory itself, everyone may know that it is there.
        asked = [question for question in QUESTIONS if question is not listing.is_directory]
        for sentence in answers(root, asked):
            assert sentence.startswith(f"no permission for {root}")
            assert sentence.endswith("; ask for rights there, or use other credentials (HADOOP_USER_NAME)")
    assert storage.read_bytes(root / "file") == b"value"


def test_google_says_no(gcs_server: Store) -> None:
    with proxy_of(gcs_server.endpoint) as proxy, in_use(gcs_server.with_own_root().behind(proxy.endpoint)) as store:
        missing = located("gs://no-such-bucket/directory")
        assert isinstance(missing, RemotePath)
        assert set(answers(missing)) == {
            "there is no bucket gs://no-such-bucket; make it, or check its name and STORAGE_EMULATOR_HOST where it is "
            "set"
        }
        proxy.refusing = 403, "Forbidden"
        for sentence in answers(root_of(store)):
            assert sentence.startswith(f"no permission for {store.root}")
        proxy.refusing = 401, "Unauthorized"
        assert set(answers(root_of(store))) == {
            f"gs://{BUCKET} does not know the credentials; check GOOGLE_APPLICATION_CREDENTIALS"
        }


def test_where_nothing_listens(s3_server: Store, hdfs_server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with in_use(s3_server, AWS_ENDPOINT_URL=f"http://{nowhere}", AWS_MAX_ATTEMPTS="1") as store:
        assert set(answers(root_of(store))) == {
            f"nothing answers for s3://{BUCKET}; check the network, and AWS_ENDPOINT_URL"
        }
    monkeypatch.setattr(web_hdfs, "PAUSES", ())
    root = located(f"webhdfs://{nowhere}/directory")
    assert isinstance(root, RemotePath)
    with in_use(hdfs_server):
        assert set(answers(root)) == {
            f"nothing answers for webhdfs://{nowhere}; check the network, and its host and port"
        }


def test_a_store_that_breaks_off_all(faulty_s3: tuple[Store, Proxy]) -> None:
    store, proxy = faulty_s3
    proxy.losing = 1
    with (
        in_use(store, AWS_MAX_ATTEMPTS="1"),
        pytest.raises(UserError, match=f"^nothing answers for s3://{BUCKET}; check the network, and AWS_ENDPOINT_URL$"),
    ):
        storage.write_bytes(root_of(store) / "file", b"value")


def test_a_store_that_stays_busy(faulty_s3: tuple[Store, Proxy]) -> None:
    store, proxy = faulty_s3
    proxy.refusing = SLOW_DOWN
    with (
        in_use(store, AWS_MAX_ATTEMPTS="1"),
        pytest.raises(
            UserError, match=f"^s3://{BUCKET} stayed too busy to answer; run the same command again to go on$"
        ),
    ):
        storage.write_bytes(root_of(store) / "file", b"value")


def test_hadoop_without_its_client() -> None:
    with pytest.raises(UserError, match=r"needs Hadoop's own client .*, or give its web address, as in webhdfs://"):
        listing.exists(located("hdfs://localhost:1/directory"))


RUNS = "import runpy, sys; sys.modules['s3fs'] = None; runpy.run_module('recipes.run', run_name='__main__')"


@pytest.mark.parametrize(
    ("command", "changes", "sentence"),
    [
        (["-m", "recipes.run"], {}, "there is no bucket s3://nothing"),
        (
            ["-c", RUNS],
            {},
            "what reads s3:// is not installed; install the project with the extra [s3], as in pip install '.[all,s3]'",
        ),
        (["-m", "recipes.run"], {"AWS_ACCESS_KEY_ID": None}, "there are no credentials for s3://nothing"),
    ],
)
def test_a_command_ends_with_the_sentence(
    command: list[str], changes: dict[str, str | None], sentence: str, s3_server: Store, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("line\n", encoding="utf-8")
    corpus = ["--train-source", str(tmp_path / "one"), "--train-target", str(tmp_path / "two")]
    with in_use(s3_server, **changes):
        done = subprocess.run(
            [sys.executable, *command, "--work", "s3://nothing/work", "--recipe", "tiny", *corpus],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert SECRET_KEY not in done.stdout + done.stderr


COPIES = """
import sys
from workspace.command import run_command
from workspace.locations import located
from workspace.storage import local_copy
def main(_):
    with local_copy(located(sys.argv[1])):
        pass
run_command(main)
"""


@pytest.mark.skipif(not can_mount(), reason="needs unshare(1) and the right to make a mount namespace")
def test_a_full_scratch_is_named(s3: Store, tmp_path: Path) -> None:
    storage.write_bytes(root_of(s3) / "file", bytes(1 << 20))
    small = tmp_path / "small"
    small.mkdir()
    mounted = 'mount -t tmpfs -o size=64k tmpfs "$1" && SCRATCH="$1" PYTHONPATH="$2" exec "$3" -c "$4" "$5"'
    arguments = [str(small), str(Path(__file__).parents[2]), sys.executable, COPIES, f"{s3.root}/file"]
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", mounted, "sh", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: the disk of {small} is full, which is for temporary files; make room there, or set SCRATCH to a "
        "directory on another disk\n"
    )
