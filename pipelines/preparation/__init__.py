"""The preparation of a recipe's corpora, step by step, as Beam jobs."""
