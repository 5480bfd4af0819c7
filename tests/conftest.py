"""For every test."""

from __future__ import annotations

import signal

from hypothesis import settings

from recipes.foreign_lines import quiet_tensorflow

quiet_tensorflow()

# A suite started in the background inherits an ignored SIGINT and hands it on to the commands that tests
# interrupt; with a handler here, they begin as they would at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
