"""Standard errors and fits of angles do not depend on where angles begin to be counted."""

import warnings

import numpy as np
import pytest

from emkit import Mixture, VonMises

RNG = np.random.default_rng(0)
ANGLES = RNG.vonmises(0, 5, (200, 1))
DRAWN = {"n_replicates": 40, "random_state": 0, "n_jobs": 1}


def turned(by):
    return (ANGLES + by + np.pi) % (2 * np.pi) - np.pi


@pytest.mark.parametrize("by", [np.pi - 0.0091, -3.13, 3.1])
@pytest.mark.parametrize("method", ["observed", "sandwich", "bootstrap"])
def test_errors_are_those_of_the_angles_turned_back(method, by):
    here, there = (
        Mixture(1, VonMises(None), tol=1e-9).fit(x).standard_errors(x, method=method, **DRAWN) for x in (ANGLES, turned(by))
    )
    for name in here.errors:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-5)
    moved = there.estimates["means"][0, 0] - here.estimates["means"][0, 0]
    assert (moved - by) / (2 * np.pi) == pytest.approx(round((moved - by) / (2 * np.pi)), abs=1e-9)
    np.testing.assert_allclose(there.conf_int()["means"] - moved, here.conf_int()["means"], atol=1e-6)
    assert here["means"][0, 0] < 0.05


def test_accelerated_fits_cross_the_place_where_angles_are_cut():
    """Three groups, one of them nearly uniform, whose mean moves across pi while its slope is believed."""
    rng = np.random.default_rng(17)
    x = np.concatenate([rng.vonmises(rng.uniform(-3, 3), rng.choice([0.05, 0.5, 3, 30, 1e3]), 60) for _ in range(3)])[:, None]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the slope that")
        for prior in ("weak", None):
            model = Mixture(3, VonMises(prior), random_state=17, n_init=2).fit(x)
            for method in ("bootstrap", "parametric bootstrap"):
                model.standard_errors(x, method=method, n_replicates=20, random_state=17, n_jobs=1)
