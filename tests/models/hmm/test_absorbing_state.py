"""How long a chain stays in a state that it never leaves."""

import numpy as np
import pytest

from emkit.models.hmm.forecast import expected_time
from emkit.models.hmm.params import HMMParams


@pytest.mark.parametrize("leak", [0.0, 1e-300, 1e-17])
def test_a_state_that_is_left_by_rounding_only_is_absorbing(leak):
    """1 - a_kk is 1.1e-16 where a_kk is the number below 1: a stay of 9e15 steps."""
    matrix = np.array([[np.nextafter(1.0, 0.0), leak], [0.25, 0.75]])
    np.testing.assert_array_equal(expected_time(HMMParams(np.array([0.5, 0.5]), matrix, None)), [np.inf, 4.0])


def test_a_rare_way_out_counts():
    matrix = np.array([[1.0 - 1e-12, 1e-12], [0.5, 0.5]])
    np.testing.assert_allclose(expected_time(HMMParams(np.array([0.5, 0.5]), matrix, None)), [1e12, 2.0])


def test_an_end_is_a_way_out():
    params = HMMParams(np.array([1.0]), np.array([[0.9]]), None, np.array([0.1]))
    np.testing.assert_allclose(expected_time(params), [10.0])
