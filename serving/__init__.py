"""Serving the exported model: a stand-in for TensorFlow Serving, and a client that works with both."""

from recipes import at_once  # noqa: F401
