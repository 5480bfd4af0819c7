"""Where and how the project's Beam jobs run: on this machine, on Flink, on what Beam's flags name."""
