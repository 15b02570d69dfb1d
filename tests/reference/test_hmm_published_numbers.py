"""Numbers that others printed, or that follow from exact arithmetic.

Major earthquakes (magnitude 7 and over) in the world, yearly, 1900 to 2006: Zucchini, MacDonald and Langrock (2016), Hidden Markov
Models for Time Series. Ice cream: Eisner (2002), An Interactive Spreadsheet for Teaching the Forward-Backward Algorithm. Umbrella:
Russell and Norvig, Artificial Intelligence. Stamp: A Revealing Introduction to Hidden Markov Models.
"""

from itertools import product

import numpy as np
import pytest

from emkit import HMM, CategoricalHMM, PoissonHMM
from emkit.core.result import StopReason
from support import datasets

EARTHQUAKES = datasets.earthquakes()
SWITCHING = {2: np.array([[0.9, 0.1], [0.1, 0.9]]), 3: np.full((3, 3), 0.1) + 0.7 * np.eye(3)}
RATES = {2: [10.0, 30.0], 3: [10.0, 20.0, 30.0]}


def earthquakes(k, updates=None, **settings):
    """Fitted from the book's starting values: so many updates, or to the limit."""
    stop = {"tol": 1e-9, "max_iter": 20000} if updates is None else {"tol": 0, "max_iter": updates}
    start = {"transmat_init": SWITCHING[k], "rates_init": RATES[k]}
    if settings.get("start") != "stationary":
        start["startprob_init"] = np.full(k, 1.0 / k)
    return HMM(k, "poisson", **start, **stop, **settings).fit(EARTHQUAKES)


def test_one_state():
    model = HMM(1, "poisson").fit(EARTHQUAKES)
    assert model.score(EARTHQUAKES) == pytest.approx(-391.9189281655, abs=1e-9)
    assert model.rates_.item() == pytest.approx(EARTHQUAKES.mean())


@pytest.mark.parametrize(
    ("k", "values"),
    [
        (2, {0: 413.27541962, 1: 343.76023411, 2: 343.13618142, 3: 342.91752332, 30: 341.87870618}),
        (3, {0: 342.90780756, 1: 332.12142979, 2: 330.63688835, 3: 329.48518349}),
    ],
)
def test_likelihood_update_by_update(k, values):
    for updates, minus in values.items():
        model = earthquakes(k, updates)
        assert model.n_iter_ == updates
        assert -model.score(EARTHQUAKES) == pytest.approx(minus, abs=6e-9)
    np.testing.assert_allclose(-np.array(model.result_.trace)[list(values)], list(values.values()), atol=6e-9)


def test_parameters_after_one_update():
    model = earthquakes(2, 1)
    np.testing.assert_allclose(model.rates_.ravel(), [13.74193, 24.16914], atol=6e-6)
    np.testing.assert_allclose(model.transmat_[[0, 1], [1, 0]], [0.138816, 0.116222], atol=6e-7)
    assert model.startprob_[0] == pytest.approx(0.99963, abs=6e-6)


def test_limit_of_two_states():
    model = earthquakes(2)
    assert -model.score(EARTHQUAKES) == pytest.approx(341.87870101, abs=1e-7)
    np.testing.assert_allclose(model.rates_.ravel(), [15.42076, 26.01824], atol=1e-4)
    np.testing.assert_allclose(model.transmat_, [[0.928374, 0.071626], [0.119034, 0.880966]], atol=1e-5)


def test_limit_of_three_states():
    model = earthquakes(3)
    assert -model.score(EARTHQUAKES) == pytest.approx(328.52748338, abs=1e-6)
    np.testing.assert_allclose(model.rates_.ravel(), [13.13376, 19.71316, 29.70972], atol=1e-3)


@pytest.mark.parametrize(("k", "minus", "rates"), [(2, 342.31827, [15.472, 26.125]), (3, 329.46028, None)])
def test_stationary_start(k, minus, rates):
    model = earthquakes(k, start="stationary")
    assert -model.score(EARTHQUAKES) == pytest.approx(minus, abs=6e-6)
    np.testing.assert_allclose(model.startprob_ @ model.transmat_, model.startprob_, atol=1e-10)
    assert (np.diff(model.result_.trace) >= -1e-9).all()
    if rates:
        np.testing.assert_allclose(model.rates_.ravel(), rates, atol=6e-4)


@pytest.mark.parametrize("seed", [0, 2, 10])
def test_four_states_by_the_default_restarts(seed):
    """The book prints 326.6749; 326.46349804, with an absorbing state, is known, and is not the best.

    The fit stops with an estimated thousandth of a nat still to gain. Seeds 2 and 10 are the worst of the first twenty.
    """
    model = HMM(4, "poisson", random_state=seed).fit(EARTHQUAKES)
    assert model.result_.reason is StopReason.CONVERGED
    assert -model.score(EARTHQUAKES) <= 326.4635 + 1e-3


def test_two_states_found_from_nothing():
    model = PoissonHMM(2, random_state=0).fit(EARTHQUAKES)
    assert -model.score(EARTHQUAKES) == pytest.approx(341.87870101, abs=2e-3)


ICE_CREAM = np.array([int(c) for c in "233232322313311121113121112332322"])[:, None] - 1
"""Ice creams eaten each day, less one."""


def ice_cream(updates):
    start = {
        "probs_init": [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]],
        "transmat_init": [[0.8, 0.1], [0.1, 0.8]],
        "endprob_init": [0.1, 0.1],
        "startprob_init": [0.5, 0.5],
    }
    return HMM(2, "categorical", end=True, tol=0, max_iter=updates, **start).fit(ICE_CREAM)


def test_ice_cream():
    """Cold and hot days, and a diary that ends."""
    assert len(ICE_CREAM) == 33
    model = ice_cream(10)
    first = [-41.5378178211, -36.7422925932, -35.9576881140, -35.6511069384, -35.4893308273, -35.4061095555]
    np.testing.assert_allclose(model.result_.trace[:6], first, atol=6e-11)
    assert model.score(ICE_CREAM) == pytest.approx(-35.3342724478, abs=6e-11)
    np.testing.assert_allclose(model.probs_, [[0.6407, 0.1481, 0.2112], [0.0002, 0.5341, 0.4657]], atol=6e-5)
    np.testing.assert_allclose(model.transmat_.sum(axis=1) + model.endprob_, 1.0, atol=1e-14)
    assert ice_cream(0).score(ICE_CREAM) == pytest.approx(first[0], abs=6e-11)


def by_hand(startprob, transmat, emissionprob):
    model = CategoricalHMM(len(startprob))
    model.startprob_, model.transmat_, model.emissionprob_ = np.array(startprob), np.array(transmat), np.array(emissionprob)
    return model


def test_umbrella():
    """Rain or not; symbol 0 is an umbrella."""
    model = by_hand([0.5, 0.5], [[0.7, 0.3], [0.3, 0.7]], [[0.9, 0.1], [0.2, 0.8]])
    x = np.array([0, 0, 1, 0, 0])[:, None]
    assert model.score(x) == pytest.approx(-3.3725, abs=6e-5)
    np.testing.assert_allclose(model.predict_proba(x)[:, 0], [0.8673, 0.8204, 0.3075, 0.8204, 0.8673], atol=6e-5)


def test_stamp():
    """Hot and cold years, told from tree rings."""
    start, matrix, probs = [0.6, 0.4], [[0.7, 0.3], [0.4, 0.6]], [[0.1, 0.4, 0.5], [0.7, 0.2, 0.1]]
    model = by_hand(start, matrix, probs)
    x = np.array([0, 1, 0, 2])[:, None]
    assert np.exp(model.score(x)) == pytest.approx(0.0096296, rel=1e-12)
    value, path = model.decode(x)
    assert path.tolist() == [1, 1, 1, 0]
    assert np.exp(value) == pytest.approx(0.00282240, rel=1e-12)


def test_stamp_all_observations():
    """Probabilities of all 81 sequences of four symbols add up to 1."""
    model = by_hand([0.6, 0.4], [[0.7, 0.3], [0.4, 0.6]], [[0.1, 0.4, 0.5], [0.7, 0.2, 0.1]])
    x = np.array(list(product(range(3), repeat=4))).reshape(-1, 1)
    assert np.exp(model.sequence_scores(x, [4] * 81)).sum() == pytest.approx(1.0, rel=1e-13)
