"""Thin components: measured beside the others and beside chance, whatever the units."""

import numpy as np
import pytest

from emkit import Gaussian, NormalInverseWishart
from emkit.families.gaussian.params import GaussianParams


def found(family, means, covariances, counts):
    means = np.asarray(means, dtype=float)
    return family.slivers(GaussianParams(means, np.asarray(covariances, dtype=float)), np.asarray(counts, dtype=float))


UNIT = np.eye(2)
LINE = np.diag([1.0, 0.05**2])  # as wide as the others in one direction, a twentieth in the other
MEANS = [[0.0, 0.0], [1.0, 1.0], [4.0, 0.0]]
ML = Gaussian("full", None)


def test_a_line_of_few_rows_is_a_sliver():
    assert found(ML, MEANS, [UNIT, LINE, UNIT], [970, 20, 1010]) == {1: "at its thinnest 0.05 of the others' standard deviation"}


def test_what_is_well_filled_is_none():
    assert not found(ML, MEANS, [UNIT, LINE, UNIT], [500, 500, 1000]), "a quarter of the rows does not lie there by chance"
    assert not found(ML, MEANS, [UNIT, 0.2**2 * UNIT, UNIT], [970, 20, 1010]), "small, but not thin"


def test_tight_groups_far_apart_are_none():
    far = 100.0 * np.asarray(MEANS)
    assert not found(ML, far, [UNIT, 0.3**2 * UNIT, 0.5**2 * UNIT], [900, 30, 1070])
    assert not found(ML, far, [UNIT, LINE, UNIT], [970, 20, 1010]), "beside all the data, twenty rows in so small a place are many"


@pytest.mark.parametrize("units", [1e-6, 1.0, 1e6])
def test_units_and_directions_play_no_part(units):
    turn = np.array([[1.0, 0.3], [0.2, -2.0]]) * [[units], [1.0]]
    covariances = [turn @ c @ turn.T for c in (UNIT, LINE, UNIT)]
    assert set(found(ML, np.asarray(MEANS) @ turn.T, covariances, [970, 20, 1010])) == {1}


def test_only_covariances_of_its_own_that_are_free_count():
    assert not found(Gaussian("tied", None), MEANS, [LINE], [970, 20, 1010])
    held = np.full((3, 2, 2), np.nan)
    held[1] = LINE
    assert not found(Gaussian("full", None, fixed={"covariances": held}), MEANS, [UNIT, LINE, UNIT], [970, 20, 1010])


def test_variances_alone():
    assert set(found(Gaussian("diag", None), MEANS, [[1.0, 1.0], [1.0, 0.0025], [1.0, 1.0]], [970, 20, 1010])) == {1}
    assert not found(Gaussian("diag", None), MEANS, [[1.0, 1.0], [1.0, 0.04], [1.0, 1.0]], [970, 20, 1010])
    assert not found(Gaussian("spherical", None), MEANS, [[1.0], [0.04], [1.0]], [970, 20, 1010])


def test_pseudo_observations_count_as_rows():
    strong = Gaussian("full", NormalInverseWishart(4.0, 1.0).resolve(np.zeros(2)))
    counts = [970, 4, 1010]
    assert set(found(ML, MEANS, [UNIT, UNIT, UNIT], counts)) == {1} and not found(strong, MEANS, [UNIT, UNIT, UNIT], counts)


def test_what_cannot_be_compared_is_left_out():
    assert not found(ML, [[0.0, 0.0]], [LINE], [2000])
    assert not found(ML, MEANS, [UNIT, LINE, UNIT], [0, 0, 0])
