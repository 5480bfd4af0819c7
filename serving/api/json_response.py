"""Answers of the REST API, as JSON.

A request in row format is answered by ``{"predictions": [...]}``, one element per example; one in columnar format by
``{"outputs": ...}``, whole tensors. A sole output is not named. A string output is binary, ``{"b64": ...}``, where its
name ends in ``_bytes``. Follows TensorFlow Serving's util/json_tensor.cc, its number formats included.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from serving.api.predict import Prediction
from serving.protocol.status import invalid_argument
from serving.protocol.tensors import dtype_name

_BYTES_SUFFIX = "_bytes"
_INDENT = "    "

_WHOLE = {
    types_pb2.DT_INT8,
    types_pb2.DT_INT16,
    types_pb2.DT_INT32,
    types_pb2.DT_INT64,
    types_pb2.DT_UINT8,
    types_pb2.DT_UINT32,
    types_pb2.DT_UINT64,
}

# A JSON value with leaves that are JSON text already.
_Node = dict[str, Any] | list[Any] | str


def prediction_json(prediction: Prediction, row_format: bool) -> bytes:
    """The outputs, in the format of their request.

    Floats have six digits where these read back the same, else nine (doubles seventeen); NaN and Infinity are bare
    tokens. Raises StatusError INVALID_ARGUMENT where JSON has no form for an output's dtype, or the outputs have no
    common batch size and so cannot be cut into rows.
    """
    if row_format:
        _check_batch_sizes(prediction)
    rendered = {name: _rendered(name, array, prediction) for name, array in prediction.outputs.items()}
    if not row_format:
        return _document({"outputs": _unnamed_if_sole(rendered)})
    rows = [dict(zip(rendered, row, strict=True)) for row in zip(*rendered.values(), strict=True)]
    return _document({"predictions": [_unnamed_if_sole(row) for row in rows]})


def error_json(message: str) -> bytes:
    # A message may quote what is not UTF-8.
    readable = message.encode("utf-8", errors="replace").decode("utf-8")
    return _document({"error": json.dumps(readable, ensure_ascii=False)})


def _check_batch_sizes(prediction: Prediction) -> None:
    batch_size = None
    for name, array in prediction.outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch_size not in (None, len(array)):
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch_size}"
            )
        batch_size = len(array)


def _rendered(name: str, array: np.ndarray, prediction: Prediction) -> _Node:
    dtype = tf.as_dtype(prediction.signature.outputs[name].dtype).base_dtype.as_datatype_enum
    leaf: Callable[[Any], _Node]
    if dtype == types_pb2.DT_STRING:
        leaf = _base64 if name.endswith(_BYTES_SUFFIX) else _string
    elif dtype == types_pb2.DT_FLOAT:
        leaf = _float32
    elif dtype == types_pb2.DT_DOUBLE:
        leaf = _float64
    elif dtype in _WHOLE:
        leaf = str
    elif dtype == types_pb2.DT_BOOL:
        leaf = json.dumps
    else:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {dtype_name(dtype)}")
    return _nested(array.tolist(), leaf)


def _nested(value: Any, leaf: Callable[[Any], _Node]) -> _Node:
    return [_nested(element, leaf) for element in value] if isinstance(value, list) else leaf(value)


def _string(value: bytes | str) -> str:
    # Bytes that are not UTF-8 pass through as they are.
    text = value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else value
    return json.dumps(text, ensure_ascii=False)


def _base64(value: bytes | str) -> _Node:
    encoded = base64.b64encode(value.encode() if isinstance(value, str) else value)
    return {"b64": f'"{encoded.decode("ascii")}"'}


def _float32(value: float) -> str:
    return _decimal(value, 9, lambda text: float(np.float32(text)) == value)


def _float64(value: float) -> str:
    return _decimal(value, 17, lambda text: float(text) == value)


def _decimal(value: float, digits: int, reads_back: Callable[[str], bool]) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:.6g}"
    if not reads_back(text):
        text = f"{value:.{digits}g}"
    # A whole number keeps its point, so that a list of floats has one type.
    return text if "." in text or "e" in text else text + ".0"


def _unnamed_if_sole(outputs: dict[str, _Node]) -> _Node:
    return outputs if len(outputs) > 1 else next(iter(outputs.values()))


def _document(node: _Node) -> bytes:
    return _text(node, "").encode("utf-8", errors="surrogateescape")


def _text(node: _Node, indent: str) -> str:
    """An object takes a line per member, a list of objects a line per element, any other list a single line."""
    deeper = indent + _INDENT
    if isinstance(node, str):
        return node
    if isinstance(node, dict):
        members = ",\n".join(f"{deeper}{json.dumps(key)}: {_text(value, deeper)}" for key, value in node.items())
        return f"{{\n{members}\n{indent}}}"
    if any(isinstance(element, dict) for element in node):
        elements = ",\n".join(deeper + _text(element, deeper) for element in node)
        return f"[\n{elements}\n{indent}]"
    return "[" + ", ".join(_text(element, indent) for element in node) + "]"
