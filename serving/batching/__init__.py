"""Requests for the same outputs of a model, computed together."""
