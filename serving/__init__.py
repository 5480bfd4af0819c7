"""Serving the exported model: a stand-in for TensorFlow Serving, and a client that works with both."""

from workspace import at_once  # noqa: F401
