"""Which devices and machines a training is spread over, and what its workers must agree on.

A worker is one process of a training; it may have several replicas, one for each of its devices. Among several
workers one is the chief: it alone evaluates and writes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator, Sequence

import tensorflow as tf

from model.devices.workers import WorkerError
from recipes import schema
from recipes.spread import check_is_named
from workspace.errors import UserError


def choose_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """The strategy of a name in recipes.spread.STRATEGIES; call it before anything else of TensorFlow.

    one: the first device; mirrored: all devices of this machine; multi_worker: the machines that the environment
    variable TF_CONFIG names; tpu: the one that TPU_NAME names; auto: whichever of these the environment and the
    machine ask for. Raises UserError where there is not what the name asks for.
    """
    if name == "auto":
        name = _fitting()
    if name == "mirrored":
        return _mirrored()
    if name == "multi_worker":
        return _multi_worker()
    if name == "tpu":
        return _tpu()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this worker is the one that evaluates and writes."""
    return bool(strategy.extended.should_checkpoint)


def is_compiled(settings: schema.Training) -> bool:
    """Whether XLA compiles the gradient: as the settings have it, or else where there is a GPU."""
    if settings.jit_compile is not None:
        return settings.jit_compile
    return bool(tf.config.list_logical_devices("GPU"))


def has_fixed_shapes(strategy: tf.distribute.Strategy, settings: schema.Training) -> bool:
    """Whether batches have one of a few shapes, because XLA compiles the update for each."""
    return is_compiled(settings) or isinstance(strategy, tf.distribute.TPUStrategy)


def sum_over_workers(strategy: tf.distribute.Strategy, values: Sequence[float]) -> list[float]:
    """Each of ``values`` summed over all workers, the same on every one; all must call it, at the same point."""
    if not _several_workers(strategy):
        return list(values)
    # Every replica brings the values of its worker.
    ours = tf.constant(values, tf.float64) / len(strategy.extended.worker_devices)
    return [float(value) for value in _sum_over_replicas(strategy, ours)]


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker has called it."""
    sum_over_workers(strategy, [0.0])


@contextlib.contextmanager
def naming_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turns what TensorFlow says when another worker is gone into a WorkerError that names it."""
    try:
        yield
    except tf.errors.OpError as error:
        lost = _other_task(strategy, str(error))
        if lost is None:
            raise
        raise WorkerError(
            f"{lost} is gone, and no other can train without it; start the same command on every worker to go on"
        ) from error


def _other_task(strategy: tf.distribute.Strategy, text: str) -> str | None:
    """The first task of the cluster but our own that is named in ``text``, with its address."""
    if not _several_workers(strategy):
        return None
    resolver = strategy.cluster_resolver
    for job, index in re.findall(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)", text):
        if (job, int(index)) != (resolver.task_type, resolver.task_id):
            return f"{job} {index} ({resolver.cluster_spec().task_address(job, int(index))})"
    return None


def _fitting() -> str:
    if os.environ.get("TF_CONFIG"):
        return "multi_worker"
    if os.environ.get("TPU_NAME"):
        return "tpu"
    return "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one"


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise UserError(f"there is only one {devices[0].device_type} to mirror the training on; leave out --strategy")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> tf.distribute.Strategy:
    _check_tf_config()
    handler = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # TensorFlow has taken SIGTERM for a notice that others may heed, and would go on for ever.
    signal.signal(signal.SIGTERM, handler)
    return strategy


def _check_tf_config() -> None:
    check_is_named("multi_worker")
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        task = config["task"]
        addresses = config["cluster"][task["type"]]
        addresses[int(task["index"])]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(
            "TF_CONFIG must be JSON with a cluster and a task of it, as in "
            '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}'
        ) from error


def _tpu() -> tf.distribute.Strategy:
    check_is_named("tpu")
    name = os.environ["TPU_NAME"]
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:
        raise UserError(f"no TPU {name} was found ({str(error).splitlines()[0]}); check TPU_NAME") from error
    return tf.distribute.TPUStrategy(resolver)


def _several_workers(strategy: tf.distribute.Strategy) -> bool:
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return strategy.num_replicas_in_sync > len(strategy.extended.worker_devices)


@tf.function(autograph=False)
def _sum_over_replicas(strategy: tf.distribute.Strategy, values: tf.Tensor) -> tf.Tensor:
    def on_replica(values: tf.Tensor) -> tf.Tensor:
        # all_reduce takes the devices from its values, which must be on the replica's for that.
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(values))

    return strategy.experimental_local_results(strategy.run(on_replica, args=(values,)))[0]
