"""The directory for temporary files, and what is said where there is no room for any."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.recipes.support import NAMESPACE, can_mount
from workspace import scratch
from workspace.errors import UserError
from workspace.scratch import scratch_directory


def test_it_is_gone_afterwards() -> None:
    with pytest.raises(KeyError), scratch_directory() as directory:
        (directory / "file").touch()
        raise KeyError
    assert not directory.exists()


def test_where_there_is_none_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with (
        pytest.raises(
            UserError, match=rf"^there is no room .* in {tmp_path}/none; make room there, or set SCRATCH to a"
        ),
        scratch_directory(),
    ):
        pass


def test_it_is_where_scratch_says_whatever_libraries_have_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    tempfile.gettempdir()  # which remembers what it finds
    with scratch_directory() as directory:
        assert directory.parent == tmp_path
    (tmp_path / "file").touch()
    for wrong in (str(tmp_path / "none"), str(tmp_path / "file"), "s3://bucket/scratch"):
        monkeypatch.setenv("SCRATCH", wrong)
        with pytest.raises(UserError, match=f"^SCRATCH is {wrong}, which is no directory of"), scratch_directory():
            pass


LEAVES = """
import os, signal
from workspace.scratch import scratch_directory
with scratch_directory() as directory:
    print(directory, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    monkeypatch.setattr(scratch, "_SECONDS_TO_LOCK", 0.0)
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, check=False)
    left = Path(done.stdout.strip())
    assert left.is_dir()
    time.sleep(0.1)
    with scratch_directory() as first, scratch_directory() as second:
        assert not left.exists()
        assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_another_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), scratch_directory() as directory:
        directory.write_text("")


READS = """
import gzip, os, sys
from workspace.command import run_command
def main(_):
    from pipelines.corpora.formats import read_pairs
    from recipes.data_schema import PairFiles
    list(read_pairs(PairFiles(file="big.po.gz"), "en", "fr"))
with gzip.open("big.po.gz", "wt") as file:
    file.writelines(f'msgid "{n}"\\nmsgstr "{n}"\\n\\n' for n in range(9000))
run_command(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs unshare(1) and the right to make a mount namespace")
def test_a_full_disk_for_temporary_files_is_named(tmp_path: Path) -> None:
    """It is not the one that the corpus is on."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = 'mount -t tmpfs -o size=64k tmpfs "$1" && cd "$2" && TMPDIR="$1" PYTHONPATH="$3" exec "$4" -c "$5"'
    arguments = [str(small), str(tmp_path), str(Path(__file__).parents[2]), sys.executable, READS]
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", mounted, "sh", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: the disk of {small} is full, which is for temporary files; make room there, or set SCRATCH to a "
        "directory on another disk\n"
    )
