"""The part of TensorFlow Serving's protocol that a client of the translator speaks, without TensorFlow.

The generated modules of tensorflow-serving-api import TensorFlow, which costs seconds and gigabytes. These
messages have the same field numbers and types, hence the same bytes on the wire, and live in a descriptor pool
of their own, so that both can be in one process. Source: predict.proto, model.proto and get_model_status.proto of
tensorflow_serving/apis; tensor.proto, tensor_shape.proto and types.proto of tensorflow/core/framework.
"""

from __future__ import annotations

from workspace.protobuf import message_classes

DT_FLOAT = 1
DT_INT32 = 3
DT_STRING = 7
DT_INT64 = 9
AVAILABLE = 30

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

_classes = message_classes(
    "translation.wire",
    {
        "Dim": {"size": (1, "int64")},
        "TensorShape": {"dim": (2, "repeated Dim")},
        "Tensor": {
            "dtype": (1, "int32"),
            "tensor_shape": (2, "TensorShape"),
            "float_val": (5, "repeated float"),
            "int_val": (7, "repeated int32"),
            "string_val": (8, "repeated bytes"),
            "int64_val": (10, "repeated int64"),
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
    },
)


PredictRequest = _classes["PredictRequest"]
PredictResponse = _classes["PredictResponse"]
GetModelStatusRequest = _classes["GetModelStatusRequest"]
GetModelStatusResponse = _classes["GetModelStatusResponse"]
