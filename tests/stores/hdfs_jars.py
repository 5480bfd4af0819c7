"""What HDFS is made of for the tests: jars of Maven Central, named in ``hdfs.lock`` and downloaded once."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.runners.flink_jars import cache_directory, download_jar
from workspace.storage import replacing, sha256_of

_LOCK = Path(__file__).with_name("hdfs.lock")


def hdfs_jars() -> Path:
    """The directory of the jars, downloaded where they are not there yet. Raises UserError if one cannot be had."""
    directory = cache_directory() / f"hdfs-{sha256_of(_LOCK)[:12]}"
    if not directory.is_dir():
        locked = [line.split() for line in _LOCK.read_text().splitlines() if not line.startswith("#")]
        print(f"downloading HDFS ({len(locked)} jars, 104 MiB, once)", file=sys.stderr, flush=True)
        with replacing(directory) as temporary:
            temporary.mkdir()
            for expected, coordinates in locked:
                download_jar(coordinates, expected, str(temporary))
    return directory
