"""The servers that tests share, each of a small SavedModel."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from tests.serving.support import Numbers, Running, running, save_text_model


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with version 1 of the text model."""
    base = tmp_path_factory.mktemp("text")
    save_text_model(base / "1", "one:")
    return base


@pytest.fixture(scope="session")
def text_server(text_model: Path) -> Iterator[Running]:
    with running(text_model, "rnnsearch") as server:
        yield server


@pytest.fixture(scope="session")
def numbers_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with version 7 of the numbers model."""
    base = tmp_path_factory.mktemp("numbers")
    model = Numbers()
    signatures = {
        name: getattr(model, name) for name in ("reciprocal", "total", "uneven", "blob", "fail", "slow", "endless")
    }
    tf.saved_model.save(model, str(base / "7"), signatures={"serving_default": model.add, **signatures})
    return base


@pytest.fixture(scope="session")
def numbers_server(numbers_model: Path) -> Iterator[Running]:
    with running(numbers_model, "numbers", rest_api_timeout_in_ms=300) as server:
        yield server
