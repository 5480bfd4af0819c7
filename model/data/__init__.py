"""From shards and texts to batches of subword ids."""
