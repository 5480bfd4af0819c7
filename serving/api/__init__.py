"""What the stand-in answers, over gRPC and REST, and the server that it is."""
