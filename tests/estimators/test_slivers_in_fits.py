"""Slivers as users meet them: named in the summary and in files, warned about once a fit, and regular fits are left alone."""

import warnings

import numpy as np
import pytest

import emkit
from emkit import HMM, GaussianMixture, NormalInverseWishart

RNG = np.random.default_rng(8)
TWO_GROUPS = np.concatenate([RNG.normal(0, 1, (150, 2)), RNG.normal([4, 0], 1, (150, 2))])
"""Three components fit these best by a line of eleven rows."""


def sliver_fit(**settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gm = GaussianMixture(3, n_init=30, random_state=0, **settings).fit(TWO_GROUPS)
    return gm, [str(w.message) for w in caught if "sliver" in str(w.message)]


@pytest.fixture(scope="module")
def plain():
    return sliver_fit()


def test_it_is_named_and_warned_about_once(plain):
    gm, said = plain
    (sliver,) = gm.result_.slivers
    assert sliver.weight == pytest.approx(gm.weights_[sliver.index], rel=0.01) and sliver.rows == pytest.approx(300 * sliver.weight)
    assert len(said) == 1
    for word in (f"component {sliver.index} holds", "rows (weight 0.0", "prior", "tied", "diag", "fewer components"):
        assert word in said[0], word
    assert f"a sliver: {sliver}" in gm.summary()


def test_the_number_follows_the_component(plain):
    """However components are numbered, the one that is named is the thin one."""
    assert plain[0].order_by is None
    others = (sliver_fit(order_by=order_by) for order_by in ("auto", lambda family, params: -params.means[:, 1]))
    for gm, _ in (plain, *others):
        (sliver,) = gm.result_.slivers
        assert sliver.index == gm.weights_.argmin()


def test_files_remember_it(plain, tmp_path):
    gm, _ = plain
    gm.save(tmp_path / "m.safetensors")
    back = emkit.load(tmp_path / "m.safetensors")
    assert back.result_.slivers == gm.result_.slivers and back.summary() == gm.summary()


def test_what_the_advice_says_helps():
    prior = NormalInverseWishart(df=4, scale=np.cov(TWO_GROUPS.T) / 3, mean_mass=0.01)
    for settings in ({"prior": prior}, {"covariance_type": "tied"}):
        gm, said = sliver_fit(**settings)
        assert not gm.result_.slivers and not said
    assert not GaussianMixture(2, random_state=0).fit(TWO_GROUPS).result_.slivers


def test_regular_optimum_within_a_nat_is_taken():
    """Round data, three components: of the two best optima, less than a nat apart, the higher holds a sliver."""
    x = np.random.default_rng(1).standard_normal((300, 2))
    result = GaussianMixture(3, n_init=8, algorithm="em", init_params="random_from_data", random_state=0).fit(x).result_
    highest = max(start.objective for start in result.starts if start.objective is not None)
    assert 0.01 < highest - result.objective <= 1.0 and not result.slivers
    assert f"a sliver at {highest:.8g} was passed over" in result.starts_summary()
    assert f"best optimum {result.objective:.8g} reached by" in result.starts_summary()


def test_a_component_of_one_outlier():
    x = np.concatenate([TWO_GROUPS[:150], [[300.0, 300.0]]])
    with pytest.warns(UserWarning, match=r"component 1 holds 1 row \(weight 0.0066\), fewer than its 5 free parameters"):
        GaussianMixture(2, random_state=0).fit(x)


@pytest.mark.filterwarnings("ignore:a sliver")
def test_weight_two_is_the_row_twice():
    x = np.concatenate([TWO_GROUPS[:150], [[300.0, 300.0]]])
    twice = GaussianMixture(2, random_state=0).fit(np.concatenate([x, x]))
    weighted = GaussianMixture(2, random_state=0).fit(x, sample_weight=np.full(151, 2.0))
    assert [s.rows for s in weighted.result_.slivers] == pytest.approx([2.0], abs=1e-6)
    assert [s.rows for s in twice.result_.slivers] == pytest.approx([2.0], abs=1e-6)


def test_a_state_on_a_few_steps():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    x[200:203] += 60.0
    with pytest.warns(UserWarning, match=r"a sliver: state 1 holds 3 rows \(weight 0.0075\), fewer than its 9 free parameters"):
        hmm = HMM(2, covariance_type="full", random_state=0).fit(x)
    assert "a sliver: state 1" in hmm.summary()


def regular():
    """Data, components and settings of fits that nothing is wrong with."""
    rng = np.random.default_rng(3)
    groups = np.concatenate([rng.normal(m, 1, (100, 2)) for m in (0, 6)])
    tight = np.concatenate([rng.normal(m, s, (150, 2)) for m, s in ((0, 1), (5, 0.05), (-8, 0.3))])
    spike = np.concatenate([np.zeros((200, 1)), rng.normal(5, 1, (300, 1))])
    from sklearn.datasets import load_iris

    return {
        "two groups": (groups, 2, {}),
        "two groups, diag": (groups, 2, {"covariance_type": "diag"}),
        "tight groups": (tight, 3, {}),
        "many zeros": (spike, 2, {}),
        "four rows": (np.array([[0.0], [0.2], [4.0], [4.1]]), 2, {}),
        "iris": (load_iris().data, 3, {}),
        "iris, more parameters than rows": (load_iris().data[::10], 2, {}),
    }


@pytest.mark.parametrize("name", regular())
def test_regular_fits_are_left_alone(name):
    x, k, settings = regular()[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="a sliver")
        gm = GaussianMixture(k, random_state=0, **settings).fit(x)
    assert not gm.result_.slivers and "a sliver" not in gm.summary()
