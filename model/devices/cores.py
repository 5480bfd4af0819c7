"""How the cores of a CPU share a training: each computes the gradient of a part of every batch, by itself.

Shared out operation by operation, as TensorFlow does it, two cores spend much of their time waiting for one another:
the products inside the loops over time are small (docs/training.md has the figures).
"""

from __future__ import annotations

import contextlib

import tensorflow as tf

from workspace.machine import cores_of_worker

# With fewer, a core reads its matrices for too little work.
FEWEST_PAIRS_OF_A_PART = 16


def keep_operations_on_one_core() -> None:
    """Lets every operation have one thread, and as many of them run at a time as there are cores.

    Call it before anything else of TensorFlow; later it changes nothing, nor where there is a GPU.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow has its threads already.
        tf.config.threading.set_intra_op_parallelism_threads(1)


def parts_of_batch(strategy: tf.distribute.Strategy, pairs: float, fixed_shapes: bool) -> int:
    """Into how many parts a replica cuts its share of a batch; the batch has ``pairs`` on average.

    One for each of the replica's cores, unless the parts would be too small. One in all on a GPU, and where shapes are
    fixed: XLA shares out the work itself.
    """
    if fixed_shapes or tf.config.list_logical_devices("GPU"):
        return 1
    replicas = strategy.num_replicas_in_sync
    here = len(strategy.extended.worker_devices) if replicas > 1 else 1
    return max(1, min(cores_of_worker() // here, int(pairs / replicas) // FEWEST_PAIRS_OF_A_PART))
