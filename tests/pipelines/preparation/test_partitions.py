"""What is packed comes out as it went in, and sentences become fewer bytes."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from pipelines.preparation.partitions import pack, unpack

VALUES = st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists)


@given(VALUES)
def test_round_trip(value: object) -> None:
    assert unpack(pack(value)) == value


def test_sentences_become_fewer_bytes() -> None:
    pairs = [(number, f"This is sentence {number}.", f"Voici la phrase {number}.") for number in range(300)]
    assert len(pack(pairs)) < len(pickle.dumps(pairs)) / 2
