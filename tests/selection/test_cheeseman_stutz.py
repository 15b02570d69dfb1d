"""The Cheeseman-Stutz approximation against exact marginal likelihoods of tiny tables: sums over all ways to label the rows."""

from itertools import product

import numpy as np
import pytest
from scipy.special import betaln, gammaln, logsumexp
from scipy.stats import multivariate_t, t

import emkit
from emkit.selection.cheeseman_stutz import cheeseman_stutz
from emkit.selection.criteria import criteria

THREADS = emkit.Threads(1)


def approximate(model, source, **more):
    result = emkit.fit(model, source, executor=THREADS, rng=np.random.default_rng(0), **more)
    return cheeseman_stutz(result, source, THREADS).value


def exact(x, marginal, k=2):
    """Log of the sum, over the labels of all rows, of their marginal probability times that of each group's rows."""
    n, terms = len(x), []
    for labels in product(range(k), repeat=n):
        counts = np.bincount(labels, minlength=k)
        weights = gammaln(k / 2) - gammaln(k / 2 + n) + (gammaln(0.5 + counts) - gammaln(0.5)).sum()
        terms.append(weights + sum(marginal(x[np.array(labels) == i]) for i in range(k)))
    return logsumexp(terms)


def beta_bernoulli(x, a=0.5, b=0.5):
    ones = x.sum(axis=0)
    return (betaln(a + ones, b + len(x) - ones) - betaln(a, b)).sum()


def gamma_poisson(mean):
    def marginal(x):
        total, n, b = x.sum(axis=0), len(x), 1 / mean
        return (gammaln(1 + total) + np.log(b) - (1 + total) * np.log(b + n) - gammaln(x + 1).sum(axis=0)).sum()

    return marginal


def dirichlet_categorical(levels):
    def marginal(x):
        out = 0.0
        for column in x.T.astype(int):
            counts = np.bincount(column, minlength=levels)
            out += gammaln(levels / 2) - gammaln(levels / 2 + len(x)) + (gammaln(0.5 + counts) - gammaln(0.5)).sum()
        return out

    return marginal


APART = np.array([[0, 0, 0, 0, 0, 0]] * 4 + [[1, 1, 1, 1, 1, 1]] * 4, dtype=float)
COUNTS = np.array([[1.0, 0], [0, 2], [2, 1], [1, 1], [30, 40], [33, 38], [29, 45], [35, 41]])


def test_well_separated_groups_by_enumeration():
    """256 labelings: the approximation is within a tenth of a nat where hardly any but two of them count."""
    bernoulli = approximate(emkit.FiniteMixture(emkit.Bernoulli(), 2), emkit.ArraySource(APART), starts=4)
    assert bernoulli == pytest.approx(exact(APART, beta_bernoulli), abs=0.1)
    poisson = approximate(emkit.FiniteMixture(emkit.Poisson(), 2), emkit.ArraySource(COUNTS), starts=4)
    assert poisson == pytest.approx(exact(COUNTS, gamma_poisson(COUNTS.mean(axis=0))), abs=0.1)
    symbols = np.where(APART, 2.0, [0, 1, 0, 1, 0, 1])
    categorical = approximate(emkit.FiniteMixture(emkit.Categorical(3), 2), emkit.ArraySource(symbols), starts=4)
    assert categorical == pytest.approx(exact(symbols, dirichlet_categorical(3)), abs=0.1)


def test_it_prefers_the_number_that_the_exact_marginal_prefers():
    one, two = (emkit.FiniteMixture(emkit.Bernoulli(), k) for k in (1, 2))
    source = emkit.ArraySource(APART)
    assert approximate(two, source, starts=4) > approximate(one, source)
    assert exact(APART, beta_bernoulli) > beta_bernoulli(APART)
    mixed = emkit.ArraySource(APART[:, :1])
    assert approximate(two, mixed, starts=4) < approximate(one, mixed) + 0.7


@pytest.mark.parametrize("prior", [None, emkit.BetaPrior(2.0, 3.0)])
def test_one_component_is_exact(prior):
    x = np.array([[0, 1], [1, 1], [0, 0], [1, 1], [1, 0.0]])
    a, b = (0.5, 0.5) if prior is None else (2.0, 3.0)
    found = approximate(emkit.FiniteMixture(emkit.Bernoulli(prior), 1), emkit.ArraySource(x))
    assert found == pytest.approx(beta_bernoulli(x, a, b), rel=1e-12)


def test_one_component_of_counts_and_symbols_is_exact():
    found = approximate(emkit.FiniteMixture(emkit.Poisson(), 1), emkit.ArraySource(COUNTS))
    assert found == pytest.approx(gamma_poisson(COUNTS.mean(axis=0))(COUNTS), rel=1e-12)
    symbols = np.array([[0, 1], [2, 2], [0, 0], [1, 2.0]])
    found = approximate(emkit.FiniteMixture(emkit.Categorical(3), 1), emkit.ArraySource(symbols))
    assert found == pytest.approx(dirichlet_categorical(3)(symbols), rel=1e-12)


def chain_of_t(x, df, scale, mean, mean_mass):
    """Log marginal of normal rows, one after the other: each is Student-t given those before (Murphy 2007)."""
    d, out = x.shape[1], 0.0
    mean, scale = mean.copy(), scale.copy()
    for row in x:
        spread = scale * (mean_mass + 1) / (mean_mass * (df - d + 1))
        out += multivariate_t.logpdf(row, mean, spread, df=df - d + 1)
        away = row - mean
        scale += mean_mass / (mean_mass + 1) * np.outer(away, away)
        mean += away / (mean_mass + 1)
        df, mean_mass = df + 1, mean_mass + 1
    return out


def test_one_normal_is_exact():
    """Whatever the shape, from Student's t distribution of each row given those before it."""
    x = np.random.default_rng(3).normal([1.0, 5.0], [1.0, 3.0], (12, 2)) @ np.array([[1, 0.4], [0, 1]])
    source, mean, variance = emkit.ArraySource(x), x.mean(axis=0), x.var(axis=0)
    full = chain_of_t(x, 4.0, np.diag(variance), mean, 1.0)
    for name in ("full", "tied"):
        assert approximate(emkit.FiniteMixture(emkit.Gaussian(name), 1), source) == pytest.approx(full, rel=1e-10)
    columns = sum(chain_of_t(x[:, [j]], 3.0, variance[[j]][:, None], mean[[j]], 1.0) for j in range(2))
    for name in ("diag", "tied-diag"):
        assert approximate(emkit.FiniteMixture(emkit.Gaussian(name), 1), source) == pytest.approx(columns, rel=1e-10)
    given = emkit.NormalInverseWishart(df=6.0, scale=[2.0, 7.0], mean=[0.0, 4.0], mean_mass=0.5)
    own = chain_of_t(x, 6.0, np.diag([2.0, 7.0]), np.array([0.0, 4.0]), 0.5)
    assert approximate(emkit.FiniteMixture(emkit.Gaussian("full", given), 1), source) == pytest.approx(own, rel=1e-10)


def test_spherical_pools_the_columns():
    """Both columns share a variance: numbers follow each other as if they were of one column with two means."""
    x = np.random.default_rng(4).normal(size=(6, 2))
    mean, scale, df, mass = x.mean(axis=0), x.var(axis=0).mean() / 1.0, 3.0, np.ones(2)
    expected, at = 0.0, mean.copy()
    for row in x:
        for j, value in enumerate(row):
            expected += t.logpdf(value, df, at[j], np.sqrt(scale / df * (mass[j] + 1) / mass[j]))
            scale += mass[j] / (mass[j] + 1) * (value - at[j]) ** 2
            at[j] += (value - at[j]) / (mass[j] + 1)
            mass[j] += 1
            df += 1
    for name in ("spherical", "tied-spherical"):
        found = approximate(emkit.FiniteMixture(emkit.Gaussian(name), 1), emkit.ArraySource(x))
        assert found == pytest.approx(expected, rel=1e-10)


def test_two_normals_by_enumeration():
    """The prior allows wide groups, so that labelings with a row in the other group count for a quarter of a nat."""
    x = np.array([0.0, 0.4, -0.3, 0.1, 9.0, 9.3, 8.8, 9.1])[:, None]
    scale = x.var(axis=0)[:, None] / 4

    def marginal(rows):
        return chain_of_t(rows, 3.0, scale, x.mean(axis=0), 1.0)

    found = approximate(emkit.FiniteMixture(emkit.Gaussian("full"), 2), emkit.ArraySource(x), starts=4)
    assert found == pytest.approx(exact(x, marginal), abs=0.3)


def test_columns_of_different_kinds_add_up():
    x = np.column_stack([COUNTS[:, 0], APART[:, 0]])
    both = emkit.FiniteMixture(emkit.PerColumn({0: emkit.Poisson(), 1: emkit.Bernoulli()}), 1)
    found = approximate(both, emkit.ArraySource(x))
    assert found == pytest.approx(gamma_poisson(COUNTS[:, 0].mean())(x[:, [0]]) + beta_bernoulli(x[:, [1]]), rel=1e-12)


def test_a_chain_with_one_state_is_a_mixture_with_one_component():
    source, sequences = emkit.ArraySource(COUNTS), emkit.SequenceSource(COUNTS, [3, 5])
    chain = approximate(emkit.HiddenMarkov(emkit.Poisson(), 1), sequences)
    assert chain == pytest.approx(approximate(emkit.FiniteMixture(emkit.Poisson(), 1), source), rel=1e-12)
    assert np.isfinite(approximate(emkit.HiddenMarkov(emkit.Poisson(), 2), sequences, starts=2))


def test_none_and_why():
    x = np.random.default_rng(0).gamma(2.0, size=(20, 1))
    source = emkit.ArraySource(x)
    for model in (
        emkit.FiniteMixture(emkit.Gamma(), 2),
        emkit.FiniteMixture(emkit.Gaussian("VEV"), 2),
        emkit.FiniteMixture(emkit.Gaussian(), 2, fixed={"weights": [0.5, 0.5]}),
    ):
        result = emkit.fit(model, source, executor=THREADS, starts=1, rng=np.random.default_rng(0))
        found = cheeseman_stutz(result, source, THREADS)
        assert np.isnan(found.value)
        assert "no closed form" in found.reason
    assert np.isnan(criteria(result, source, THREADS, marginal=True).cheeseman_stutz)
    assert criteria(result, source, THREADS).cheeseman_stutz is None


def test_a_chain_of_two_states_by_enumeration():
    """256 paths of two sequences: starts, transitions and emissions have closed forms once the states are known."""
    x, lengths = np.concatenate([APART[:4], APART[4:]])[[0, 4, 1, 5, 2, 6, 3, 7]], (4, 4)

    def dirichlet(counts):
        return gammaln(1.0) - gammaln(1.0 + counts.sum()) + (gammaln(0.5 + counts) - gammaln(0.5)).sum()

    terms = []
    for path in product(range(2), repeat=8):
        states = np.array(path)
        transitions = np.zeros((2, 2))
        for first in (0, 4):
            np.add.at(transitions, (states[first : first + 3], states[first + 1 : first + 4]), 1)
        chain = dirichlet(np.bincount(states[[0, 4]], minlength=2)) + sum(map(dirichlet, transitions))
        terms.append(chain + sum(beta_bernoulli(x[states == i]) for i in range(2)))
    found = approximate(emkit.HiddenMarkov(emkit.Bernoulli(), 2), emkit.SequenceSource(x, lengths), starts=4)
    assert found == pytest.approx(logsumexp(terms), abs=0.1)
