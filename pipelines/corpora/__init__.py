"""The sentence pairs of a corpus, from wherever and in whatever format they come."""
