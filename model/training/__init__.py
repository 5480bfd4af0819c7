"""From shards to the weights of the best dev score."""
