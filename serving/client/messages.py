"""The part of TensorFlow Serving's protocol that a client of the translator speaks, without TensorFlow.

The generated modules of tensorflow-serving-api import TensorFlow, which costs seconds and gigabytes. These
messages have the same field numbers and types, hence the same bytes on the wire, and live in a descriptor pool
of their own, so that both can be in one process. Source: predict.proto, model.proto and get_model_status.proto of
tensorflow_serving/apis; tensor.proto, tensor_shape.proto and types.proto of tensorflow/core/framework.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DT_STRING = 7
AVAILABLE = 30

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

_PACKAGE = "translation.wire"
_SCALARS = {
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}

# message: field = number, type; enums are int32 on the wire, a map is a repeated entry of key and value.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Dim": {"size": (1, "int64")},
    "TensorShape": {"dim": (2, "repeated Dim")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShape"),
        "float_val": (5, "repeated float"),
        "string_val": (8, "repeated bytes"),
    },
    "NamedTensor": {"key": (1, "string"), "value": (2, "Tensor")},
    "Int64Value": {"value": (1, "int64")},
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "repeated NamedTensor")},
    "PredictResponse": {"outputs": (1, "repeated NamedTensor")},
    "ModelVersionStatus": {"version": (1, "int64"), "state": (2, "int32")},
    "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
    "GetModelStatusResponse": {"model_version_status": (1, "repeated ModelVersionStatus")},
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="translation/wire.proto", package=_PACKAGE, syntax="proto3")
    for message_name, message_fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, declared) in message_fields.items():
            type_name = declared.removeprefix("repeated ")
            field = message.field.add(name=field_name, number=number)
            repeated = declared != type_name
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if type_name in _SCALARS:
                field.type = _SCALARS[type_name]
            else:
                field.type = field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{type_name}"
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _message_class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


PredictRequest = _message_class("PredictRequest")
PredictResponse = _message_class("PredictResponse")
GetModelStatusRequest = _message_class("GetModelStatusRequest")
GetModelStatusResponse = _message_class("GetModelStatusResponse")
