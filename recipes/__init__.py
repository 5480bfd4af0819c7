"""What a run is: its validated settings, its files, its stages, and how its commands behave."""
