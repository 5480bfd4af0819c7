"""The prepared data on this machine, for a work directory that is in a store: shards are read again every epoch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from workspace.layout import Split, WorkDirectory
from workspace.listing import sizes_of
from workspace.marks import damaged_data, files_of, read_manifest
from workspace.progress import BYTES, progress_bar
from workspace.scratch import check_room, scratch_directory
from workspace.storage import copy, sha256_of


@contextlib.contextmanager
def data_here(work: WorkDirectory, *splits: Split) -> Iterator[WorkDirectory]:
    """``work``, whose data/ is on this machine while the body runs: where it is in a store, as a copy in scratch of the
    subword models and of the shards of ``splits``, whose SHA-256 is checked.

    Raises UserError where a file is missing or damaged, or scratch has no room for them.
    """
    if isinstance(work.root, Path):
        yield work
        return
    manifest = read_manifest(work)
    files = {name: digest for split in splits for name, digest in files_of(manifest, split).items()}
    sizes = sizes_of(files, work.data)
    needed = sum(size or 0 for size in sizes.values())
    check_room(needed, work.data)
    with scratch_directory() as directory:
        copy(work.manifest, directory / work.manifest.name)
        with progress_bar(needed, "fetching data", BYTES) as bar:
            for name, digest in files.items():
                if sizes[name] is not None:
                    copy(work.data / name, directory / name)
                if sizes[name] is None or sha256_of(directory / name) != digest:
                    raise damaged_data(work, work.data / name)
                bar.update(sizes[name])
        yield dataclasses.replace(work, data_here=directory)
