"""The versions of a served model: found under its base path, loaded, swapped and unloaded.

Numeric sub-directories are versions and the newest is wanted. A new version loads before the old one
unloads, and one that does not load leaves the old one serving. The states are those of
tensorflow_serving/apis/get_model_status.proto, the order of events that of TensorFlow Serving's
availability-preserving policy.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from recipes.errors import UserError
from serving.batching import Batching
from serving.saved_model import SavedModel
from serving.status import invalid_argument, not_found

_UNKNOWN = 2  # canonical status code
_LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True)
class Retries:
    """How often a failing load is tried again, and how many seconds apart."""

    count: int = 5
    interval: float = 60.0


@dataclass
class _Loaded:
    model: SavedModel
    leases: int = 0


@dataclass
class _Attempts:
    failures: int
    next_at: float


class ServedModel:
    """One model and its versions. ``scan`` and ``reconcile`` belong to one thread; the rest to any."""

    def __init__(self, name: str, base_path: Path, retries: Retries, batching: Batching | None = None):
        self.name = name
        self.base_path = base_path
        self._retries = retries
        self._batching = batching
        self._wanted: dict[int, Path] = {}
        self._attempts: dict[int, _Attempts] = {}
        self._complaint = ""
        # Guards the two below and tells of every change of them.
        self._changed = threading.Condition()
        self._loaded: dict[int, _Loaded] = {}
        self._states: dict[int, ModelVersionStatus] = {}

    @contextlib.contextmanager
    def lease(self, version: int | None) -> Iterator[tuple[int, SavedModel]]:
        """The version asked for, or the newest loaded; it stays loaded until the block ends.

        Raises StatusError NOT_FOUND where that version, or any, is not loaded.
        """
        with self._changed:
            number = max(self._loaded, default=None) if version is None else version
            loaded = None if number is None else self._loaded.get(number)
            if number is None or loaded is None:
                raise _servable_not_found(self.name, version)
            loaded.leases += 1
        try:
            yield number, loaded.model
        finally:
            with self._changed:
                loaded.leases -= 1
                self._changed.notify_all()

    def states(self) -> list[ModelVersionStatus]:
        """Every version seen so far, the newest first, those that ended included."""
        with self._changed:
            return [self._states[version] for version in sorted(self._states, reverse=True)]

    def wait_for_first_version(self, timeout: float) -> bool:
        """Whether a version is loaded, now or within ``timeout`` seconds.

        Raises UserError when the first version found will not load and its retries are used up.
        """
        with self._changed:
            if self._changed.wait_for(lambda: bool(self._loaded) or self._failed() is not None, timeout):
                failed = self._failed()
                if not self._loaded and failed is not None:
                    raise UserError(
                        f"version {failed.version} of model {self.name} in {self.base_path} does not load: "
                        f"{failed.status.error_message}"
                    )
            return bool(self._loaded)

    def scan(self) -> None:
        """Looks under the base path for the version that should be served."""
        try:
            found = {int(path.name): path for path in self.base_path.iterdir() if _is_version(path)}
        except OSError as error:
            # A base path that is away for a moment (a remote disk) must not unload anything.
            self._complain(f"cannot read base path {self.base_path} of model {self.name}: {error.strerror}")
            return
        newest = max(found, default=None)
        self._wanted = {} if newest is None else {newest: found[newest]}
        self._complain("" if found else f"no version of model {self.name} in {self.base_path} yet: waiting for one")

    def reconcile(self) -> None:
        """Loads the wanted version where it is time to try, then unloads what it replaces."""
        for version in [version for version in self._attempts if version not in self._wanted]:
            del self._attempts[version]
        for version, path in self._wanted.items():
            attempts = self._attempts.get(version)
            due = attempts is None or (
                attempts.failures <= self._retries.count and time.monotonic() >= attempts.next_at
            )
            if version not in self._loaded and due:
                self._load(version, path)
        if not self._wanted or any(version in self._loaded for version in self._wanted):
            for version in [version for version in self._loaded if version not in self._wanted]:
                self._unload(version, drain=True)

    def next_retry(self) -> float | None:
        """When (``time.monotonic``) the next attempt at a failing version is due; None without one."""
        pending = [
            a.next_at for v, a in self._attempts.items() if a.failures <= self._retries.count and v in self._wanted
        ]
        return min(pending, default=None)

    def close(self) -> None:
        """Unloads everything; requests still under way end as cancelled."""
        for version in list(self._loaded):
            self._unload(version, drain=False)

    def _load(self, version: int, path: Path) -> None:
        self._set_state(version, ModelVersionStatus.LOADING)
        began = time.monotonic()
        try:
            model = SavedModel(path, self._batching)
        except Exception as error:  # whatever the files hold, the server goes on with what it has
            self._load_failed(version, error)
            return
        self._attempts.pop(version, None)
        with self._changed:
            self._loaded[version] = _Loaded(model)
        self._set_state(version, ModelVersionStatus.AVAILABLE)
        _log(f"loaded version {version} of model {self.name} in {time.monotonic() - began:.1f} s")

    def _load_failed(self, version: int, error: Exception) -> None:
        failures = self._attempts[version].failures + 1 if version in self._attempts else 1
        self._attempts[version] = _Attempts(failures, time.monotonic() + self._retries.interval)
        code, message = (
            (error.error_code, error.message) if isinstance(error, tf.errors.OpError) else (_UNKNOWN, str(error))
        )
        again = failures <= self._retries.count
        self._set_state(version, ModelVersionStatus.LOADING if again else ModelVersionStatus.END, code, message)
        then = f"trying again in {self._retries.interval:g} s" if again else "giving it up"
        attempt = f"attempt {failures} of {self._retries.count + 1}"
        _log(f"version {version} of model {self.name} does not load ({attempt}, {then}): {message}")

    def _unload(self, version: int, drain: bool) -> None:
        """Takes the version out of service; with ``drain`` it is freed when its last request has ended."""
        self._set_state(version, ModelVersionStatus.UNLOADING)
        with self._changed:
            loaded = self._loaded.pop(version)
            if drain:
                self._changed.wait_for(lambda: loaded.leases == 0)
        loaded.model.close()
        self._set_state(version, ModelVersionStatus.END)
        _log(f"unloaded version {version} of model {self.name}")

    def _set_state(self, version: int, state: ModelVersionStatus.State, code: int = 0, message: str = "") -> None:
        status = ModelVersionStatus(version=version, state=state)
        status.status.error_code = code
        status.status.error_message = message
        with self._changed:
            self._states[version] = status
            self._changed.notify_all()

    def _failed(self) -> ModelVersionStatus | None:
        newest = self._states[max(self._states)] if self._states else None
        return newest if newest and newest.state == ModelVersionStatus.END and newest.status.error_code else None

    def _complain(self, complaint: str) -> None:
        """Says what is wrong with the base path once, not at every poll."""
        if complaint and complaint != self._complaint:
            _log(complaint)
        self._complaint = complaint


class ModelManager:
    """The served models by name, kept up to date by one thread that polls their base paths."""

    def __init__(self, models: Sequence[ServedModel], poll_wait_seconds: float):
        """``poll_wait_seconds``: time between two polls; 0 polls once, a negative number never."""
        self._models = {model.name: model for model in models}
        self._poll_wait = poll_wait_seconds
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._keep_up_to_date, name="versions")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the polling and unloads every model; requests still under way end as cancelled."""
        self._wake.set()
        self._thread.join()
        for model in self._models.values():
            model.close()

    def wait_until_available(self, stopped: threading.Event) -> bool:
        """Waits until every model has a version loaded; False if ``stopped`` is set first.

        Raises UserError where a model's first version does not load.
        """
        waiting = list(self._models.values())
        while waiting and not stopped.is_set():
            waiting = [model for model in waiting if not model.wait_for_first_version(timeout=0.1)]
        return not waiting

    @contextlib.contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[tuple[int, SavedModel]]:
        """The version that ``spec`` asks for: by number, else the newest; it stays loaded for the block.

        Raises StatusError: INVALID_ARGUMENT without a name or with a label that is not assigned,
        NOT_FOUND where nothing like it is loaded.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        if spec.WhichOneof("version_choice") == "version_label":
            raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        version = spec.version.value if spec.HasField("version") else None
        if spec.name not in self._models:
            raise _servable_not_found(spec.name, version)
        with self._models[spec.name].lease(version) as leased:
            yield leased

    def states(self, name: str) -> list[ModelVersionStatus]:
        """The states of the versions of model ``name``, the newest first; none for an unknown model."""
        return self._models[name].states() if name in self._models else []

    def _keep_up_to_date(self) -> None:
        next_poll = time.monotonic() if self._poll_wait >= 0 else None
        while not self._wake.is_set():
            if next_poll is not None and time.monotonic() >= next_poll:
                for model in self._models.values():
                    model.scan()
                next_poll = time.monotonic() + self._poll_wait if self._poll_wait > 0 else None
            for model in self._models.values():
                model.reconcile()
            due = [at for at in (next_poll, *(model.next_retry() for model in self._models.values())) if at is not None]
            self._wake.wait(max(0.0, min(due) - time.monotonic()) if due else None)


def _log(message: str) -> None:
    """What a server says of itself goes to standard error, a line at a time."""
    print(message, file=sys.stderr, flush=True)


def _is_version(path: Path) -> bool:
    """Names that are not numbers are versions still being written, or no versions at all."""
    name = path.name
    return name.isascii() and name.isdigit() and int(name) <= _LARGEST_VERSION and path.is_dir()


def _servable_not_found(name: str, version: int | None) -> Exception:
    request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return not_found(f"Servable not found for request: {request}")
