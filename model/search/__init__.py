"""From a text to its translation: beam search, what is known of given translations, the SavedModel."""
