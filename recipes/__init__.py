"""What a run is: its validated settings, and its stages."""

from workspace import at_once  # noqa: F401
