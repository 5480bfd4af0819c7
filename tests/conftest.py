"""For every test."""

from __future__ import annotations

import signal

# A suite started in the background inherits an ignored SIGINT and hands it on to the commands that tests
# interrupt; with a handler here, they begin as they would at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
