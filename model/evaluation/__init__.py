"""What the weights are worth: scores, and pictures of what was attended to."""
