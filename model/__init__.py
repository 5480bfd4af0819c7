"""RNNsearch: text to tensors, network, search, training, checkpoint, SavedModel."""
