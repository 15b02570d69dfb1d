"""Sources over sources: some columns, and rows on another scale, are the rows beneath in all other respects."""

import pickle

import numpy as np
import pytest

from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.mapped_rows import MappedRows
from emkit.core.selected import SelectedColumns

RNG = np.random.default_rng(0)
X = RNG.gamma(2.0, size=(40, 3))
X[7, 2] = np.nan
WEIGHTS, LABELS = RNG.gamma(1.0, size=40), RNG.integers(-1, 2, size=40)


class Counted(BlockSource):
    """Names rows in its own way, and is not in memory."""

    in_memory = False

    def user_row(self, row):
        return 3 * row

    def place(self, row):
        return f"line {row + 2} of the file"


def beneath(labels=LABELS):
    cut = [slice(0, 25), slice(25, 40)]
    labels = [None if labels is None else labels[part] for part in cut]
    blocks = [Block(X[part], WEIGHTS[part], part.start, True, None, 40, known) for part, known in zip(cut, labels, strict=True)]
    return Counted(blocks)


OVER = {
    "some columns": (lambda source: SelectedColumns(source, (2, 0)), lambda x: x[:, [2, 0]]),
    "another scale": (lambda source: MappedRows(source, np.log), np.log),
    "one over the other": (lambda source: MappedRows(SelectedColumns(source, (1,)), np.sqrt), lambda x: np.sqrt(x[:, [1]])),
}


@pytest.mark.parametrize("name", OVER)
def test_it_is_the_rows_beneath_in_all_other_respects(name):
    make, change = OVER[name]
    source = beneath()
    over = make(source)
    np.testing.assert_array_equal(over.joined().x, change(X))
    np.testing.assert_array_equal(over.joined().weights, WEIGHTS)
    np.testing.assert_array_equal(over.joined().labels, LABELS)
    assert [block.start for block in over] == [0, 25]
    assert (over.n_rows, over.total_weight, over.in_memory) == (40, source.total_weight, False)
    assert (over.user_row(5), over.place(5)) == (15, "line 7 of the file")
    assert over.labelled and not make(beneath(None)).labelled


@pytest.mark.parametrize("name", OVER)
def test_its_parts_are_read_elsewhere(name):
    make, change = OVER[name]
    parts = pickle.loads(pickle.dumps(make(beneath()).parts()))
    np.testing.assert_array_equal(np.concatenate([part.read().x for part in parts]), change(X))


@pytest.mark.parametrize("name", OVER)
def test_a_sample_is_of_the_same_rows_and_the_source_itself_if_that_is_all(name):
    make, change = OVER[name]
    source = beneath()
    over = make(source)
    drawn, expected = over.sample(10, np.random.default_rng(1)), source.sample(10, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.joined().x, change(expected.joined().x))
    assert over.sample(40, np.random.default_rng(1)) is over


@pytest.mark.parametrize("name", OVER)
def test_its_summary_is_of_what_it_shows(name):
    make, change = OVER[name]
    found, expected = make(beneath()).summary, BlockSource([Block(change(X), WEIGHTS, missing=True)]).summary
    for what in ("weight", "mean", "scatter", "low", "high"):
        np.testing.assert_allclose(getattr(found, what), getattr(expected, what), rtol=1e-10, err_msg=what)
