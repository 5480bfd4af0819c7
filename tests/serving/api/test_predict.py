"""Predict over gRPC: what is answered, and what every wrong request is told."""

from __future__ import annotations

import concurrent.futures
import math
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.protocol.tensors import array_of
from tests.serving.support import Running, request, running

pytestmark = pytest.mark.slow

A = np.array([[1, 2], [3, 4]], np.float32)
B = np.array([[10, 20], [30, 40]], np.float32)


def refusal(server: Running, wrong: PredictRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        server.prediction.Predict(wrong, timeout=20)
    return caught.value.code(), caught.value.details()


def test_outputs_are_in_typed_fields_and_model_spec_says_where_they_came_from(numbers_server: Running) -> None:
    response: PredictResponse = numbers_server.prediction.Predict(request(a=A, b=B), timeout=20)
    assert (response.model_spec.name, response.model_spec.version.value) == ("numbers", 7)
    assert response.model_spec.signature_name == "serving_default"
    assert set(response.outputs) == {"sum", "difference"}
    total = response.outputs["sum"]
    assert list(total.float_val) == [11, 22, 33, 44]
    assert [dim.size for dim in total.tensor_shape.dim] == [2, 2]
    assert total.tensor_content == b""


def test_strings_come_back_as_string_val(text_server: Running) -> None:
    response = text_server.prediction.Predict(request("rnnsearch", text=["blé", ""]), timeout=20)
    assert list(response.outputs["translation"].string_val) == ["one:blé".encode(), b"one:"]
    assert list(response.outputs["score"].float_val) == [4, 0]


def test_an_empty_batch_is_answered_by_an_empty_one(text_server: Running) -> None:
    response = text_server.prediction.Predict(request("rnnsearch", text=np.zeros([0], object)), timeout=20)
    assert [dim.size for dim in response.outputs["score"].tensor_shape.dim] == [0]


def test_version_and_signature_can_be_named(numbers_server: Running) -> None:
    response = numbers_server.prediction.Predict(request(signature="reciprocal", version=7, x=[0.0, 4.0]), timeout=20)
    assert response.model_spec.signature_name == "reciprocal"
    values = response.outputs["y"].float_val
    assert np.isnan(values[0])
    assert values[1] == 0.25


def test_output_filter_chooses(numbers_server: Running) -> None:
    filtered = request(a=A, b=B)
    filtered.output_filter.append("difference")
    assert list(numbers_server.prediction.Predict(filtered, timeout=20).outputs) == ["difference"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["x"],
            "output tensor alias not found in signature: x Outputs expected to be in the set {difference,sum}.",
        ),
        (["sum", "sum"], "duplicate output tensor alias: sum"),
    ],
)
def test_wrong_output_filter(numbers_server: Running, names: list[str], message: str) -> None:
    wrong = request(a=A, b=B)
    wrong.output_filter.extend(names)
    assert refusal(numbers_server, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, message)


def test_no_model_spec(numbers_server: Running) -> None:
    assert refusal(numbers_server, PredictRequest()) == (grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")


def test_no_model_name(numbers_server: Running) -> None:
    expected = (grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
    assert refusal(numbers_server, request(name="", signature="reciprocal")) == expected


def test_unknown_model(numbers_server: Running) -> None:
    expected = (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(x)")
    assert refusal(numbers_server, request(name="x")) == expected


def test_unknown_version(numbers_server: Running) -> None:
    expected = (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(numbers, 9)")
    assert refusal(numbers_server, request(version=9)) == expected


def test_unknown_label(numbers_server: Running) -> None:
    wrong = request()
    wrong.model_spec.version_label = "canary"
    expected = (grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: canary")
    assert refusal(numbers_server, wrong) == expected


def test_unknown_signature(numbers_server: Running) -> None:
    expected = (grpc.StatusCode.FAILED_PRECONDITION, 'Serving signature key "x" not found.')
    assert refusal(numbers_server, request(signature="x")) == expected


def test_wrong_set_of_inputs(numbers_server: Running) -> None:
    assert refusal(numbers_server, request(a=A)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
    )
    assert refusal(numbers_server, request(a=A, b=B, c=A)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). "
        "Sent extra: {c}. Missing but required: {}.",
    )


def test_right_number_of_inputs_with_a_wrong_name(numbers_server: Running) -> None:
    code, message = refusal(numbers_server, request(a=A, c=B))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("Signature input alias: b(feed name: ")
    assert "not found in request and no default value provided" in message


def test_wrong_dtype(numbers_server: Running) -> None:
    expected = (grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[0] to be float but string is provided")
    assert refusal(numbers_server, request(signature="reciprocal", x=["one"])) == expected


def test_wrong_shape(numbers_server: Running) -> None:
    code, message = refusal(numbers_server, request(a=A, b=np.ones([2, 3], np.float32)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("Incompatible shapes: [2,2] vs. [2,3]")


def test_a_shape_that_the_kernels_take(numbers_server: Running) -> None:
    """TensorFlow Serving does not hold a value against the signature, and its own tests rely on it."""
    response = numbers_server.prediction.Predict(
        request(a=np.array([1, 2], np.float32), b=np.array([3, 4], np.float32)), timeout=20
    )
    assert list(response.outputs["sum"].float_val) == [4, 6]
    assert [dim.size for dim in response.outputs["sum"].tensor_shape.dim] == [2]


def test_a_kernel_that_fails_says_why(numbers_server: Running) -> None:
    code, message = refusal(numbers_server, request(a=A, b=np.ones([3, 2], np.float32)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("Incompatible shapes: [2,2] vs. [3,2]")


def test_a_tensor_that_is_none(numbers_server: Running) -> None:
    wrong = request(signature="reciprocal", x=[1.0, 2.0, 3.0])
    wrong.inputs["x"].tensor_shape.dim[0].size = 5
    assert refusal(numbers_server, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")
    wrong.inputs["x"].Clear()
    assert refusal(numbers_server, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


def test_messages_are_cut_at_1024_characters(numbers_server: Running) -> None:
    _, message = refusal(numbers_server, request(signature="fail", n=np.array([1], np.int64)))
    assert message.endswith("...TRUNCATED")
    assert len(message) == 1024 + len("...TRUNCATED")


def test_a_signature_that_is_no_signature(numbers_server: Running) -> None:
    code, message = refusal(numbers_server, request(signature="__saved_model_init_op"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "was not found in the Graph" in message


def test_the_deadline_of_the_call_stops_the_work(numbers_server: Running) -> None:
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        numbers_server.prediction.Predict(request(signature="slow", steps=np.int32(2**31 - 1)), timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # Without a stop the loop would go on for hours, and hold the fixture's server up at the end.
    assert time.monotonic() - began < 10
    assert numbers_server.prediction.Predict(request(signature="slow", steps=np.int32(3)), timeout=20)


def test_methods_that_are_not_implemented_say_so(text_server: Running) -> None:
    for method in ("Classify", "Regress", "MultiInference"):
        with pytest.raises(grpc.RpcError) as caught:
            getattr(text_server.prediction, method)(_empty_request(method), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert caught.value.details().startswith(f"{method} is not implemented")


def test_eight_threads_each_get_their_own_answer(text_server: Running) -> None:
    def ask(worker: int) -> bool:
        for number in range(10):
            text = f"sentence {worker}-{number}"
            response = text_server.prediction.Predict(request("rnnsearch", text=[text]), timeout=20)
            if list(response.outputs["translation"].string_val) != [f"one:{text}".encode()]:
                return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def _empty_request(method: str) -> Any:
    from tensorflow_serving.apis import (  # noqa: PLC0415
        classification_pb2,
        inference_pb2,
        regression_pb2,
    )

    return {
        "Classify": classification_pb2.ClassificationRequest,
        "Regress": regression_pb2.RegressionRequest,
        "MultiInference": inference_pb2.MultiInferenceRequest,
    }[method]()


def test_outputs_that_are_references_to_variables(tmp_path: Path) -> None:
    """As TensorFlow Serving's saved_model_counter gives them: a variable of TensorFlow 1 after it is changed."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        counter = tf.compat.v1.Variable(0.0, use_resource=False)
        by = tf.compat.v1.placeholder(tf.float32, [])
        outputs = {"count": tf.compat.v1.assign_add(counter, by)}
        session.run(tf.compat.v1.global_variables_initializer())
        signature = tf.compat.v1.saved_model.predict_signature_def({"by": by}, outputs)
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "1"))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    assert signature.outputs["count"].dtype == types_pb2.DT_FLOAT_REF
    with running(tmp_path, "counter") as server:
        count = server.prediction.Predict(request("counter", by=2.0), timeout=20).outputs["count"]
        assert (count.dtype, list(count.float_val)) == (types_pb2.DT_FLOAT, [2.0])
        assert server.rest("POST", "/v1/models/counter:predict", {"inputs": 3}) == (200, '{\n    "outputs": 5.0\n}')


def test_a_tensor_of_unknown_rank_is_none(numbers_server: Running) -> None:
    wrong = request(signature="reciprocal", x=[1.0])
    wrong.inputs["x"].tensor_shape.unknown_rank = True
    assert refusal(numbers_server, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")
    del wrong.inputs["x"].tensor_shape.dim[:]
    assert refusal(numbers_server, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


@pytest.mark.parametrize("dims", [[-1], [0, -1], [-1, -1], [2**62, 4, 0], [1] * 255])
def test_a_tensor_of_a_shape_that_is_none(numbers_server: Running, dims: list[int]) -> None:
    wrong = request(signature="blob", data=["x"])
    del wrong.inputs["data"].tensor_shape.dim[:]
    for size in dims:
        wrong.inputs["data"].tensor_shape.dim.add(size=size)
    assert refusal(numbers_server, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: data")


@given(
    st.lists(st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 2**20, 2**31]), max_size=5),
    st.sampled_from([(tf.string, "string_val", b"x"), (tf.float32, "float_val", 1.0), (tf.int64, "int64_val", 7)]),
    st.integers(0, 3),
)
def test_what_is_a_tensor_is_one_to_tensorflow(dims: list[int], kind: tuple[tf.DType, str, Any], values: int) -> None:
    """TensorFlow's operator reads them as its servers do; of what is larger than a request may ask for it reads all."""
    sizes = [abs(size) for size in dims if size]
    assume(math.prod(sizes) * 8 < 2**63 if 0 in dims else math.prod(sizes) <= 2**21 or math.prod(sizes) >= 2**63)
    dtype, field, value = kind
    tensor = TensorProto(dtype=dtype.as_datatype_enum)
    tensor.tensor_shape.dim.extend(type(tensor.tensor_shape).Dim(size=size) for size in dims)
    getattr(tensor, field).extend([value] * values)
    try:
        expected = tf.io.parse_tensor(tensor.SerializeToString(), dtype).numpy()
    except tf.errors.InvalidArgumentError:
        with pytest.raises(ValueError, match=r"\w"):
            array_of(tensor)
    else:
        np.testing.assert_array_equal(tf.constant(array_of(tensor), dtype).numpy(), expected)


def test_values_that_the_shape_has_no_place_for_are_left(numbers_server: Running) -> None:
    more = request(signature="reciprocal", x=[1.0, 2.0])
    more.inputs["x"].ClearField("tensor_content")
    more.inputs["x"].float_val[:] = [1.0, 2.0, 4.0]
    assert list(numbers_server.prediction.Predict(more, timeout=20).outputs["y"].float_val) == [1.0, 0.5]
