"""The stand-in server, and what it answers over gRPC and REST."""
