"""A mount namespace of its own, for what must not be done to the machine."""

from __future__ import annotations

import shutil
import subprocess

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run([*NAMESPACE, "true"], check=False).returncode
