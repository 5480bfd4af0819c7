"""RNNsearch: text to tensors, network, search, training, checkpoint, SavedModel."""

from recipes import at_once  # noqa: F401
