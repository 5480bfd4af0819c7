"""The trainings and networks that tests share."""

from __future__ import annotations

from pathlib import Path

from tests import silent_tensorflow  # noqa: F401

# isort: split

from collections.abc import Iterator

import pytest

from model.network.network import Network
from model.training import tensorboard
from model.training.loop import train
from tests.model.shards import recipe_for, write_data
from tests.model.support import NETWORKS, TINY, small_network
from workspace.layout import WorkDirectory


@pytest.fixture(scope="package", autouse=True)
def no_pictures() -> Iterator[None]:
    """No alignments are drawn: that is half of the time of a small training. test_tensorboard.py has them drawn."""
    pictures, tensorboard.PICTURES = tensorboard.PICTURES, 0
    yield
    tensorboard.PICTURES = pictures


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    """For tests that leave its weights as they are."""
    return small_network(**request.param)


@pytest.fixture(scope="session")
def of_one_replica(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    """A finished training on one replica, for others to be compared with; its data is to be copied, not touched."""
    recipe = recipe_for(dropout=0.0, evaluate_every=10)
    work = write_data(tmp_path_factory.mktemp("one") / "run", recipe)
    train(work, recipe)
    return work


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    """A finished training of TINY, for its evaluation and export."""
    work = write_data(tmp_path_factory.mktemp("tiny") / "run", TINY)
    train(work, TINY)
    return work
