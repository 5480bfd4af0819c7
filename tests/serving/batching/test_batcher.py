"""Batching: who shares a run of the model, that everyone gets their own rows, and what goes wrong for whom.

The model counts its own runs, and says of every row in which run it was, of how many rows. A run of its signature
``gate`` lasts until it is let through, which keeps the only batch thread busy for as long as a test needs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching.batcher import Batching
from serving.batching.parameters import BatchingParameters
from serving.models.saved_model import SavedModel
from serving.protocol.status import StatusError
from tests.serving.support import eventually

Outputs = dict[str, np.ndarray]

HOUR = 3_600_000_000  # in microseconds


class Observed(tf.Module):
    """Says in which run a row was, of how many rows, and what they added up to."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = tf.Variable(0, dtype=tf.int64)

    def _tell(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"run": tf.fill([rows], self.runs.assign_add(1)), "rows": tf.fill([rows], rows)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def numbers(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.shape(x)[0]
        return {"x": tf.identity(x), "sum": tf.fill([rows], tf.reduce_sum(x)), **self._tell(rows)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="a"), tf.TensorSpec([None, None], tf.string, name="b")]
    )
    def texts(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        beside = tf.repeat(a[:, tf.newaxis], tf.shape(b)[1], axis=1)
        return {"joined": tf.strings.join([beside, b]), **self._tell(tf.shape(a)[0])}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def positive(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.assert_positive(x, message="not positive")]):
            return {"x": tf.identity(x), **self._tell(tf.shape(x)[0])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def total(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def first(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"first": tf.identity(x[:1])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="n")])
    def gate(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([_put("arrived")]), tf.control_dependencies([_take("let_through")]):
            return {"n": tf.identity(n), **self._tell(tf.shape(n)[0])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="n")])
    def steps(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        """Takes as many as the largest ``n``, of many small operations each, as a search does."""
        last = tf.reduce_max(n)
        _, product = tf.while_loop(
            lambda step, _: step < last, lambda step, x: (step + 1, x @ x * 0.0 + 1.0), (tf.zeros_like(last), tf.eye(9))
        )
        return {"n": n + 0 * tf.cast(product[0, 0], tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="n")])
    def wait_for_arrival(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([_take("arrived")]):
            return {"n": tf.identity(n)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="n")])
    def let_through(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([_put("let_through")]):
            return {"n": tf.identity(n)}


def _put(queue: str) -> tf.Operation:
    handle = tf.raw_ops.FIFOQueueV2(component_types=[tf.int64], shared_name=queue)
    return tf.raw_ops.QueueEnqueueV2(handle=handle, components=[tf.constant(0, tf.int64)])


def _take(queue: str) -> tf.Tensor:
    handle = tf.raw_ops.FIFOQueueV2(component_types=[tf.int64], shared_name=queue)
    return tf.raw_ops.QueueDequeueV2(handle=handle, component_types=[tf.int64])[0]


class Served:
    """The model under some parameters, and many threads to ask it."""

    def __init__(self, pool: concurrent.futures.Executor, batching: Batching, model: SavedModel):
        self.pool = pool
        self.model = model
        self._batching = batching

    def ask(
        self,
        signature: str,
        timeout: float | None = 60.0,
        only: tuple[str, ...] = (),
        is_waited_for: Callable[[], bool] = lambda: True,
        **inputs: Any,
    ) -> Outputs:
        definition = self.model.signatures[signature]
        feeds = {definition.inputs[name].name: np.asarray(value) for name, value in inputs.items()}
        fetches = {name: definition.outputs[name].name for name in only or definition.outputs}
        return self.model.run(feeds, fetches, timeout, is_waited_for)

    def start(self, signature: str, **inputs: Any) -> Future[Outputs]:
        """Asks from another thread."""
        return self.pool.submit(self.ask, signature, **inputs)

    def send(self, signature: str, **inputs: Any) -> Future[Outputs]:
        """Asks from another thread, and returns once the request is in the queue or over."""
        before = self.queued()
        future = self.start(signature, **inputs)
        eventually(lambda: self.queued() > before or future.done())
        return future

    def queued(self) -> int:
        """Parts of requests that no batch thread has taken yet."""
        scheduler = self._batching._scheduler
        with scheduler._changed:
            return sum(len(batch.parts) for queue in scheduler._queues.values() for batch in queue.batches)

    @contextlib.contextmanager
    def busy(self, rows: int = 1) -> Iterator[None]:
        """One batch thread has a run under way, of ``rows``, for the length of the block."""
        future = self.start("gate", n=np.zeros([rows], np.int64))
        self.aside("wait_for_arrival")
        try:
            yield
        finally:
            self.aside("let_through")
            future.result(timeout=20)

    def runs(self) -> int:
        """How often the model has run so far, this time included."""
        return int(self.ask("numbers", x=floats(1))["run"][0])

    def aside(self, signature: str) -> None:
        """Runs the signature itself, without batching."""
        definition = self.model.signatures[signature]
        self.model._compute({definition.inputs["n"].name: np.array([0])}, [definition.outputs["n"].name], 20.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SavedModel's directory."""
    model = Observed()
    made = tmp_path_factory.mktemp("observed") / "1"
    names = ("numbers", "texts", "positive", "total", "first", "gate", "steps", "wait_for_arrival", "let_through")
    tf.saved_model.save(model, str(made), signatures={name: getattr(model, name) for name in names})
    return made


def parameters(**values: Any) -> Any:
    """BatchingParameters."""
    made = BatchingParameters()
    for name, value in values.items():
        if name == "allowed_batch_sizes":
            made.allowed_batch_sizes.extend(value)
        elif name == "pad_variable_length_inputs":
            made.pad_variable_length_inputs = value
        else:
            getattr(made, name).value = value
    return made


@contextlib.contextmanager
def served(path: Path, batched: bool = True, **values: Any) -> Iterator[Served]:
    """``values`` are BatchingParameters; there is one thread unless they say otherwise."""
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        batching = Batching(parameters(**{"num_batch_threads": 1, **values}))
        made = Served(pool, batching, SavedModel(path, batching if batched else None))
        try:
            yield made
        finally:
            made.model.close()


def floats(*rows: float) -> np.ndarray:
    """[rows, 1]"""
    return np.array(rows, np.float32)[:, np.newaxis]


def refusal(call: Future[Outputs]) -> tuple[StatusCode, str]:
    with pytest.raises(StatusError) as caught:
        call.result(timeout=20)
    return caught.value.code, caught.value.message


def test_requests_that_wait_for_a_thread_share_a_run(path: Path) -> None:
    with served(path) as model:
        with model.busy():
            requests = [model.send("numbers", x=floats(*range(n, 2 * n))) for n in range(1, 6)]
        for n, request in enumerate(requests, start=1):
            outputs = request.result(timeout=20)
            assert outputs["x"].tolist() == floats(*range(n, 2 * n)).tolist()
            assert set(outputs["rows"]) == {15}
            assert set(outputs["run"]) == {2}


def test_a_full_batch_runs_at_once_and_a_partial_one_after_the_timeout(path: Path) -> None:
    with served(path, max_batch_size=4, batch_timeout_micros=HOUR) as model:
        requests = [model.start("numbers", x=floats(n)) for n in range(4)]
        assert [set(request.result(timeout=20)["rows"]) for request in requests] == [{4}] * 4
    with served(path, max_batch_size=4, batch_timeout_micros=500_000) as model:
        began = time.monotonic()
        requests = [model.start("numbers", x=floats(n)) for n in range(2)]
        assert [set(request.result(timeout=20)["rows"]) for request in requests] == [{2}] * 2
        assert 0.5 <= time.monotonic() - began < 5


def test_a_request_that_does_not_fit_closes_the_batch_before_it(path: Path) -> None:
    with served(path, max_batch_size=4, batch_timeout_micros=HOUR) as model:
        with model.busy(rows=4):
            requests = [model.send("numbers", x=floats(*range(rows))) for rows in (3, 2, 2)]
        assert [set(request.result(timeout=20)["rows"]) for request in requests] == [{3}, {4}, {4}]


def test_one_thread_looks_after_what_comes_behind_the_batch_that_another_took(path: Path) -> None:
    with served(path, num_batch_threads=2, max_batch_size=3, batch_timeout_micros=100_000) as model:
        requests = [model.start("gate", n=np.array([n, n])) for n in range(2)]
        for signature in ("wait_for_arrival", "let_through"):
            for _ in requests:  # both runs are under way before one is let through
                model.aside(signature)
        assert [request.result(timeout=20)["n"].tolist() for request in requests] == [[0, 0], [1, 1]]


@settings(max_examples=25, deadline=None)
@given(
    requests=st.lists(st.lists(st.floats(allow_nan=False, width=32), min_size=0, max_size=9), min_size=1, max_size=12),
    largest=st.integers(1, 9),
    splitting=st.booleans(),
    threads=st.integers(1, 3),
    timeout=st.sampled_from([0, 1000]),
    steps=st.booleans(),
)
def test_everyone_gets_their_own_rows(
    path: Path,
    requests: list[list[float]],
    largest: int,
    splitting: bool,
    threads: int,
    timeout: int,
    steps: bool,
) -> None:
    values: dict[str, Any] = {
        "num_batch_threads": threads,
        "batch_timeout_micros": timeout,
        "max_batch_size": 9,
        "max_enqueued_batches": 1000,
        "enable_large_batch_splitting": splitting,
        "max_execution_batch_size": largest,
        "allowed_batch_sizes": [2, 5, 9] if steps else [],
    }
    with served(path, **values) as model:
        sent = [np.array(values, np.float32)[:, np.newaxis] for values in requests]
        together = threading.Barrier(len(sent))

        def ask(x: np.ndarray) -> Outputs:
            together.wait(timeout=20)
            return model.ask("numbers", x=x)

        for x, future in [(x, model.pool.submit(ask, x)) for x in sent]:
            outputs = future.result(timeout=20)
            assert outputs["x"].tolist() == x.tolist()
            assert outputs["run"].shape == (len(x),)
            assert not steps or set(outputs["rows"]) <= {2, 5, 9}


def test_a_large_request_is_split_over_batches_and_fills_the_open_one_first(path: Path) -> None:
    values: dict[str, Any] = {"max_batch_size": 20, "enable_large_batch_splitting": True, "max_execution_batch_size": 4}
    with served(path, **values) as model:
        with model.busy():
            small = model.send("numbers", x=floats(100))
            large = model.send("numbers", x=floats(*range(9)))
        outputs = large.result(timeout=20)
        assert outputs["x"].tolist() == floats(*range(9)).tolist()
        assert outputs["rows"].tolist() == [4, 4, 4, 4, 4, 4, 4, 2, 2]
        assert outputs["run"].tolist() == [2, 2, 2, 3, 3, 3, 3, 4, 4]
        assert small.result(timeout=20)["run"].tolist() == [2]


def test_batches_of_a_split_request_run_side_by_side(path: Path) -> None:
    values: dict[str, Any] = {"max_batch_size": 20, "enable_large_batch_splitting": True, "max_execution_batch_size": 2}
    with served(path, num_batch_threads=2, **values) as model:
        assert model.runs() == 1  # both threads have come to wait for work
        request = model.start("gate", n=np.arange(4))
        for signature in ("wait_for_arrival", "let_through"):
            for _ in range(2):
                model.aside(signature)
        assert request.result(timeout=20)["n"].tolist() == [0, 1, 2, 3]


def test_rows_are_made_up_to_an_allowed_size_with_the_first_row_of_the_last_request(path: Path) -> None:
    with served(path, max_batch_size=8, allowed_batch_sizes=[2, 6, 8]) as model:
        with model.busy():
            requests = [model.send("numbers", x=floats(1)), model.send("numbers", x=floats(10, 100))]
        one, two = (request.result(timeout=20) for request in requests)
        assert (one["x"].tolist(), two["x"].tolist()) == ([[1]], [[10], [100]])
        assert set(one["rows"]) | set(two["rows"]) == {6}
        assert set(one["sum"]) == {111 + 3 * 10}
        assert set(model.ask("numbers", x=floats(5, 6))["rows"]) == {2}


def test_shorter_inputs_are_filled_with_their_own_first_element(path: Path) -> None:
    with served(path, pad_variable_length_inputs=True) as model:
        with model.busy():
            short = model.send("texts", a=[b"1", b"2"], b=[[b"a"], [b"b"]])
            long = model.send("texts", a=[b"3"], b=[[b"c", b"d", b"e"]])
            empty = model.send("texts", a=np.zeros([0], object), b=np.zeros([0, 1], object))
        outputs = short.result(timeout=20)
        assert outputs["rows"].tolist() == [3, 3]
        assert outputs["joined"].tolist() == [[b"1a", b"1a", b"1a"], [b"2b", b"2a", b"2a"]]
        assert long.result(timeout=20)["joined"].tolist() == [[b"3c", b"3d", b"3e"]]
        assert empty.result(timeout=20)["joined"].shape == (0, 3)


def test_rows_without_an_element_cannot_be_filled(path: Path) -> None:
    with served(path, pad_variable_length_inputs=True) as model:
        with model.busy():
            requests = [model.send("numbers", x=np.ones(shape, np.float32)) for shape in ([1, 3], [1, 0])]
        expected = (StatusCode.INVALID_ARGUMENT, "Got empty tensor in batch of non-empty tensors.")
        assert [refusal(request) for request in requests] == [expected, expected]


def test_a_split_request_whose_parts_were_padded_differently_fails_alone(path: Path) -> None:
    values: dict[str, Any] = {"max_batch_size": 20, "enable_large_batch_splitting": True, "max_execution_batch_size": 3}
    with served(path, pad_variable_length_inputs=True, **values) as model:
        with model.busy():
            wide = model.send("numbers", x=np.ones([2, 3], np.float32))
            narrow = model.send("numbers", x=np.ones([3, 1], np.float32))
        code, message = refusal(narrow)
        assert code is StatusCode.FAILED_PRECONDITION
        assert message.startswith("The parts of a split request have outputs of different shapes: rows of (")
        assert wide.result(timeout=20)["rows"].tolist() == [3, 3]


def test_unequal_shapes_without_padding_fail_the_batch(path: Path) -> None:
    with served(path) as model:
        with model.busy():
            requests = [model.send("numbers", x=np.ones([1, width], np.float32)) for width in (2, 3)]
            others = model.send("texts", a=[b"1"], b=[[b"a"]])
        name = model.model.signatures["numbers"].inputs["x"].name
        message = (
            f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
            "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
            "dimensions starting with the first dim."
        )
        expected = (StatusCode.FAILED_PRECONDITION, message)
        assert [refusal(request) for request in requests] == [expected, expected]
        assert others.result(timeout=20)["rows"].tolist() == [1]
        assert model.ask("numbers", x=np.ones([1, 3], np.float32))["rows"].tolist() == [1]


def test_a_shape_that_the_graph_does_not_admit_shares_no_run(path: Path) -> None:
    """It is for the kernels to say whether they take it, as in TensorFlow Serving, but not at others' cost."""
    with served(path) as model:
        with model.busy():
            good = model.send("positive", x=np.ones([1, 2], np.float32))
            assert model.ask("positive", x=np.ones([1, 3], np.float32))["x"].tolist() == [[1, 1, 1]]
            code, message = refusal(model.start("positive", x=np.full([1, 3], -1, np.float32)))
            assert code is StatusCode.INVALID_ARGUMENT
            assert "not positive" in message
        assert good.result(timeout=20)["rows"].tolist() == [1]


def test_a_kernel_that_fails_fails_those_who_share_its_run(path: Path) -> None:
    with served(path, max_batch_size=2) as model:
        with model.busy():
            requests = [model.send("positive", x=np.full([1, 2], x, np.float32)) for x in (1, -1, 2, 3)]
        for request in requests[:2]:
            code, message = refusal(request)
            assert code is StatusCode.INVALID_ARGUMENT
            assert "not positive" in message
        assert [request.result(timeout=20)["rows"].tolist() for request in requests[2:]] == [[2], [2]]


@pytest.mark.parametrize(
    ("signature", "inputs", "code", "message"),
    [
        (
            "texts",
            {"a": [b"1"], "b": [[b"a"], [b"b"]]},
            StatusCode.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        ),
        (
            "total",
            {"x": np.float32(1)},
            StatusCode.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        ),
        (
            "total",
            {"x": np.ones([2], np.float32)},
            StatusCode.FAILED_PRECONDITION,
            "Batched output tensor has 0 dimensions",
        ),
        (
            "first",
            {"x": np.ones([2], np.float32)},
            StatusCode.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
        (
            "numbers",
            {"x": np.ones([5, 1], np.float32)},
            StatusCode.INVALID_ARGUMENT,
            "Task size 5 is larger than maximum input batch size 4",
        ),
    ],
)
def test_what_cannot_be_batched(
    path: Path, signature: str, inputs: dict[str, Any], code: StatusCode, message: str
) -> None:
    with served(path, max_batch_size=4) as model:
        assert refusal(model.send(signature, **inputs)) == (code, message)


def test_an_empty_request_gets_empty_outputs(path: Path) -> None:
    with served(path, max_batch_size=4, allowed_batch_sizes=[2, 4]) as model:
        assert model.ask("numbers", x=np.zeros([0, 3], np.float32))["x"].shape == (0, 3)


def test_a_full_queue_refuses_at_once_and_takes_requests_again_later(path: Path) -> None:
    with served(path, max_batch_size=2, max_enqueued_batches=2) as model:
        with model.busy():
            queued = [model.send("numbers", x=floats(n, n)) for n in range(2)]
            message = (
                "The batch scheduling queue to which this task was submitted is full; "
                "currently 2 batches enqueued and max_enqueued_batches is 2"
            )
            assert refusal(model.send("numbers", x=floats(9))) == (StatusCode.UNAVAILABLE, message)
            others = model.send("texts", a=[b"1"], b=[[b"a"]])  # has a queue of its own
        assert [request.result(timeout=20)["x"].tolist() for request in queued] == [[[0], [0]], [[1], [1]]]
        assert others.result(timeout=20)["rows"].tolist() == [1]
        assert model.ask("numbers", x=floats(9))["x"].tolist() == [[9]]


def test_a_full_queue_of_split_requests(path: Path) -> None:
    values: dict[str, Any] = {"max_batch_size": 20, "enable_large_batch_splitting": True, "max_execution_batch_size": 4}
    with served(path, max_enqueued_batches=3, **values) as model, model.busy():
        model.send("numbers", x=floats(*range(5)))
        message = (
            "The batch scheduling queue to which this task was submitted is full; task size is 8 but scheduling "
            "capacity is only 7 (num_enqueued_batches=2, max_enqueued_batches=3, open_batch_size=1, "
            "max_execution_batch_size=4)"
        )
        assert refusal(model.send("numbers", x=floats(*range(8)))) == (StatusCode.UNAVAILABLE, message)
        assert not model.send("numbers", x=floats(*range(7))).done()


def test_a_request_whose_deadline_passes_in_the_queue_ends_then_and_is_not_computed(path: Path) -> None:
    with served(path) as model:
        expected = (StatusCode.DEADLINE_EXCEEDED, "Run() timeout exceeded while waiting in batching queue")
        with model.busy():
            late = [model.send("numbers", x=floats(n), timeout=0.2) for n in range(3)]
            began = time.monotonic()
            assert [refusal(request) for request in late] == [expected] * 3
            assert time.monotonic() - began < 5
        assert model.runs() == 2  # the gate's and this one: a batch in which nobody is in time does not run
        with model.busy():
            late = [model.send("numbers", x=floats(5, 6), timeout=0.2)]
            in_time = model.send("numbers", x=floats(7))
            assert refusal(late[0]) == expected
        outputs = in_time.result(timeout=20)
        assert (outputs["x"].tolist(), outputs["rows"].tolist()) == ([[7]], [1])


@pytest.mark.parametrize("batched", [True, False])
def test_a_request_without_time_is_not_computed(path: Path, batched: bool) -> None:
    with served(path, batched) as model:
        with pytest.raises(StatusError) as caught:
            model.ask("numbers", x=floats(1), timeout=0.0)
        assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
        assert model.runs() == 1


def test_a_run_may_last_as_long_as_the_most_patient_of_its_requests(path: Path) -> None:
    expected = (StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")
    with served(path, max_batch_size=2, batch_timeout_micros=HOUR) as model:
        requests = [model.start("gate", n=np.array([n]), timeout=timeout) for n, timeout in enumerate((0.3, 60.0))]
        assert refusal(requests[0]) == expected
        concurrent.futures.wait(requests, timeout=0.3)  # long enough for the run to end, did it heed the first
        model.aside("let_through")
        assert requests[1].result(timeout=20)["n"].tolist() == [1]

        requests = [model.start("gate", n=np.array([n]), timeout=0.3) for n in range(2)]
        assert [refusal(request) for request in requests] == [expected] * 2
        assert model.ask("numbers", x=floats(1, 2))["rows"].tolist() == [2, 2]  # the thread is free again


@pytest.mark.parametrize("batched", [True, False])
def test_a_run_ends_with_its_deadline(path: Path, batched: bool) -> None:
    """In the middle of it, and not only for who waits: nothing is computed any more."""
    with served(path, batched) as model:
        assert model.ask("steps", n=np.array([3]))["n"].tolist() == [3]
        began = time.process_time()
        with pytest.raises(StatusError) as caught:
            model.ask("steps", n=np.array([10**12]), timeout=2)
        assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
        assert time.process_time() - began > 0.1
        time.sleep(0.1)  # for the operations under way
        ended = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - ended < 0.1


def test_who_has_gone_before_the_batch_began_is_not_computed(path: Path) -> None:
    gone = threading.Event()
    expected = (StatusCode.CANCELLED, "the client has gone")
    with served(path) as model:
        with model.busy():
            left = [model.send("numbers", x=floats(n), is_waited_for=lambda: not gone.is_set()) for n in range(3)]
            stayed = model.send("numbers", x=floats(7))
            gone.set()
        assert [refusal(request) for request in left] == [expected] * 3
        outputs = stayed.result(timeout=20)
        assert (outputs["x"].tolist(), outputs["rows"].tolist(), outputs["run"].tolist()) == ([[7]], [1], [2])
        assert refusal(model.start("numbers", x=floats(1), is_waited_for=lambda: False)) == expected
        assert model.runs() == 3


def test_only_the_same_outputs_share_a_run(path: Path) -> None:
    with served(path) as model:
        with model.busy():
            same = [
                model.send("numbers", x=floats(1), only=("x", "run", "rows")),
                model.send("numbers", x=floats(2), only=("rows", "run", "x")),
            ]
            other = model.send("numbers", x=floats(3), only=("sum", "run", "rows"))
        assert {tuple(request.result(timeout=20)["run"]) for request in same} == {(2,)}
        assert list(same[1].result()) == ["rows", "run", "x"]
        outputs = other.result(timeout=20)
        assert (outputs["run"].tolist(), outputs["rows"].tolist()) == ([3], [1])


def test_queues_take_turns(path: Path) -> None:
    with served(path, max_batch_size=1) as model:
        with model.busy():
            numbers = [model.send("numbers", x=floats(n)) for n in range(3)]
            texts = [model.send("texts", a=[b"1"], b=[[b"a"]]) for _ in range(2)]
        assert [request.result(timeout=20)["run"].tolist() for request in numbers] == [[2], [4], [6]]
        assert [request.result(timeout=20)["run"].tolist() for request in texts] == [[3], [5]]


def test_a_model_that_closes_ends_what_is_queued_and_its_threads(path: Path) -> None:
    def threads() -> list[str]:
        return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("of_this_test"))

    with served(path, thread_pool_name="of_this_test", num_batch_threads=3, batch_timeout_micros=HOUR) as model:
        assert threads() == ["of_this_test_0", "of_this_test_1", "of_this_test_2"]
        queued = model.send("numbers", x=floats(1))
        batcher = model.model._batcher
        assert batcher is not None
        model.model.close()
        closed = (StatusCode.CANCELLED, "Session has been closed.")
        assert refusal(queued) == closed
        assert refusal(model.send("numbers", x=floats(1))) == closed
        assert refusal(model.pool.submit(batcher.run, {}, 1, ["x"], None)) == closed
        eventually(lambda: not threads())


def test_nothing_keeps_a_closed_model(path: Path) -> None:
    batching = Batching(parameters())
    model = SavedModel(path, batching)
    definition = model.signatures["numbers"]
    model.run({definition.inputs["x"].name: floats(4)}, {"x": definition.outputs["x"].name}, 20.0)
    model.close()
    gone = weakref.ref(model)
    del model
    eventually(lambda: gone() is None)


def test_models_share_the_threads_and_one_can_go_without_the_other(path: Path) -> None:
    batching = Batching(parameters(num_batch_threads=1, thread_pool_name="shared"))
    models = [SavedModel(path, batching) for _ in range(2)]
    try:
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("shared")]
        assert names == ["shared_0"]
        models[0].close()
        definition = models[1].signatures["numbers"]
        feeds = {definition.inputs["x"].name: floats(4)}
        assert models[1].run(feeds, {"x": definition.outputs["x"].name}, 20.0)["x"].tolist() == [[4]]
    finally:
        for model in models:
            model.close()
