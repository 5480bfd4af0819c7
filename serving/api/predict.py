"""Predict, over gRPC and REST alike.

What is checked, in which order, and what an error says follow TensorFlow Serving's predict_util.cc and TensorFlow's
saved_model/util.cc.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from grpc import StatusCode
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.models.manager import ModelManager
from serving.models.saved_model import SavedModel
from serving.protocol.status import StatusError, invalid_argument
from serving.protocol.tensors import array_of, dtype_name, tensor_of

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Prediction:
    """The outputs asked for, by name; the model, version and signature they came from; and the seconds that it took to
    compute them."""

    model_spec: ModelSpec
    signature: SignatureDef
    outputs: Mapping[str, np.ndarray]
    seconds: float

    def response(self) -> PredictResponse:
        response = PredictResponse()
        response.model_spec.CopyFrom(self.model_spec)
        for name, array in self.outputs.items():
            response.outputs[name].CopyFrom(tensor_of(array, self.signature.outputs[name].dtype))
        return response


def predict(
    models: ModelManager,
    request: PredictRequest,
    timeout: float | None,
    is_waited_for: Callable[[], bool] = lambda: True,
) -> Prediction:
    """Answers ``request`` within ``timeout`` seconds; what has not begun is left, once nobody waits for it.

    Raises StatusError: NOT_FOUND for an unknown model or version, and what ``compute`` raises.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    with models.lease(request.model_spec) as (version, model):
        prediction = compute(model, request, timeout, is_waited_for)
    prediction.model_spec.version.value = version
    return prediction


def compute(
    model: SavedModel,
    request: PredictRequest,
    timeout: float | None,
    is_waited_for: Callable[[], bool] = lambda: True,
) -> Prediction:
    """What ``model`` answers to ``request``, whatever version the request names.

    Raises StatusError: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for inputs or an output filter
    that do not fit the signature, DEADLINE_EXCEEDED, and whatever the model's own kernels fail with.
    """
    signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if signature_name not in model.signatures:
        raise StatusError(StatusCode.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.')
    signature = model.signatures[signature_name]
    feeds = _feeds(signature, request.inputs)
    fetches = {name: signature.outputs[name].name for name in _outputs(signature, request.output_filter)}
    began = time.monotonic()
    outputs = model.run(feeds, fetches, timeout, is_waited_for)
    seconds = time.monotonic() - began
    return Prediction(
        ModelSpec(name=request.model_spec.name, signature_name=signature_name), signature, outputs, seconds
    )


def _feeds(signature: SignatureDef, inputs: Mapping[str, TensorProto]) -> dict[str, np.ndarray]:
    """The value of every tensor to feed, by the tensor's name in the graph."""
    sent, expected = set(inputs), set(signature.inputs)
    if len(sent) > len(expected) or (len(sent) < len(expected) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({_braced(sent)}) != len({_braced(expected)}). "
            f"Sent extra: {_braced(sent - expected)}. Missing but required: {_braced(expected - sent)}."
        )
    tensors = {}
    for alias in sorted(expected):
        if alias not in sent and alias not in signature.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not found in request and "
                f"no default value provided. Inputs expected to be in the request {_braced(sent)}, or default input "
                f"alias set: {','.join(sorted(signature.defaults))}"
            )
        tensors[alias] = inputs[alias] if alias in sent else signature.defaults[alias]
    if not sent <= expected:
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(sorted(sent & expected))}, "
            f"request input: {','.join(sorted(sent))}"
        )
    feeds = {signature.inputs[alias].name: _parsed(alias, tensor) for alias, tensor in tensors.items()}
    _check_dtypes(signature, tensors)
    return feeds


def _parsed(alias: str, tensor: TensorProto) -> np.ndarray:
    try:
        return array_of(tensor)
    except ValueError as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def _check_dtypes(signature: SignatureDef, tensors: Mapping[str, TensorProto]) -> None:
    """Numbers the arguments as a session does: in the order of the names of the tensors that are fed."""
    for index, alias in enumerate(sorted(tensors, key=lambda alias: signature.inputs[alias].name)):
        expected, provided = signature.inputs[alias].dtype, tensors[alias].dtype
        if expected != provided:
            raise invalid_argument(
                f"Expects arg[{index}] to be {dtype_name(expected)} but {dtype_name(provided)} is provided"
            )


def _outputs(signature: SignatureDef, output_filter: Iterable[str]) -> list[str]:
    """The outputs to compute: those of the filter, or all where it is empty."""
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return chosen or sorted(signature.outputs)


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
