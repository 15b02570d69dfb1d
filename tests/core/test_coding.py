"""Columns by their distinct values: codes give back the cells, and nothing else matters."""

import numpy as np
import pytest

from emkit import ArraySource
from emkit.core.block import Block
from emkit.core.coding import MOST, Coder, coder_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "column",
    [
        [3.0, 1.0, 2.0, 1.0],
        [-5.0, 1e6, -5.0, 0.0],
        [0.5, np.nan, 0.25, 0.5],
        [np.nan, np.nan],
        [7.0, 7.0, 7.0],
        np.round(RNG.normal(size=5000), 1),
        np.where(RNG.random(5000) < 0.3, np.nan, RNG.poisson(300.0, 5000)),
    ],
)
def test_codes_give_back_the_cells(column):
    column = np.asarray(column)
    found = Coder(column[:, None]).column(0)
    np.testing.assert_array_equal(found.values[found.codes], column)
    seen = found.values[~np.isnan(found.values)]
    assert (np.diff(seen) > 0).all() and np.isnan(found.values).sum() == np.isnan(column).any()
    assert found.codes.dtype == (np.uint8 if len(found.values) <= 256 else np.uint16)


def test_too_many_values_are_not_coded():
    x = np.column_stack([RNG.normal(size=100_000), np.arange(100_000) % MOST, np.arange(100_000) % (MOST + 1)])
    coder = Coder(x)
    assert coder.column(0) is None and coder.column(2) is None
    assert len(coder.column(1).values) == MOST


def test_blocks_of_a_source_share_their_codes():
    source = ArraySource(RNG.integers(0, 5, (200_000, 2)).astype(float))
    coders = [coder_of(block) for block in source]
    assert len(coders) > 1 and len({id(coder) for coder, _ in coders}) == 1
    values, codes = coders[0][0].column(1).values, coders[0][0].column(1).codes
    for block, (_, span) in zip(source, coders, strict=True):
        np.testing.assert_array_equal(values[codes[span]], block.x[:, 1])


def test_a_block_alone_has_a_coder_of_its_own():
    block = Block(np.array([[1.0], [4.0], [1.0]]))
    coder, span = coder_of(block)
    assert coder_of(block)[0] is coder and span == slice(0, 3)
