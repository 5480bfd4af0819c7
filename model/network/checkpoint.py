"""The weights in a checkpoint, and whether they are as they were written.

    training/checkpoints/<step>/    state.index, state.data-*, and checkpoint.json with the SHA-256 of both

What else a checkpoint holds, so that a training can go on, is in ``model.training.state``, which writes it.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import tensorflow as tf

from model.data.subwords import Subwords
from model.network.network import Network
from recipes import schema
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import is_file
from workspace.locations import Location
from workspace.marks import read_training_mark
from workspace.storage import local_copy, read_json, sha256_of

STATE, MARK = "state", "checkpoint.json"


class CheckpointMark(NamedTuple):
    """What checkpoint.json says: the step of the best dev score up to here, and the SHA-256 of every other file."""

    best_step: int
    files: dict[str, str]


def load_best(work: WorkDirectory, recipe: schema.Recipe, subwords: tuple[Subwords, Subwords]) -> Network:
    """The network with the weights of the best dev score.

    Raises UserError where nothing has been trained, or the checkpoint is damaged.
    """
    source, target = subwords
    finished = read_training_mark(work)
    network = Network(recipe.model, source.vocabulary, target.vocabulary, recipe.training.seed)
    read_weights(network, work, finished.best_step)
    return network


def load_last(
    work: WorkDirectory, recipe: schema.Recipe, subwords: tuple[Subwords, Subwords], count: int
) -> list[Network]:
    """``count`` networks with the weights of the last dev evaluations, oldest first.

    Raises UserError where nothing has been trained, fewer are kept, or a checkpoint is damaged.
    """
    steps = sorted(read_training_mark(work).checkpoints)[-count:]
    if len(steps) < count:
        raise UserError(
            f"ensemble.checkpoints is {count}, and {work.training} keeps those of {len(steps)} dev evaluations; remove "
            f"it and train again with training.keep_checkpoints={count}"
        )
    source, target = subwords
    networks = [Network(recipe.model, source.vocabulary, target.vocabulary, recipe.training.seed) for _ in range(count)]
    for network, step in zip(networks, steps, strict=True):
        read_weights(network, work, step)
    return networks


def read_weights(network: Network, work: WorkDirectory, step: int) -> None:
    """Gives ``network`` the weights in a checkpoint of ``work``.

    Raises UserError where it is damaged or does not fit.
    """
    if file := _damaged_file_of(work.checkpoint(step)):
        raise UserError(f"{file} is missing or damaged; remove {work.training} and train again")
    read_into(tf.train.Checkpoint(network=network), work, step)


def digest_of(network: Network) -> str:
    """SHA-256 over all weights in the order they were made, in hexadecimal."""
    digest = hashlib.sha256()
    for weight in network.trainable_variables:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def read_mark(checkpoint: Location) -> CheckpointMark | None:
    """The mark of a checkpoint, or None where it is missing or damaged."""
    try:
        return CheckpointMark(**read_json(checkpoint / MARK))
    except TypeError:
        return None


def damaged_file(work: WorkDirectory, step: int) -> Location | None:
    """The first file, of a checkpoint or of the one it names as the best, that is missing or not as it was written."""
    if file := _damaged_file_of(work.checkpoint(step)):
        return file
    mark = read_mark(work.checkpoint(step))
    if mark is None or mark.best_step in (0, step):
        return None
    return damaged_file(work, mark.best_step)


def _damaged_file_of(checkpoint: Location) -> Location | None:
    """The first file of a checkpoint that is missing or not as it was written."""
    mark = read_mark(checkpoint)
    if mark is None:
        return checkpoint / MARK
    for name, digest in mark.files.items():
        file = checkpoint / name
        if not is_file(file) or sha256_of(file) != digest:
            return file
    return None


def read_into(checkpoint: tf.train.Checkpoint, work: WorkDirectory, step: int) -> None:
    """Fills the variables of ``checkpoint`` from the files of a step."""
    path = work.checkpoint(step)
    try:
        with local_copy(path) as here:
            if here != path and (file := _damaged_file_of(here)):
                raise UserError(f"{path / file.name} changed while it was read; run the same command again")
            status = checkpoint.read(str(here / STATE))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (AssertionError, ValueError) as error:
        raise UserError(
            f"{path} holds a network that this version of the project does not make; "
            f"remove {work.training} and train again"
        ) from error
