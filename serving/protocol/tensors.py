"""TensorProto to NumPy and back, in the fields TensorFlow Serving uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto

# The typed field of a TensorProto for each dtype; the dtypes absent here cannot be sent.
_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int8: "int_val",
    tf.int16: "int_val",
    tf.int32: "int_val",
    tf.uint8: "int_val",
    tf.uint16: "int_val",
    tf.uint32: "uint32_val",
    tf.int64: "int64_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    tf.half: "half_val",
    tf.bfloat16: "half_val",
    tf.complex64: "scomplex_val",
    tf.complex128: "dcomplex_val",
}

# A tensor may leave out values that are as the last one, so that a few bytes could ask for all memory there is; those
# that it has are a byte each at least.
MOST_ELEMENTS_LEFT_OUT = 1 << 24

_MOST_DIMENSIONS = 254

# Where TensorFlow Serving's name of a dtype is not TensorFlow's.
_NAMES = {tf.float32: "float", tf.float64: "double", tf.half: "half"}


def dtype_name(dtype: int) -> str:
    """The name that TensorFlow Serving's messages give the DataType number ``dtype``: ``float``, ``string``…"""
    known = tf.as_dtype(dtype)
    return _NAMES.get(known, known.name)


def array_of(tensor: TensorProto) -> np.ndarray:
    """The value of ``tensor``. Raises ValueError where fields and shape do not describe one, or one too large."""
    elements = _elements(tensor.tensor_shape)
    if elements > MOST_ELEMENTS_LEFT_OUT and elements > tensor.ByteSize():
        raise ValueError(f"{tensor.ByteSize()} bytes ask for {elements} elements")
    try:
        return tf.make_ndarray(_without_surplus(tensor, elements))
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _elements(shape: TensorShapeProto) -> int:
    """The size of a tensor of this shape. Raises ValueError where TensorFlow takes no tensor to have it (IsValid of
    tensor_shape.cc)."""
    if shape.unknown_rank:
        raise ValueError("a tensor of unknown rank")
    if len(shape.dim) > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor of {len(shape.dim)} dimensions")
    elements = 1
    for dim in shape.dim:
        elements *= dim.size
        if dim.size < 0 or elements >= 2**63:  # also where a dimension of none comes after
            raise ValueError(f"no tensor has the dimensions {[dim.size for dim in shape.dim]}")
    return elements


def _without_surplus(tensor: TensorProto, elements: int) -> TensorProto:
    """Of values that the shape has no place for TensorFlow takes the first."""
    field = _FIELDS.get(tf.as_dtype(tensor.dtype))
    most = 2 * elements if field in ("scomplex_val", "dcomplex_val") else elements
    if field is None or len(getattr(tensor, field)) <= most:
        return tensor
    fitting = TensorProto()
    fitting.CopyFrom(tensor)
    del getattr(fitting, field)[most:]
    return fitting


def tensor_of(array: np.ndarray, dtype: int) -> TensorProto:
    """``array`` as a TensorProto with the typed field of ``dtype`` filled, never ``tensor_content``."""
    known = tf.as_dtype(dtype).base_dtype  # of a reference to a variable, the variable's
    tensor = TensorProto(dtype=known.as_datatype_enum)
    tensor.tensor_shape.dim.extend(type(tensor.tensor_shape).Dim(size=size) for size in array.shape)
    field = _FIELDS[known]
    getattr(tensor, field).extend(_values(array.ravel(), field))
    return tensor


def _values(flat: np.ndarray, field: str) -> list[Any]:
    if field == "half_val":
        flat = flat.view(np.uint16)
    if field in ("scomplex_val", "dcomplex_val"):
        flat = flat.view(flat.real.dtype)
    if field == "string_val":
        return [value.encode() if isinstance(value, str) else value for value in flat.tolist()]
    return flat.tolist()
