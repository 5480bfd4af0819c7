"""What becomes of a sentence pair by itself and beside others: pure functions, no Beam."""
