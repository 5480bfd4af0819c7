"""The models that a server has, their versions, and a SavedModel that is loaded."""
