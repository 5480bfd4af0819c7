"""The models of a server, their versions, and a SavedModel in memory."""
