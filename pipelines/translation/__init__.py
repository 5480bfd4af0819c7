"""Batch translation: files in, files out, in chunks that are translated by any worker and each once."""
