"""The sentence pairs of a corpus, wherever they come from and in whatever format."""
