"""Columns of few different texts are read by their set, others cell by cell: both say the same."""

import numpy as np
import pandas as pd
import pytest

from emkit.core.columns import Column
from emkit.core.errors import DataError
from emkit.data import cells

FEW = [*["a", "b", None, float("nan"), pd.NA, "a", "b", "b"] * 10, *[np.str_("c")] * 4]


def both(monkeypatch, values, like=None, unseen="error"):
    """What the two ways come to: codes and column, or the error's words."""
    found = []
    for quick in (True, False):
        with monkeypatch.context() as patch:
            if not quick:
                patch.setattr(cells, "_few_texts", lambda values: set())
            try:
                codes, column = cells.read_objects(values, like, unseen, "'x'", "x")
                found.append((codes.tolist(), column))
            except DataError as error:
                found.append((str(error), error.row))
    return found


@pytest.mark.parametrize(
    ("values", "like", "unseen"),
    [
        (FEW, None, "error"),
        (FEW, Column("x", "category", ("b", "a", "c", "z")), "error"),
        (FEW, Column("x", "category", ("b", "a")), "error"),
        (FEW, Column("x", "category", ("b", "a")), "missing"),
        ([*FEW, 1], None, "error"),
        ([*FEW, True], Column("x", "category", ("a", "b", "c", True)), "error"),
        ([*FEW, pd.Timestamp(0)], None, "error"),
        ([*FEW, [1]], None, "error"),
        ([*FEW, pd.NaT], None, "error"),
        ([1, 2, None] * 20, None, "error"),
        (["a", "b"], None, "error"),
        ([None, None, None, None, None], None, "error"),
        ([f"t{i}" for i in range(80)], None, "error"),
    ],
)
def test_both_ways_say_the_same(monkeypatch, values, like, unseen):
    quick, slow = both(monkeypatch, values, like, unseen)
    if isinstance(quick[0], list):
        np.testing.assert_array_equal(quick[0], slow[0])
        assert quick[1] == slow[1] and [type(level) for level in quick[1].levels or ()] == [
            type(level) for level in slow[1].levels or ()
        ]
    else:
        assert quick == slow
