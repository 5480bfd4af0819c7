"""RNNsearch: text to tensors, network, search, training, checkpoint, SavedModel."""

from workspace import at_once  # noqa: F401
