"""Hierarchical clusterings as starts: rows of no weight decide nothing, and there must be as many distinct rows as components."""

import numpy as np
import pytest

from emkit import DataError
from emkit.core.seeding import seed_labels


@pytest.mark.parametrize("turn", range(6))
def test_rows_of_no_weight_decide_nothing(turn):
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 8.0, [[500.0, 500.0]]])
    weights = np.append(np.ones(60), 0.0)
    found = seed_labels(points, 61, weights, 2, rng, "hierarchical", turn)
    alone = seed_labels(points[:60], 60, None, 2, rng, "hierarchical", turn)
    np.testing.assert_array_equal(found[:60], alone)
    np.testing.assert_array_equal(found.sum(axis=1), 1.0)


def test_fewer_distinct_rows_than_components():
    points = np.repeat([[0.0], [1.0]], 5, axis=0)
    with pytest.raises(DataError, match="only 2 distinct"):
        seed_labels(points, 10, None, 4, np.random.default_rng(0), "hierarchical", 0)
