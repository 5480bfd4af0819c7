"""What the server tells about its models: the signatures of a version, the states of all versions.

Follows TensorFlow Serving's get_model_metadata_impl.cc and get_model_status_impl.cc.
"""

from __future__ import annotations

from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse

from serving.models.manager import ModelManager
from serving.protocol.status import invalid_argument, not_found

SIGNATURE_DEF = "signature_def"  # the only metadata field there is


def get_model_metadata(models: ModelManager, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
    """The signatures of the version asked for. Raises StatusError INVALID_ARGUMENT or NOT_FOUND."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {field} is not supported")
    signatures = SignatureDefMap()
    response = GetModelMetadataResponse()
    with models.lease(request.model_spec) as (version, model):
        for name, signature in model.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
    response.model_spec.name = request.model_spec.name
    response.model_spec.version.value = version
    response.metadata[SIGNATURE_DEF].Pack(signatures)
    return response


def get_model_status(models: ModelManager, request: GetModelStatusRequest) -> GetModelStatusResponse:
    """The states of the version asked for, or of all of them. Raises StatusError INVALID_ARGUMENT or NOT_FOUND."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    states = models.states(spec.name)
    if spec.HasField("version"):
        states = [state for state in states if state.version == spec.version.value]
        if not states:
            raise not_found(f"Could not find version {spec.version.value} of model {spec.name}")
    elif not states:
        raise not_found(f"Could not find any versions of model {spec.name}")
    return GetModelStatusResponse(model_version_status=states)
