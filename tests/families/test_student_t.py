"""Student's t columns against scipy's density and scipy's optimum; degrees of freedom shared, held, and running to infinity."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, CollapseError, DataError, MultivariateT, StudentT
from emkit.core.columns import Columns
from support.datasets import faithful
from support.kinds import check_m_step, column, fitted, found_again, reaches, settled, total

PARAMS = StudentT.Params(np.array([[0.7], [-3.0]]), np.array([[0.2], [5.0]]), np.array([[1.5], [8.0]]))
X = np.random.default_rng(0).standard_t([[2, 5]], size=(80, 2)) * [[1.0, 30.0]] + [[0.0, 1000.0]]


def test_density():
    x, there = np.array([[0.0], [1.0], [60.0]]), stats.t(PARAMS.df.T, PARAMS.locations.T, PARAMS.scales.T)
    np.testing.assert_allclose(StudentT().log_prob(PARAMS, x), there.logpdf(x), rtol=1e-12)
    np.testing.assert_allclose(total(StudentT(), PARAMS, parts=(-3.0, 0.0, 1.0, 3.0)), 1.0, rtol=1e-6)
    np.testing.assert_allclose(StudentT().cdf(PARAMS, x)[1], there.cdf(x))
    np.testing.assert_allclose(StudentT().cdf(PARAMS, x, upper=True)[1], there.sf(x))
    mean, variance = StudentT().moments(PARAMS)
    np.testing.assert_allclose(mean, PARAMS.locations)
    np.testing.assert_allclose(variance, [[np.inf], [there.var()[0, 1]]])


def test_many_degrees_of_freedom_are_normal():
    params = StudentT.Params(np.array([[1.0]]), np.array([[2.0]]), np.array([[1e12]]))
    x = np.array([[-3.0], [1.0], [9.0]])
    np.testing.assert_allclose(StudentT().log_prob(params, x), stats.norm(1.0, 2.0).logpdf(x), rtol=1e-9)


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("common", [False, True])
def test_m_step(prior, common):
    check_m_step(StudentT(prior, common_df=common), X, rounds=600)


@pytest.mark.parametrize(
    "fixed", [{"locations": [[0.0, np.nan], [np.nan, 990.0]]}, {"scales": 2.0}, {"df": [[4.0, np.nan], [1.0, 2.0]]}]
)
def test_m_step_where_something_is_held(fixed):
    check_m_step(StudentT(fixed=fixed), X)


def test_found_again():
    params = StudentT.Params(np.array([[30.0], [0.0]]), np.array([[1.0], [4.0]]), np.array([[3.0], [5.0]]))
    found_again(StudentT(), params, 0.25, atol=0.2)


@pytest.mark.parametrize(
    ("case", "x", "settings"),
    [
        ("t, heavy tails, own df", column("heavy_tails"), {}),
        ("t, heavy tails, common df", column("heavy_tails"), {"common_df": True}),
        ("t, waiting, df 4", faithful()[:, 1:], {"fixed": {"df": 4.0}}),
        ("t, waiting, own df", faithful()[:, 1:], {}),
    ],
)
def test_best_known_mixture(case, x, settings):
    result = reaches(case, StudentT, x, **settings)
    remarks = result.model.remarks(result.params)
    assert len(remarks) == (case == "t, waiting, own df")
    assert all("runs to infinity" in remark for remark in remarks)


@pytest.mark.parametrize("df", [1.0, 2.0])
def test_components_without_a_variance_are_told_apart(df):
    """By scales: 10 and scales of 1 are as in normal components."""
    locations, weights = np.array([[0.0], [10.0]]), np.array([0.5, 0.5])
    alone = StudentT.Params(locations, np.ones((2, 1)), np.array([[df], [30.0]]))
    rows = MultivariateT.Params(locations, np.ones((1, 1, 1)), np.array([df]))
    for family, params in ((StudentT(), alone), (MultivariateT(scale_type="tied", common_df=True), rows)):
        away, texts = family.profile(params, weights, Columns.numbered(1))[0]
        np.testing.assert_allclose(away, 5.0 / np.sqrt(26.0), rtol=2e-3)
        assert texts == ["x0 0 (5 overall)", "x0 10 (5 overall)"]


def test_without_a_prior_a_component_may_collapse():
    x = np.array([[0.0], [0.0], [0.0], [1.0], [2.0], [4.0]])
    family = StudentT(None).resolve(ArraySource(x), 1)
    params = family.anchor(1, 1)
    rows = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])[:, None]
    with pytest.raises(CollapseError, match="component 0 has collapsed"):
        settled(family, params, x, rows)
    assert fitted(StudentT(), x).converged


def test_a_constant_column_is_refused():
    with pytest.raises(DataError, match="is constant: its spread is zero"):
        StudentT().resolve(ArraySource(np.full((9, 1), 3.0)), 1)
