"""Layer normalisation (Ba, Kiros and Hinton 2016, equation 4), always outside of the recurrences.

Normalised are the inputs of every GRU, W x with all its gates together; the annotations; and the read-out before
its maxout. The product with the previous state is not, other than in their equations 20 to 22: it is what the
loops over time compute, and it is bounded by the state itself.
"""

from __future__ import annotations

import keras

# Added to the variance, as in the authors' code: the zero vector, which begins a target sentence, stays zero.
EPSILON = 1e-5


def layer_normalization(units: int, name: str) -> keras.layers.LayerNormalization:
    """Of [..., units], with a gain that begins at one and no bias: whatever reads the result adds one of its own."""
    layer = keras.layers.LayerNormalization(epsilon=EPSILON, center=False, name=f"{name}_normalization")
    layer.build((None, units))
    return layer
