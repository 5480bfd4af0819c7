"""The flags that say how a training is spread over devices and machines."""

from __future__ import annotations

import argparse
import os

from workspace.command import positive
from workspace.errors import UserError

# Described at model.devices.strategies.choose_strategy.
STRATEGIES = ("auto", "one", "mirrored", "multi_worker", "tpu")


def add_spread_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="auto",
        help="how the training is spread: over the devices of this machine (mirrored), the machines that TF_CONFIG "
        "names (multi_worker), the TPU that TPU_NAME names (tpu), or not at all (one); default: as the environment and "
        "the machine suggest",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="spread it over N processes of this machine")


def check_spread(options: argparse.Namespace) -> None:
    """Raises UserError where the two flags contradict each other, or the environment does not name what they need."""
    if options.workers is not None and options.strategy not in ("auto", "multi_worker"):
        raise UserError(f"--workers and --strategy {options.strategy} exclude one another; give one of them")
    if options.workers is None:
        check_is_named(options.strategy)


def check_is_named(strategy: str) -> None:
    """Raises UserError where the environment does not name what the strategy spreads a training over."""
    if strategy == "multi_worker" and not os.environ.get("TF_CONFIG"):
        raise UserError(
            "multi_worker needs the cluster in TF_CONFIG, which is not set; or start workers with --workers"
        )
    if strategy == "tpu" and not os.environ.get("TPU_NAME"):
        raise UserError("tpu needs the name of the TPU in TPU_NAME, which is not set; on a TPU VM it is local")
