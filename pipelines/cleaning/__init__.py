"""What becomes of a sentence pair, on its own and beside others: pure functions, no Beam."""
