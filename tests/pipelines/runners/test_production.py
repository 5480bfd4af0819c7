"""The files for workers of a cluster are what they are meant for, by parsers that are not ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[3]
PRODUCTION = ROOT / "pipelines" / "runners" / "production"
DOCKERFILE = PRODUCTION / "Dockerfile"


@pytest.mark.slow
def test_the_image_is_of_the_version_of_beam_that_jobs_are_started_with() -> None:
    linted = subprocess.run(
        [shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint", str(DOCKERFILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, "")
    found = re.search(r"^FROM apache/beam_python\$\{PYTHON\}_sdk:(.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    assert f"\napache-beam=={found[1]}\n" in (ROOT / "constraints.txt").read_text()


def test_a_task_manager_has_a_pool_where_jobs_are_told_that_it_is() -> None:
    pod = yaml.safe_load((PRODUCTION / "task-manager.yaml").read_text())
    kubernetes_validate.validate(pod, "1.37", strict=True)
    # The name by which Flink knows its own.
    flink, pool = pod["spec"]["containers"]
    assert flink["name"] == "flink-main-container"
    port = pool["command"][-1].removeprefix("--service_port=")
    assert f"--environment_config=localhost:{port}" in (ROOT / "docs" / "scaling.md").read_text()
