"""Batch translation: what translates, and the Beam job that has it translate a file."""
