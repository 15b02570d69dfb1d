"""What a cell may be: errors that name column, row and value; and what draws, embeddings and summaries have to do with it."""

import numpy as np
import pytest

from emkit import ArraySource, DataError, SequenceSource
from emkit.core.columns import Column, Columns
from emkit.core.support import Binary, Counts, Nonnegatives, Positives, Reals, Symbols

SUPPORTS = [Reals(), Positives(), Nonnegatives(), Counts(), Binary(), Symbols()]
NAMES = Columns.of_names(["age", "visits"])


def named(support):
    return type(support).__name__


def column(cells, **more):
    """Two columns: one that is fine everywhere, and one of these cells."""
    return ArraySource(np.column_stack([np.ones(len(cells)), cells]), columns=NAMES, **more)


@pytest.mark.parametrize(
    ("support", "cells", "row", "text"),
    [
        (Positives(), [1.0, np.nan, 0.0, -1.0], 2, "column 'visits' row 2 is 0, expected a number above 0"),
        (Nonnegatives(), [1.0, 0.0, -0.5], 2, "column 'visits' row 2 is -0.5, expected a number of at least 0"),
        (Counts(), [1.0, 2.5, 3.0], 1, "column 'visits' row 1 is 2.5, expected a count 0, 1, 2, ..."),
        (Counts(), [1.0, -1.0, 3.0], 1, "column 'visits' row 1 is -1, expected a count 0, 1, 2, ..."),
        (Binary(), [1.0, 0.0, 2.0], 2, "column 'visits' row 2 is 2, expected 0 or 1"),
        (Binary(), [1.0, 0.0, 0.5], 2, "column 'visits' row 2 is 0.5, expected 0 or 1"),
        (Symbols(), [1.0, -2.0, 0.5], 1, "column 'visits' row 1 is -2, expected a category 0, 1, 2, ..."),
    ],
)
def test_the_first_cell_that_may_not_be_is_named(support, cells, row, text):
    with pytest.raises(DataError) as caught:
        support.check(column(cells))
    assert str(caught.value) == text
    assert (caught.value.column, caught.value.row) == ("visits", row)


@pytest.mark.parametrize("support", SUPPORTS, ids=named)
def test_what_it_draws_may_be_and_so_may_missing_cells(support):
    x = support.draw(np.random.default_rng(0), 200, 3).astype(float)
    assert x.shape == (200, 3) and support.holds(x).all()
    assert len(np.unique(x, axis=0)) > 4
    if support.whole:
        np.testing.assert_array_equal(x, np.floor(x))
    x[np.random.default_rng(1).random(x.shape) < 0.2] = np.nan
    support.check(ArraySource(x))


@pytest.mark.parametrize("support", SUPPORTS, ids=named)
def test_rows_as_points(support):
    """Finite, one for each row, and rows that are equal are at one place."""
    x = support.draw(np.random.default_rng(0), 50, 2).astype(float)
    x[3] = x[7]
    x[4, 1] = np.nan
    summary = ArraySource(x).summary
    points = support.embed(x, summary.mean, summary.variance)
    assert len(points) == 50 and np.isfinite(points).all()
    np.testing.assert_array_equal(points[3], points[7])


def test_a_cell_in_a_later_block_is_found():
    x = np.ones((150_000, 2))
    x[140_000, 1] = -1.0
    source = ArraySource(x, columns=NAMES)
    assert len(source.parts()) > 2
    with pytest.raises(DataError, match="row 140000 is -1") as caught:
        Counts().check(source)
    assert caught.value.row == 140_000


def test_the_row_is_that_of_the_users_data():
    """Sequences were sorted when they were read: messages speak of the rows as they were given."""
    source = SequenceSource(
        np.array([[1.0], [2.0], [-1.0]]), [2, 1], place=lambda row: f"sequence 'b', step {row - 2}", user_row=lambda row: 10 - row
    )
    with pytest.raises(DataError, match=r"column 0 sequence 'b', step 0 is -1, expected a count") as caught:
        Counts().check(source)
    assert (caught.value.column, caught.value.row) == ("x0", 8)


def test_no_second_pass_where_the_summary_says_that_all_is_well(monkeypatch):
    for support in SUPPORTS:
        source = ArraySource(support.draw(np.random.default_rng(0), 50, 2))
        assert source.summary is not None
        assert not support.suspect(source)
        with monkeypatch.context() as patch:
            patch.setattr(type(support), "holds", None)
            support.check(source)


TEXT = Columns((Column("age"), Column("town", "category", ("Bonn", "Ulm"))))


@pytest.mark.parametrize("support", [s for s in SUPPORTS if not isinstance(s, Symbols)], ids=named)
def test_text_is_not_taken_for_numbers(support):
    x = np.array([[1.0, np.nan], [1.0, 1.0], [1.0, 0.0]])
    with pytest.raises(DataError, match=r"column 'town' row 1 is the text 'Ulm', not ") as caught:
        support.check(ArraySource(x, columns=TEXT))
    assert (caught.value.column, caught.value.row) == ("town", 1)
    assert support.words in str(caught.value) and "categorical family" in str(caught.value)


def test_text_that_was_numbered_is_symbols():
    Symbols().check(ArraySource(np.array([[1.0, np.nan], [1.0, 1.0], [1.0, 0.0]]), columns=TEXT))
