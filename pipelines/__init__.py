"""Apache Beam jobs: from a raw corpus to TFRecord shards (prepare), and batch translation (translate)."""

import logging

from workspace import at_once  # noqa: F401

# Beam warns, whenever it is imported, that the client of Google's BigQuery is missing. Nothing here needs it.
logging.getLogger().addFilter(lambda record: "apitools not found" not in str(record.msg))
