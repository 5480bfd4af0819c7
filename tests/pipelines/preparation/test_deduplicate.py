"""What flows from choosing pairs to writing them, where a runner must hand it on to another worker."""

from __future__ import annotations

import apache_beam as beam
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.records import Pair, Rejected
from pipelines.preparation.deduplicate import ChosenPairs

PAIRS = st.builds(Pair, st.binary(), st.integers(), st.integers(), st.text(), st.text(), st.integers())
REJECTED = st.builds(
    Rejected,
    st.integers(),
    st.integers(),
    st.text(),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.floats(allow_nan=False),
    st.text(),
    st.text(),
    st.text(),
)


@given(st.builds(ChosenPairs, st.lists(PAIRS), st.lists(REJECTED)))
def test_chosen_pairs_come_out_as_they_went_in(chosen: ChosenPairs) -> None:
    coder = beam.coders.registry.get_coder(ChosenPairs)
    decoded = coder.decode(coder.encode(chosen))
    assert decoded == chosen
    assert {type(each) for each in (*decoded.kept, *decoded.rejected)} <= {Pair, Rejected}
