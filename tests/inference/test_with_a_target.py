"""Standard errors of estimators with a target: it comes after X, as in fit and score."""

import numpy as np
import pytest

import emkit
from emkit import ParameterError
from emkit._names import group

RNG = np.random.default_rng(0)
U = RNG.uniform(0, 1, (120, 1))
Y = np.where(RNG.random(120) < 0.5, 3 * U[:, 0], 2 - U[:, 0]) + 0.1 * RNG.normal(size=120)
CLASSES = np.where(U[:, 0] + 0.2 * RNG.normal(size=120) > 0.5, "high", "low")
WEIGHTS = RNG.integers(1, 3, 120).astype(float)
NAMES = [name for name in group("regressors") if not name.startswith("RBF")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_the_target_by_place_is_the_target_by_name(name):
    y = CLASSES if name.endswith("Classifier") else Y
    model = getattr(emkit, name)(2, random_state=0, n_init=2).fit(U, y, WEIGHTS)
    wanted = model.standard_errors(U, y=y, sample_weight=WEIGHTS)
    found = model.standard_errors(U, y, WEIGHTS)
    ends, wanted_ends = model.conf_int(U, y, WEIGHTS, level=0.9), wanted.conf_int(0.9)
    for key in wanted.errors:
        np.testing.assert_array_equal(found[key], wanted[key])
        np.testing.assert_array_equal(ends[key], wanted_ends[key])
    assert model.standard_errors(U, y, WEIGHTS, method="bootstrap", n_replicates=20, n_jobs=1).replicates is not None
    with pytest.raises(ParameterError, match="target is needed"):
        model.standard_errors(U)


def test_profiles_take_it_too():
    model = emkit.MixtureOfRegressions(2, random_state=0, n_init=4).fit(U, Y)
    errors = model.standard_errors(U, Y)
    found = model.profile(U, Y, "coefficients", (0, 0))
    low, high = errors.conf_int()["coefficients"][0, 0]
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.5 * errors["coefficients"][0, 0])
    assert model.profile(X=U, y=Y, name="coefficients", index=(0, 0)).low == found.low
