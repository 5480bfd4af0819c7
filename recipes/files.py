"""Several files in one value of make or of a flag: TEST_TGT='one.fr other.fr'."""

from __future__ import annotations

import shlex

from workspace.listing import is_file
from workspace.locations import is_url, located


def several(value: str) -> list[str]:
    """The files that a value names: one, whose name may have spaces, or several with spaces between them."""
    if not is_url(value) and is_file(located(value)):
        return [value]
    try:
        return shlex.split(value) or [value]
    except ValueError:  # a quote that is not closed
        return [value]
