"""The least that a search needs, and how many sentences that leaves of what ``benchmarks.search_ways.peaks`` measures.

Multiplications are those of the equations with the products joined as in ``model.network.folded``; bytes are those of
the weights, which every step reads anew, for a core's nearest caches do not hold them.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.search_ways.turns import SIZES, VOCABULARY, WORDS

# The peaks by the names that they have: of two products, and of reading the weights of a step.
PRODUCTS = {f"GMAC/s of {rows} by 256 by 6016": (rows, 256, 6016) for rows in (5, 320)}
READING = "GB/s of reading a step's weights"
BYTES_OF_FLOAT32 = 4
# With the end of the sentence.
POSITIONS = WORDS + 1


def most_sentences(beam: int, sentences: int, peaks: Mapping[str, float]) -> float:
    """A second, with ``sentences`` at a time: what reading or multiplying leaves, whichever takes longer."""
    multiplying = multiplications(beam) / (max(peaks[product] for product in PRODUCTS) * 1e9)
    reading = BYTES_OF_FLOAT32 * weights_read(beam) / sentences / (peaks[READING] * 1e9)
    return 1 / max(multiplying, reading)


def multiplications(beam: int) -> int:
    """For a sentence. Of the first word there is only one hypothesis."""
    alignment, context = SIZES["alignment_units"], contexts_columns(beam)
    attention = POSITIONS * (alignment + context)
    hypotheses = 1 + beam * (POSITIONS - 1)
    read = POSITIONS * (source_weights() + recurrent_weights() + annotation_weights(beam))
    return read + first_state_weights() + hypotheses * (weights_of_step(beam) + attention)


def weights_read(beam: int) -> int:
    """For a batch: those of the recurrence once a position, those for all positions of the source together once."""
    once = source_weights() + annotation_weights(beam) + first_state_weights()
    return once + POSITIONS * (recurrent_weights() + weights_of_step(beam))


def source_weights() -> int:
    """Of the words, for the gates and candidates of both directions."""
    return 2 * 3 * SIZES["encoder_units"] * SIZES["embedding_units"]


def recurrent_weights() -> int:
    """Of the encoder's states, both directions."""
    return 2 * 3 * SIZES["encoder_units"] ** 2


def first_state_weights() -> int:
    return SIZES["encoder_units"] * SIZES["decoder_units"]


def products_of_context() -> int:
    """Columns of [C, C_o]."""
    return 3 * SIZES["decoder_units"] + 2 * SIZES["readout_units"]


def annotation_weights(beam: int) -> int:
    """Of the annotations: U_a, and [C, C_o] where several hypotheses share its products."""
    return 2 * SIZES["encoder_units"] * (SIZES["alignment_units"] + (products_of_context() if beam > 1 else 0))


def contexts_columns(beam: int) -> int:
    """What is attended to: annotations, or their products."""
    return products_of_context() if beam > 1 else 2 * SIZES["encoder_units"]


def weights_of_step(beam: int) -> int:
    """Of a target word: [W_a, U_z, U_r], U and U_o of the state, [C, C_o] where it is not in the annotations, W_o."""
    units, readout = SIZES["decoder_units"], SIZES["readout_units"]
    of_state = units * (SIZES["alignment_units"] + 3 * units + 2 * readout)
    of_context = 0 if beam > 1 else 2 * SIZES["encoder_units"] * products_of_context()
    return of_state + of_context + readout * VOCABULARY
