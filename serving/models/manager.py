"""The served models by name, and the labels of their versions, as the newest configuration says.

What a new configuration does, and which ones are refused, follows TensorFlow Serving's server_core.cc.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from grpc import StatusCode
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.models.saved_model import SavedModel
from serving.models.versions import ServedModel, log, servable_not_found
from serving.protocol.model_config import check, read_model_config
from serving.protocol.status import CODES, StatusError, invalid_argument
from workspace.errors import UserError

_SECONDS_BETWEEN_LOOKS = 0.1  # at whether the caller still waits


class ModelManager:
    """Keeps the models up to date, in a thread of its own that polls their base paths.

    new_model: makes the model of a name; poll_wait_seconds: the time between two polls, where 0 polls once and after
    each new configuration, and a negative number never; labels_of_unavailable: whether a version may be given a label
    before it is loaded, as long as no other version has that label.
    """

    def __init__(
        self,
        new_model: Callable[[str], ServedModel],
        poll_wait_seconds: float,
        labels_of_unavailable: bool = False,
    ):
        self._new_model = new_model
        self._poll_wait = poll_wait_seconds
        self._labels_of_unavailable = labels_of_unavailable
        # Never changed, only replaced as a whole: that takes the lock, and requests need none.
        self._models: Mapping[str, ServedModel] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}
        self._config = ModelServerConfig()
        self._configuring = threading.Lock()
        self._config_file: tuple[Path, float] | None = None
        self._complaint = ""
        self._wake = threading.Event()
        self._is_new = False
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_up_to_date, name="versions")

    def start(self, config: ModelServerConfig, config_file: tuple[Path, float] | None = None) -> None:
        """Serves ``config``, and later what ``config_file`` says, a path and the seconds between two readings of it.

        Raises StatusError where ``config`` is refused.
        """
        self._config_file = config_file
        self._apply(config)
        self._thread.start()

    def stop(self) -> None:
        """Ends the polling and unloads every model; requests still under way end as cancelled."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        for model in self._models.values():
            model.close()

    def wait_until_available(self, stopped: threading.Event) -> bool:
        """Waits until every model has a version loaded; False if ``stopped`` is set first.

        Raises UserError where a model's first version does not load.
        """
        for model in self._models.values():
            while not model.wait_until_settled(_SECONDS_BETWEEN_LOOKS):
                if stopped.is_set():
                    return False
            if failed := model.failure():
                raise UserError(
                    f"version {failed.version} of model {model.name} in {model.base_path} does not load: "
                    f"{failed.status.error_message}"
                )
        return not stopped.is_set()

    def reload(self, config: ModelServerConfig, is_waited_for: Callable[[], bool]) -> None:
        """Serves ``config`` in place of the current configuration; models that it leaves out are unloaded.

        Returns once every added model is available, given up or left out by a later configuration, or nobody waits any
        more. Raises StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION where the configuration is refused, and then
        nothing has changed; UNKNOWN where an added model does not become available.
        """
        if config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        added = self._apply(config)
        for model in added:
            while model.base_path and not model.wait_until_settled(_SECONDS_BETWEEN_LOOKS):
                if not is_waited_for() or self._stopping:
                    return
        if failed := [why for model in added if (why := _why_unavailable(model))]:
            raise StatusError(
                StatusCode.UNKNOWN, f"{len(failed)} model(s) did not become available: {{{''.join(failed)}}}"
            )

    @contextlib.contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[tuple[int, SavedModel]]:
        """The version that ``spec`` asks for by number or label, else the newest; it stays loaded until the block ends.

        Raises StatusError: INVALID_ARGUMENT for a missing name or an unknown label, NOT_FOUND where no such version is
        loaded.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        version = spec.version.value if spec.HasField("version") else None
        if spec.WhichOneof("version_choice") == "version_label":
            version = self._labels.get(spec.name, {}).get(spec.version_label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        model = self._models.get(spec.name)
        if model is None:
            raise servable_not_found(spec.name, version)
        with model.lease(version) as leased:
            yield leased

    def states(self, name: str) -> list[ModelVersionStatus]:
        """The states of the versions of model ``name``, the newest first; none for an unknown model."""
        return self._models[name].states() if name in self._models else []

    def available(self) -> list[tuple[str, int]]:
        """Name and number of every version that is loaded."""
        return [
            (name, state.version)
            for name, model in self._models.items()
            for state in model.states()
            if state.state == ModelVersionStatus.AVAILABLE
        ]

    def _apply(self, config: ModelServerConfig) -> list[ServedModel]:
        """Makes ``config`` the configuration, and gives the models that it adds.

        Raises StatusError where it is refused, and then has changed nothing.
        """
        with self._configuring:
            check(config, self._config)
            self._labels = self._labels_of(config)
            self._config = config
            configs = {model.name: model for model in config.model_config_list.config}
            added = {name: self._new_model(name) for name in configs if name not in self._models}
            self._models = {**self._models, **added}
            new = [model for name, model in self._models.items() if model.configure(configs.get(name))]
            self._is_new = True
            self._wake.set()
        return new

    def _labels_of(self, config: ModelServerConfig) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for model in config.model_config_list.config:
            served = self._models.get(model.name)
            for label, version in sorted(model.version_labels.items()):
                if not (served and served.is_available(version)) and not (
                    self._labels_of_unavailable and self._labels.get(model.name, {}).get(label, version) == version
                ):
                    raise StatusError(
                        StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {model.name}, which is not currently "
                        "available for inference",
                    )
                labels.setdefault(model.name, {})[label] = version
        return labels

    def _keep_up_to_date(self) -> None:
        now = time.monotonic()
        next_poll = now if self._poll_wait >= 0 else None
        next_read = now + self._config_file[1] if self._config_file else None
        while not self._stopping:
            self._wake.clear()
            now = time.monotonic()
            if next_read is not None and self._config_file and now >= next_read:
                self._read_config_file(self._config_file[0])
                next_read = now + self._config_file[1]
            if self._poll_wait >= 0 and (self._is_new or (next_poll is not None and now >= next_poll)):
                self._is_new = False
                for model in self._models.values():
                    model.scan()
                next_poll = now + self._poll_wait if self._poll_wait > 0 else None
            for model in self._models.values():
                model.reconcile()
            retries = (model.next_retry() for model in self._models.values())
            due = [at for at in (next_poll, next_read, *retries) if at is not None]
            self._wake.wait(max(0.0, min(due) - time.monotonic()) if due else None)

    def _read_config_file(self, path: Path) -> None:
        """Serves what the file says. A file that is refused changes nothing, and is reported once."""
        try:
            config = read_model_config(path)
            if config != self._config:
                self._apply(config)
        except (UserError, StatusError) as error:
            complaint = f"{path} is refused, the models stay as they are: {error}"
            if complaint != self._complaint:
                log(complaint)
            self._complaint = complaint
        else:
            self._complaint = ""


def _why_unavailable(model: ServedModel) -> str | None:
    """In TensorFlow Serving's words; None where it is available, or was."""
    if state := model.failure():
        code, message = CODES[state.status.error_code].name, state.status.error_message
        return f"{{{{name: {model.name} version: {state.version}}} due to error: {code}: {message}}}, "
    if not model.base_path and not model.states():
        return f"{{{{name: {model.name}}} due to error: ABORTED: it was left out by a later configuration}}, "
    return None
