"""The equations of the paper, and the network that they make."""
