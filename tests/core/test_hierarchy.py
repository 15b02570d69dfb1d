"""Hierarchical clustering: the partitions are SciPy's; many points are grouped first."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from emkit.core.hierarchy import KINDS, MOST, hierarchical_labels, merged


@pytest.mark.parametrize("method", ["ward", "complete", "average"])
@pytest.mark.parametrize("k", [1, 2, 5, 60])
def test_partitions_are_those_of_scipy(method, k):
    x = np.random.default_rng(0).normal(size=(60, 3))
    labels = merged(x, np.ones(60), k, method)
    expected = fcluster(linkage(x, method), k, "maxclust")
    assert set(labels) == set(range(k)) and adjusted_rand_score(labels, expected) == 1.0


@pytest.mark.parametrize("turn", range(len(KINDS)))
def test_groups_far_apart_are_found_among_few_points_and_many(turn):
    rng = np.random.default_rng(1)
    for n in (90, 4 * MOST):
        truth = rng.integers(3, size=n)
        x = rng.normal(size=(n, 2)) + 30.0 * np.array([[0, 0], [1, 0], [0, 1]])[truth]
        assert adjusted_rand_score(hierarchical_labels(x, np.ones(n), 3, turn, rng), truth) == 1.0
