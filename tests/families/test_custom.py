"""A family from two functions: what it gives, and what the functions may not do."""

import numpy as np
import pytest
from scipy import stats

import emkit
from emkit import ArraySource, Custom, ParameterError
from emkit.families.custom import Table
from support.kinds import check_m_step, fitted

RNG = np.random.default_rng(0)
X = np.where(RNG.random((300, 1)) < 0.4, RNG.rayleigh(1.0, (300, 1)), RNG.rayleigh(6.0, (300, 1)))


def density(x, theta):
    return stats.rayleigh.logpdf(x[:, 0], scale=np.exp(theta[0]))


def fit(x, weights, theta):
    return [0.5 * np.log(0.5 * np.average(x[:, 0] ** 2, weights=weights))]


FAMILY = Custom(density, fit, lambda theta, n, rng: rng.rayleigh(np.exp(theta[0]), (n, 1)), values="positive", name="rayleigh")


def test_a_mixture():
    result = fitted(FAMILY, X, tol=1e-6)
    assert result.converged
    assert result.n_free == 3
    np.testing.assert_allclose(np.sort(np.exp(result.params.components.theta[:, 0])), [1.0, 6.0], rtol=0.15)


def test_m_step():
    check_m_step(FAMILY, X)


def test_in_a_hidden_markov_model():
    x = np.concatenate([RNG.rayleigh(1.0, (50, 1)), RNG.rayleigh(9.0, (50, 1)), [[np.nan]]])
    hmm = emkit.HMM(2, emission=FAMILY, random_state=0).fit(x)
    assert len(set(hmm.predict(x)[:50])) < len(set(hmm.predict(x)))
    with pytest.raises(TypeError, match="cannot be written to a file"):
        hmm.save("nowhere.safetensors")


def test_statistics_are_distinct_rows_that_add_up():
    family = FAMILY.resolve(ArraySource(np.array([[1.0], [2.0], [1.0]])), 2)
    params = Custom.Params(np.zeros((2, 1)))
    ones = np.ones((3, 2))
    found = family.stats(params, np.array([[1.0], [1.0], [np.nan]]), ones)
    assert sorted(zip(found.rows[:, 0], found.weights[:, 0], strict=True)) == [(1.0, 2.0), (2.0, 0.0)]
    both = found + family.stats(params, np.array([[5.0], [2.0], [5.0]]), ones)
    assert sorted(zip(both.rows[:, 0], both.weights[:, 0], strict=True)) == [(1.0, 2.0), (2.0, 1.0), (5.0, 2.0)]
    assert isinstance(both, Table)


@pytest.mark.parametrize(
    ("log_density", "weighted_fit", "message"),
    [
        (
            lambda x, theta: np.full(len(x), np.nan),
            fit,
            r"'mine': log_density gave nan for the row \[.*\] at theta=\[.*\] of component 0",
        ),
        (lambda x, theta: np.zeros(3), fit, r"'mine': log_density gave shape \(3,\) for 3\d\d rows, expected \(3\d\d,\)"),
        (
            density,
            lambda x, w, theta: [1.0] if theta is None else [1.0, 2.0],
            r"'mine': weighted_fit gave shape \(2,\) .*, expected \(1,\)",
        ),
        (density, lambda x, w, theta: [np.nan], r"'mine': weighted_fit gave \[nan\] for component 0"),
        (
            density,
            lambda x, w, theta: fit(x, w, None) if theta is None else [9.0],
            "'mine': weighted_fit lowered the weighted log-lik",
        ),
        (None, fit, "log_density=None: give a function"),
    ],
)
def test_what_functions_may_not_do(log_density, weighted_fit, message):
    with pytest.raises(ParameterError, match=message):
        fitted(Custom(log_density, weighted_fit, name="mine"), X)


def test_a_theta_that_is_held_in_part():
    def normal(x, theta):
        return stats.norm.logpdf(x[:, 0], theta[0], np.exp(theta[1]))

    def moments(x, weights, theta):
        mean = np.average(x[:, 0], weights=weights)
        return [mean, 0.5 * np.log(np.average((x[:, 0] - mean) ** 2, weights=weights) + 1e-3)]

    x = np.concatenate([RNG.normal(0.0, 1.0, (100, 1)), RNG.normal(9.0, 1.0, (100, 1))])
    result = fitted(Custom(normal, moments, fixed={"theta": [[0.0, np.nan], [np.nan, np.nan]]}), x)
    assert result.params.components.theta[0, 0] == 0.0
    assert np.all(np.diff(result.trace) > -1e-9)


def test_without_a_sampler():
    with pytest.raises(ParameterError, match="give it a sampler"):
        Custom(density, fit).sample(Custom.Params(np.zeros((1, 1))), np.zeros(3, dtype=int), RNG)
