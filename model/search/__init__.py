"""From a text to its translation: beam search, and what is known of given translations."""
