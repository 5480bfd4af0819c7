"""Random numbers that depend on a key and a counter alone: the same on every machine, in whatever order they are made.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as
1, 2, 3"). It only adds, rotates and combines whole numbers, so that not a bit of it can be rounded.
"""

from __future__ import annotations

import tensorflow as tf

# Of the paper's table 2.
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_ROUNDS = 20
_PARITY = 0x1BD11BDA

Words = tuple[tf.Tensor, tf.Tensor]


def key_of(seeds: tf.Tensor) -> Words:
    """The two halves of int64 ``seeds``, the low one first: uint32, each of the same shape."""
    low_half = tf.constant(2**32 - 1, tf.int64)
    return (
        tf.cast(tf.bitwise.bitwise_and(seeds, low_half), tf.uint32),
        tf.cast(tf.bitwise.bitwise_and(tf.bitwise.right_shift(seeds, 32), low_half), tf.uint32),
    )


def threefry(key: Words, counter: Words) -> Words:
    """64 random bits for every key and counter, two words of 32 bits each: uint32, of shapes that go together."""
    keys = [*key, tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(key[0], key[1]), tf.constant(_PARITY, tf.uint32))]
    first, second = counter[0] + keys[0], counter[1] + keys[1]
    for number in range(_ROUNDS):
        first += second
        second = tf.bitwise.bitwise_xor(first, _rotated(second, _ROTATIONS[number % len(_ROTATIONS)]))
        if number % 4 == 3:
            injected = number // 4 + 1
            first += keys[injected % 3]
            second += keys[(injected + 1) % 3] + tf.constant(injected, tf.uint32)
    return first, second


def gumbel(bits: Words) -> tf.Tensor:
    """Standard Gumbel noise of 52 of the 64 bits: float64, finite, of the same shape."""
    high, low = (tf.cast(tf.bitwise.right_shift(word, tf.constant(6, tf.uint32)), tf.float64) for word in bits)
    # The middle of one of 2^52 parts of the interval from 0 to 1, neither of which it ever is.
    uniform = (high * 2.0**26 + low + 0.5) * 2.0**-52
    return -tf.math.log(-tf.math.log(uniform))


def _rotated(word: tf.Tensor, bits: int) -> tf.Tensor:
    """Its bits, moved to the left and in again from the right."""
    left = tf.bitwise.left_shift(word, tf.constant(bits, tf.uint32))
    return tf.bitwise.bitwise_or(left, tf.bitwise.right_shift(word, tf.constant(32 - bits, tf.uint32)))
