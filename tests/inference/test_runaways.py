"""What runs to infinity, or to a bound, has no silly standard error: it is named, with percentiles where there are some."""

import numpy as np
import pytest

from emkit import HMM, ArraySource, Bernoulli, FiniteMixture, Mixture, StudentT, Tied, TruncatedNormal
from emkit.inference.bootstrap import with_ends
from emkit.inference.coordinates import flattened
from emkit.inference.standard_errors import AT_EDGE
from emkit.models.mixture import MixtureParams

RNG = np.random.default_rng(1)
TAILS = np.concatenate([RNG.normal(0, 1, 150), RNG.standard_t(4, 150) + 8])[:, None]
"""A normal group, whose degrees of freedom many replicates send to infinity, and one with heavy tails."""
COUNTS = np.concatenate([RNG.poisson(3, 150), RNG.negative_binomial(3, 0.1, 150)])[:, None]
DRAWN = {"n_replicates": 40, "random_state": 0, "n_jobs": 1}


@pytest.mark.parametrize("family", ["student_t", "multivariate_t"])
@pytest.mark.parametrize("method", ["bootstrap", "parametric bootstrap"])
def test_degrees_of_freedom_that_some_replicates_send_to_infinity(family, method):
    model = Mixture(2, family=family, random_state=0, n_init=4).fit(TAILS)
    found = model.standard_errors(TAILS, method=method, **DRAWN)
    df, errors, ends = (np.ravel(value["df"]) for value in (found.estimates, found.errors, {"df": found.conf_int()["df"][..., 0]}))
    light = int(np.argmax(df))
    high = found.conf_int()["df"].reshape(2, 2)[:, 1]
    assert np.isnan(errors[light]) and high[light] == np.inf and 1.0 < ends[light] < df[light]
    assert errors[1 - light] < 5 * df[1 - light] and np.isfinite(high[1 - light])
    (note,) = found.notes
    assert f"df[{light}" in note and "of 40 replicates" in note and "percentiles" in note
    assert "inf" in found.as_text() and any(np.isnan(row[2]) for row in found.table())
    assert found.test(lambda p: np.ravel(p["locations"])[0] - np.ravel(p["locations"])[1]).p < 1e-6
    assert np.isnan(found.test(lambda p: np.ravel(p["df"])[light] - 4.0).p)


@pytest.mark.parametrize("method", ["observed", "sandwich", "bootstrap", "parametric bootstrap"])
def test_a_size_that_is_as_good_as_infinite_is_at_an_edge(method):
    model = Mixture(2, family="negative_binomial", random_state=0, n_init=4).fit(COUNTS)
    light = int(np.argmax(model.sizes_.ravel()))
    assert model.sizes_.ravel()[light] > 1e4
    found = model.standard_errors(COUNTS, method=method, **DRAWN)
    assert np.isnan(found["sizes"].ravel()[light]) and 0 < found["sizes"].ravel()[1 - light] < 5
    assert found.notes == (f"sizes[{light}, 0]: {AT_EDGE}",)
    low, high = found.conf_int()["sizes"].reshape(2, 2)[light]
    if "bootstrap" in method:  # some replicates say how small it may be
        assert 1.0 < low < 1e4 and high == np.inf
    else:
        assert np.isnan([low, high]).all()


def test_states_and_components_that_share_their_tails():
    steps = np.concatenate([TAILS[:75], TAILS[150:225], TAILS[75:150], TAILS[225:]])
    for model in (
        HMM(2, emission=StudentT(), random_state=0, n_init=2).fit(steps),
        Mixture(2, StudentT(common_df=True), random_state=0, n_init=2).fit(
            RNG.normal(size=(200, 1)) + 6 * RNG.integers(2, size=(200, 1))
        ),
        Mixture(2, Tied(StudentT(), (0, 0)), random_state=0, n_init=1).fit(RNG.normal(size=(120, 1))),
    ):
        result = model.result_
        away, shown = result.model.away(result.params), result.model.shown(result.params)
        assert away["df"].shape == shown["df"].shape
        np.testing.assert_array_equal(away["df"] > 0, shown["df"] >= 1e4)


def test_what_is_held_cannot_run_away():
    model = Mixture(2, StudentT(fixed={"df": 1e5}), random_state=0, n_init=2).fit(TAILS)
    found = model.standard_errors(TAILS)
    assert np.isnan(found["df"]).all() and not found.notes


@pytest.mark.filterwarnings("ignore")
def test_what_is_held_far_away_has_not_run_there():
    x = np.random.default_rng(0).uniform(0, 1, (200, 1))
    free = TruncatedNormal(None, 0.0, 1.0).resolve(ArraySource(x), 1)
    held = TruncatedNormal(None, 0.0, 1.0, fixed={"means": 1e4}).resolve(ArraySource(x), 1)
    params = free.Params(np.array([[1e4]]), np.array([[1e9]]))
    assert {name: value.item() for name, value in free.away(params).items()} == {"means": 1.0, "variances": 1.0}
    assert {name: value.item() for name, value in held.away(params).items()} == {"means": 0.0, "variances": 1.0}


def test_a_probability_runs_to_0_or_1_and_no_further():
    class Sure(Bernoulli):
        def own_away(self, params):
            return {"probs": np.sign(params.probs - 0.5)}

    params = Sure.Params(np.array([[0.9], [0.5], [0.1]]))
    model = FiniteMixture(Sure(), 3)
    hypothesis = MixtureParams(np.full(3, 1 / 3), params)
    found = with_ends(model, hypothesis, flattened(model.shown(hypothesis)))
    assert found[-3:].tolist() == [1.0, 0.5, 0.0]


def test_shapes_at_their_limits():
    """Beta columns of one value each: both shapes end at a bound."""
    from emkit import Beta

    family = Beta(None)
    params = family.Params(np.array([[1e6], [2.0]]), np.array([[1e6], [1e-6]]))
    away = family.away(params)
    np.testing.assert_array_equal(away["alphas"].ravel(), [1.0, 0.0])
    np.testing.assert_array_equal(away["betas"].ravel(), [1.0, -1.0])
