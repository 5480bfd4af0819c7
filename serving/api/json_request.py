"""Predict requests of the REST API, from JSON.

Row format: ``{"instances": [...]}``, one element per example. Columnar format: ``{"inputs": ...}``, whole
tensors. Follows TensorFlow Serving's util/json_tensor.cc, its error messages included.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from grpc import StatusCode
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.api.json_text import JsonObject, parse_json, quoted_json
from serving.protocol.status import StatusError, invalid_argument
from serving.protocol.tensors import dtype_name

Inputs = Mapping[str, TensorInfo]

_BASE64 = "b64"
_DEBUG_LIMIT = 256  # characters of a JSON value that a message quotes

_JSON_TYPES = {type(None): "Null", JsonObject: "Object", list: "Array", str: "String", int: "Number", float: "Number"}

# For every dtype that JSON can carry, its field in a TensorProto; for whole numbers their range as well.
_INT32 = (-(2**31), 2**31 - 1)
_FIELDS: dict[int, tuple[str, tuple[int, int] | None]] = {
    types_pb2.DT_FLOAT: ("float_val", None),
    types_pb2.DT_DOUBLE: ("double_val", None),
    types_pb2.DT_INT8: ("int_val", _INT32),
    types_pb2.DT_INT16: ("int_val", _INT32),
    types_pb2.DT_INT32: ("int_val", _INT32),
    types_pb2.DT_UINT8: ("int_val", _INT32),
    types_pb2.DT_INT64: ("int64_val", (-(2**63), 2**63 - 1)),
    types_pb2.DT_UINT32: ("uint32_val", (0, 2**32 - 1)),
    types_pb2.DT_UINT64: ("uint64_val", (0, 2**64 - 1)),
    types_pb2.DT_BOOL: ("bool_val", None),
    types_pb2.DT_STRING: ("string_val", None),
}


def fill_predict_request(body: bytes, request: PredictRequest, find_inputs: Callable[[str], Inputs]) -> bool:
    """Fills ``request`` with the signature name and inputs in ``body``; True if they are in row format.

    ``find_inputs`` gives the inputs of a signature by its name. Raises StatusError INVALID_ARGUMENT where the body is
    not JSON, or not a request with those inputs.
    """
    document = _parse(body)
    try:
        return _fill_from(document, request, find_inputs)
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: the lists are nested too deep") from error


def _fill_from(document: JsonObject, request: PredictRequest, find_inputs: Callable[[str], Inputs]) -> bool:
    if "signature_name" in document:
        if not isinstance(document["signature_name"], str):
            message = (
                f"JSON Value: {_debug(document)} not formatted correctly. 'signature_name' key must be a string value."
            )
            raise invalid_argument(message)
        request.model_spec.signature_name = document["signature_name"].encode("utf-8", errors="replace")
    inputs = find_inputs(request.model_spec.signature_name)
    if not inputs:
        raise invalid_argument(
            f"Failed to get input map for signature: {request.model_spec.signature_name or 'DEFAULT'}"
        )
    if "instances" in document and "inputs" in document:
        message = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        raise invalid_argument(f"JSON Value: {_debug(document)} {message}")
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid_argument(f"JSON Value: {_debug(document)} Expecting 'instances' to be an list/array")
        if not instances:
            raise invalid_argument(f"JSON Value: {_debug(document)} No values in 'instances' array")
        _fill_rows(instances, inputs, request)
        return True
    if "inputs" in document:
        _fill_columns(document["inputs"], inputs, request)
        return False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _parse(body: bytes) -> JsonObject:
    document = parse_json(body)
    if not isinstance(document, JsonObject):
        raise invalid_argument(f"JSON Value: {_debug(document)} Is not object")
    return document


def _fill_rows(instances: list[Any], inputs: Inputs, request: PredictRequest) -> None:
    """Batches the instances, each a plain value of the sole input or an object with a value for every input."""
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    named = _is_object(instances[0])
    shapes: dict[str, list[int]] = {}
    sole = next(iter(inputs))
    for number, instance in enumerate(instances):
        if named and not _is_object(instance):
            raise invalid_argument(f"Expecting object but got list at item {number} of input list")
        if not named and _is_object(instance):
            raise invalid_argument(f"Expecting value/list but got object at item {number} of input list")
        for name, value in instance.members if named else [(sole, instance)]:
            try:
                _add_instance(name, value, inputs, shapes, request)
            except StatusError as error:
                key = f" key: {name}" if named else ""
                message = f"Failed to process element: {number}{key} of 'instances' list. Error: {error}"
                raise invalid_argument(message) from error
        if named and set(instance) != set(inputs):
            raise invalid_argument(
                f"Failed to process element: {number} of 'instances' list. JSON object: {_debug(instance)} "
                f"keys must be equal to: {','.join(sorted(inputs))}"
            )
    for name, shape in shapes.items():
        _set_shape(request.inputs[name], [len(instances), *shape])


def _add_instance(name: str, value: Any, inputs: Inputs, shapes: dict[str, list[int]], request: PredictRequest) -> None:
    if name not in inputs:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    shape = _shape_of(value)
    request.inputs[name].dtype = inputs[name].dtype
    _fill(request.inputs[name], value, shape)
    expected = shapes.setdefault(name, shape)
    if math.prod(expected) != math.prod(shape):
        raise invalid_argument(f"Expecting tensor size: {math.prod(expected)} but got: {math.prod(shape)}")
    if expected != shape:
        raise invalid_argument(f"Expecting shape {_listed(expected)} but got: {_listed(shape)}")


def _fill_columns(value: Any, inputs: Inputs, request: PredictRequest) -> None:
    """Whole tensors: the value of the sole input, or an object with one value for every input."""
    if _is_object(value):
        columns = value
    elif len(inputs) == 1:
        columns = {next(iter(inputs)): value}
    else:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple "
            "input tensors required as per tensorinfo_map"
        )
    for name, info in inputs.items():
        if name not in columns:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        shape = _shape_of(columns[name])
        tensor = request.inputs[name]
        tensor.dtype = info.dtype
        _fill(tensor, columns[name], shape)
        _set_shape(tensor, shape)


def _fill(tensor: TensorProto, value: Any, shape: list[int], level: int = 0) -> None:
    """Appends the leaves of ``value`` to the field of ``tensor``; they must fill ``shape`` exactly."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {_debug(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        _append(tensor, value)
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for element in value:
        _fill(tensor, element, shape, level + 1)


def _append(tensor: TensorProto, value: Any) -> None:
    dtype = tensor.dtype
    if dtype not in _FIELDS:
        message = f"Conversion of JSON Value: {_debug(value)} to type: {dtype_name(dtype)}"
        raise StatusError(StatusCode.UNIMPLEMENTED, message)
    field, whole = _FIELDS[dtype]
    if dtype == types_pb2.DT_STRING and isinstance(value, JsonObject):
        tensor.string_val.append(_decoded(value))
    elif dtype == types_pb2.DT_STRING and isinstance(value, str):
        tensor.string_val.append(_bytes_of(value))
    elif dtype == types_pb2.DT_BOOL and isinstance(value, bool):
        tensor.bool_val.append(value)
    elif whole is not None and type(value) is int and whole[0] <= value <= whole[1]:
        getattr(tensor, field).append(value)
    elif field in ("float_val", "double_val") and type(value) in (int, float):
        try:
            getattr(tensor, field).append(float(value))
        except OverflowError as error:
            raise invalid_argument("JSON Parse error: Number too big to be stored in double.") from error
    else:
        raise invalid_argument(
            f"JSON Value: {_debug(value)} Type: {_type_name(value)} is not of expected type: {dtype_name(dtype)}"
        )


def _decoded(value: JsonObject) -> bytes:
    if not _is_base64(value):
        raise invalid_argument(f"JSON Value: {_debug(value)} not formatted correctly for base64 data")
    # As absl::Base64Unescape: white space anywhere, and the padding whole, in one of two characters, or not at all.
    encoded = re.sub(r"[ \t\n\v\f\r]", "", value[_BASE64])
    digits = encoded.rstrip("=.")
    padding = -len(digits) % 4
    try:
        if len(encoded) - len(digits) not in (0, padding):
            raise ValueError("the padding is not whole")
        return base64.b64decode(digits + "=" * padding, validate=True)
    except ValueError as error:
        raise invalid_argument("Unable to base64 decode") from error


def _bytes_of(text: str) -> bytes:
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid_argument("JSON Parse error: The surrogate pair in string is invalid.") from error


def _shape_of(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _set_shape(tensor: TensorProto, shape: list[int]) -> None:
    del tensor.tensor_shape.dim[:]
    for size in shape:
        tensor.tensor_shape.dim.add().size = size


def _is_base64(value: Any) -> bool:
    return (
        isinstance(value, JsonObject)
        and [name for name, _ in value.members] == [_BASE64]
        and isinstance(value[_BASE64], str)
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, JsonObject) and not _is_base64(value)


def _type_name(value: Any) -> str:
    return str(value) if isinstance(value, bool) else _JSON_TYPES[type(value)]


def _listed(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _debug(value: Any) -> str:
    """A JSON value as a message quotes it."""
    return quoted_json(value, _DEBUG_LIMIT)
