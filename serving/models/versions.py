"""The versions of a served model: found under its base path, loaded, swapped and unloaded.

Numeric sub-directories are versions, and the configuration says which of them are wanted. A new version loads before
the last old one unloads, and one that does not load leaves the old one serving. The states are those of
tensorflow_serving/apis/get_model_status.proto, the order of events that of TensorFlow Serving's
availability-preserving policy (availability_preserving_policy.cc).
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from serving.models.saved_model import SavedModel
from serving.protocol.model_config import chosen_versions
from serving.protocol.status import StatusError, not_found
from workspace.errors import UserError
from workspace.layout import SAVED_MODEL
from workspace.listing import entries, exists, is_directory, is_file
from workspace.locations import Location, located

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
    """One model and its versions. ``scan`` and ``reconcile`` are for a single thread; the rest is for any."""

    def __init__(self, name: str, load: Callable[[Location], SavedModel], retries: Retries):
        """``load`` takes a version's directory and gives a model that is ready to answer."""
        self.name = name
        self._load_version = load
        self._retries = retries
        self._config: ModelConfig | None = None
        self._wanted: dict[int, Location] = {}
        self._attempts: dict[int, _Attempts] = {}
        self._complaint = ""
        # Guards the two below, and is notified of every change to them.
        self._changed = threading.Condition()
        self._loaded: dict[int, _Loaded] = {}
        self._states: dict[int, ModelVersionStatus] = {}

    @property
    def base_path(self) -> str:
        """The directory of its versions; empty while the model is not served."""
        return str(self._config.base_path) if self._config else ""

    @contextlib.contextmanager
    def lease(self, version: int | None) -> Iterator[tuple[int, SavedModel]]:
        """The version asked for, or the newest loaded; it stays loaded until the block ends.

        Raises StatusError NOT_FOUND where that version is not loaded, or none is.
        """
        with self._changed:
            number = max(self._loaded, default=None) if version is None else version
            loaded = None if number is None else self._loaded.get(number)
            if number is None or loaded is None:
                raise servable_not_found(self.name, version)
            loaded.leases += 1
        try:
            yield number, loaded.model
        finally:
            with self._changed:
                loaded.leases -= 1
                self._changed.notify_all()

    def states(self) -> list[ModelVersionStatus]:
        """The states of all versions seen so far, the newest first; those that have ended are among them."""
        with self._changed:
            return [self._states[version] for version in sorted(self._states, reverse=True)]

    def is_available(self, version: int) -> bool:
        with self._changed:
            return version in self._loaded

    def wait_until_settled(self, timeout: float) -> bool:
        """Whether a version is loaded, or the newest is given up (see ``failure``), within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._loaded) or self._failed() is not None, timeout)

    def failure(self) -> ModelVersionStatus | None:
        """The state of the newest version if that is given up and none is loaded, else None."""
        with self._changed:
            return None if self._loaded else self._failed()

    def configure(self, config: ModelConfig | None) -> bool:
        """From now on serves what ``config`` says, nothing for None; gives whether the model is newly served."""
        was_served = self._config is not None
        if config is not None and not was_served:
            with self._changed:  # how its versions ended when it was last served no longer matters
                self._states = {v: s for v, s in self._states.items() if s.state != ModelVersionStatus.END}
        self._config = config
        return config is not None and not was_served

    def scan(self) -> None:
        """Looks under the base path for the versions that should be served."""
        config = self._config
        if config is None:
            self._wanted = {}
            return
        base_path = located(config.base_path)
        try:
            found = {int(path.name): path for path in entries(base_path) if self._is_version(path)}
            if not found and not is_directory(base_path):
                why = errno.ENOTDIR if exists(base_path) else errno.ENOENT
                raise OSError(why, os.strerror(why))
        except (OSError, UserError) as error:
            # A base path that is out of reach for a moment (a remote disk) must not unload anything.
            reason = error.strerror if isinstance(error, OSError) else error
            self._complain(f"cannot read base path {base_path} of model {self.name}: {reason}")
            return
        policy = config.model_version_policy
        self._wanted = chosen_versions(policy, found)
        missing = sorted(set(policy.specific.versions) - set(found))
        if missing:
            self._complain(f"version {missing[0]} of model {self.name}, which is to be served, is not in {base_path}")
        else:
            self._complain("" if found else f"no version of model {self.name} in {base_path} yet: waiting for one")

    def reconcile(self) -> None:
        """Loads the wanted versions that are due, and unloads the others as soon as they can be spared."""
        for version in [version for version in self._attempts if version not in self._wanted]:
            del self._attempts[version]
            failed = self._states[version].status
            self._set_state(version, ModelVersionStatus.END, failed.error_code, failed.error_message)
        self._unload_the_replaced()
        for version in sorted(self._wanted, reverse=True):
            if version not in self._loaded and self._is_due(version):
                self._load(version, self._wanted[version])
                self._unload_the_replaced()

    def _is_version(self, path: Location) -> bool:
        """A name that is not a number is a version still being written, or no version at all. Of one that is written
        into an object store, the SavedModel comes last."""
        name = path.name
        if not (name.isascii() and name.isdigit() and int(name) <= _LARGEST_VERSION):
            return False
        if isinstance(path, Path):
            return path.is_dir()
        return int(name) in self._loaded or is_file(path / SAVED_MODEL)

    def _unload_the_replaced(self) -> None:
        """Unloads the versions that are not wanted; the newest of them stays until one that is wanted is loaded."""
        replaced = sorted(version for version in self._loaded if version not in self._wanted)
        if self._wanted and not any(version in self._loaded for version in self._wanted):
            replaced = replaced[:-1]
        for version in replaced:
            self._unload(version, drain=True)

    def _is_due(self, version: int) -> bool:
        attempts = self._attempts.get(version)
        if attempts is None:
            return True
        return attempts.failures <= self._retries.count and time.monotonic() >= attempts.next_at

    def next_retry(self) -> float | None:
        """When the next attempt at a failing version is due, by ``time.monotonic``; None where there is none."""
        pending = [
            a.next_at for v, a in self._attempts.items() if a.failures <= self._retries.count and v in self._wanted
        ]
        return min(pending, default=None)

    def close(self) -> None:
        """Unloads everything; requests still under way end as cancelled."""
        for version in list(self._loaded):
            self._unload(version, drain=False)

    def _load(self, version: int, path: Location) -> None:
        self._set_state(version, ModelVersionStatus.LOADING)
        began = time.monotonic()
        try:
            model = self._load_version(path)
        except Exception as error:  # whatever is in the files, the server goes on with what it has
            self._load_failed(version, error)
            return
        self._attempts.pop(version, None)
        with self._changed:
            self._loaded[version] = _Loaded(model)
        self._set_state(version, ModelVersionStatus.AVAILABLE)
        log(f"loaded version {version} of model {self.name} in {time.monotonic() - began:.1f} s")

    def _load_failed(self, version: int, error: Exception) -> None:
        failures = self._attempts[version].failures + 1 if version in self._attempts else 1
        self._attempts[version] = _Attempts(failures, time.monotonic() + self._retries.interval)
        code, message = _status(error)
        again = failures <= self._retries.count
        self._set_state(version, ModelVersionStatus.LOADING if again else ModelVersionStatus.END, code, message)
        then = f"trying again in {self._retries.interval:g} s" if again else "giving it up"
        attempt = f"attempt {failures} of {self._retries.count + 1}"
        log(f"version {version} of model {self.name} does not load ({attempt}, {then}): {message}")

    def _unload(self, version: int, drain: bool) -> None:
        """Takes the version out of service; with ``drain`` it is freed when its last request has ended."""
        self._set_state(version, ModelVersionStatus.UNLOADING)
        with self._changed:
            loaded = self._loaded.pop(version)
            if drain:
                self._changed.wait_for(lambda: loaded.leases == 0)
        loaded.model.close()
        self._set_state(version, ModelVersionStatus.END)
        log(f"unloaded version {version} of model {self.name}")

    def _set_state(self, version: int, state: ModelVersionStatus.State, code: int = 0, message: str = "") -> None:
        status = ModelVersionStatus(version=version, state=state)
        status.status.error_code = code
        status.status.error_message = message
        with self._changed:
            self._states[version] = status
            self._changed.notify_all()

    def _failed(self) -> ModelVersionStatus | None:
        """The state of the newest version, where its attempts are used up; not of one that has been taken away."""
        newest = self._states[max(self._states)] if self._states else None
        is_failed = newest and newest.state == ModelVersionStatus.END and newest.version in self._attempts
        return newest if is_failed else None

    def _complain(self, complaint: str) -> None:
        """Says what is wrong with the base path once, not at every poll."""
        if complaint and complaint != self._complaint:
            log(complaint)
        self._complaint = complaint


def log(message: str) -> None:
    """Writes what a server reports of itself to standard error, a line at a time."""
    print(message, file=sys.stderr, flush=True)


def _status(error: Exception) -> tuple[int, str]:
    """The canonical code and the message."""
    if isinstance(error, StatusError):
        return error.code.value[0], error.message
    if isinstance(error, tf.errors.OpError):
        return error.error_code, error.message
    return _UNKNOWN, str(error)


def servable_not_found(name: str, version: int | None) -> Exception:
    request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return not_found(f"Servable not found for request: {request}")
