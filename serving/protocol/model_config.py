"""What to serve: ModelServerConfig, TensorFlow Serving's description of models, their versions and labels.

Protocol: tensorflow_serving/config/model_server_config.proto and, for the policies,
file_system_storage_path_source.proto. What is refused, and with which words, is in server_core.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from google.protobuf import text_format
from grpc import StatusCode
from tensorflow_serving.config.file_system_storage_path_source_pb2 import FileSystemStoragePathSourceConfig
from tensorflow_serving.config.model_server_config_pb2 import (
    MODEL_TYPE_UNSPECIFIED,
    TENSORFLOW,
    ModelConfig,
    ModelServerConfig,
)

from serving.protocol.status import StatusError, invalid_argument
from workspace.errors import UserError
from workspace.locations import Location, is_url
from workspace.storage import read_bytes

PLATFORM = "tensorflow"


def read_model_config(path: Path) -> ModelServerConfig:
    """Raises UserError where the file cannot be read or holds something else."""
    try:
        return text_format.Parse(read_bytes(path), ModelServerConfig())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give the file of a ModelServerConfig") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        message = f"Error parsing text-format {ModelServerConfig.DESCRIPTOR.full_name}: {error}"
        raise UserError(f"{message}; correct {path}") from error


def single_model(name: str, base_path: Location) -> ModelServerConfig:
    """One model and the newest version of it."""
    config = ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=str(base_path), model_platform=PLATFORM)
    return config


def check(config: ModelServerConfig, served: ModelServerConfig) -> None:
    """Raises StatusError where ``config`` cannot be served, or not after ``served``."""
    if config.WhichOneof("config") == "custom_model_config":
        raise StatusError(
            StatusCode.FAILED_PRECONDITION,
            "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to "
            "another.",
        )
    platforms = {model.name: _platform(model) for model in served.model_config_list.config}
    names = set()
    for model in config.model_config_list.config:
        if model.name in names:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in config.model_config_list.config:
        if not (model.base_path.startswith("/") or is_url(model.base_path)):
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
    for model in config.model_config_list.config:
        platform = _platform(model)
        if platform != platforms.get(model.name, platform):
            raise invalid_argument(
                f"Illegal to change a model's platform. For model {model.name} platform was {platforms[model.name]} "
                f"and new platform requested is {platform}"
            )
        if platform != PLATFORM:
            raise invalid_argument(f"Model {model.name} requests unsupported platform {platform}")


def chosen_versions(
    policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy, found: Mapping[int, Location]
) -> dict[int, Location]:
    """Those of the versions ``found`` that the policy wants: the newest where it says nothing."""
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return dict(found)
    if kind == "specific":
        return {version: found[version] for version in policy.specific.versions if version in found}
    newest = sorted(found)[-max(1, policy.latest.num_versions) :]
    return {version: found[version] for version in newest}


def _platform(model: ModelConfig) -> str:
    if model.model_type and model.model_platform:
        raise invalid_argument(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            f"model name is {model.name}"
        )
    if model.model_type not in (MODEL_TYPE_UNSPECIFIED, TENSORFLOW):
        raise invalid_argument(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
    platform = str(model.model_platform or (PLATFORM if model.model_type == TENSORFLOW else ""))
    if not platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
            f"model name is {model.name}"
        )
    return platform
