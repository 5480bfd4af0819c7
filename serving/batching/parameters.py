"""BatchingParameters: how the operator of a server, or the maker of a SavedModel, wants requests batched.

The message is in TensorFlow Serving's session_bundle_config.proto, for which tensorflow-serving-api has no module;
defaults and checks are those of its bundle_factory_util and of TensorFlow's shared_batch_scheduler.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format

from workspace.machine import usable_cores
from workspace.protobuf import message_classes
from workspace.storage import read_bytes

PER_MODEL_FILE = "batching_params.pbtxt"  # in a SavedModel's directory

_DEFAULT_MAX_BATCH_SIZE = 1000
_DEFAULT_MAX_ENQUEUED_BATCHES = 10
_DEFAULT_THREAD_POOL_NAME = "batch_threads"

BatchingParameters = message_classes(
    "tensorflow.serving",
    {
        "BatchingParameters": {
            "max_batch_size": (1, "google.protobuf.Int64Value"),
            "batch_timeout_micros": (2, "google.protobuf.Int64Value"),
            "max_enqueued_batches": (3, "google.protobuf.Int64Value"),
            "num_batch_threads": (4, "google.protobuf.Int64Value"),
            "thread_pool_name": (5, "google.protobuf.StringValue"),
            "allowed_batch_sizes": (6, "repeated int64"),
            "pad_variable_length_inputs": (7, "bool"),
            "enable_large_batch_splitting": (8, "google.protobuf.BoolValue"),
            "max_execution_batch_size": (9, "google.protobuf.Int64Value"),
        }
    },
)["BatchingParameters"]


@dataclass(frozen=True)
class QueueOptions:
    """How the requests for one model are put together; sizes are in rows, the timeout is in seconds."""

    max_batch_size: int  # of one request
    max_execution_batch_size: int  # of one run; less than the above only where large requests are split
    batch_timeout: float
    max_enqueued_batches: int
    enable_large_batch_splitting: bool
    allowed_batch_sizes: tuple[int, ...]  # a run is padded to one of these numbers of rows; empty: not padded
    pad_variable_length_inputs: bool


def read_parameters(path: Path) -> Any:
    """The BatchingParameters in the text file ``path``. Raises OSError and tf.errors.InvalidArgumentError."""
    text = read_bytes(path)
    try:
        return text_format.Parse(text, BatchingParameters())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise tf.errors.InvalidArgumentError(None, None, f"Invalid protobuf file: '{path}'") from error


def thread_pool(parameters: Any) -> tuple[int, str]:
    """The number of batch threads and the name they share. Raises tf.errors.InvalidArgumentError."""
    threads = _value(parameters, "num_batch_threads", usable_cores())
    _require(threads > 0, f"num_batch_threads must be positive; was {threads}")
    return threads, _value(parameters, "thread_pool_name", _DEFAULT_THREAD_POOL_NAME)


def queue_options(parameters: Any) -> QueueOptions:
    """``parameters`` with their defaults filled in. Raises tf.errors.InvalidArgumentError.

    One check is stricter than TensorFlow Serving's, which documents that allowed sizes increase but does not check it.
    """
    max_batch_size = _value(parameters, "max_batch_size", _DEFAULT_MAX_BATCH_SIZE)
    splitting = _value(parameters, "enable_large_batch_splitting", False)
    execution = _value(parameters, "max_execution_batch_size", max_batch_size) if splitting else max_batch_size
    timeout_micros = _value(parameters, "batch_timeout_micros", 0)
    max_enqueued = _value(parameters, "max_enqueued_batches", _DEFAULT_MAX_ENQUEUED_BATCHES)
    if not splitting:
        max_enqueued = max_enqueued or 1  # TensorFlow lets old configurations say 0
    allowed = tuple(parameters.allowed_batch_sizes)
    if allowed:
        _require(
            allowed[-1] == max_batch_size,
            "Last entry in allowed_batch_sizes must match max_batch_size; "
            f"last entry was {allowed[-1]}; expected {max_batch_size}",
        )
        increasing = all(smaller < larger for smaller, larger in zip((0, *allowed), allowed, strict=False))
        _require(increasing, "allowed_batch_sizes entries must be monotonically increasing")
    _require(max_batch_size > 0, f"input_batch_size_limit must be positive; was {max_batch_size}")
    _require(timeout_micros >= 0, f"batch_timeout_micros must be non-negative; was {timeout_micros}")
    _require(max_enqueued > 0, f"max_enqueued_batches must be positive; was {max_enqueued}")
    _require(execution > 0, f"max_execution_batch_size must be positive; was {execution}")
    _require(
        max_batch_size >= execution,
        "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
        "max_execution_batch_size.",
    )
    return QueueOptions(
        max_batch_size=max_batch_size,
        max_execution_batch_size=execution,
        batch_timeout=timeout_micros / 1e6,
        max_enqueued_batches=max_enqueued,
        enable_large_batch_splitting=splitting,
        allowed_batch_sizes=allowed,
        pad_variable_length_inputs=parameters.pad_variable_length_inputs,
    )


def _value(parameters: Any, name: str, default: Any) -> Any:
    return getattr(parameters, name).value if parameters.HasField(name) else default


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise tf.errors.InvalidArgumentError(None, None, message)
