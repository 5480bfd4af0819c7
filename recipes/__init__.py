"""What a run is: its validated settings, its files, its stages, and how its commands behave."""

from recipes import at_once  # noqa: F401
