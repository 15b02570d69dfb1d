"""MICL: the integrated likelihood by hand, every partition and choice of columns by brute force, noise left out."""

from itertools import product

import numpy as np
import pytest
from scipy.special import betaln, gammaln
from scipy.stats import t as student

from emkit import (
    ArraySource,
    BetaPrior,
    Categorical,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    Mixture,
    ParameterError,
    PerColumn,
    Poisson,
    StudentT,
    Threads,
    WithMissing,
    relevant_columns,
)
from emkit.selection import variables
from emkit.selection.integrated import Integrated
from emkit.selection.variables import relevant_columns as choose

ONE = Threads(1)
NAN = np.nan


def integrated(family, x, k=2, weights=None):
    source, model = ArraySource(x, weights=weights), FiniteMixture(family, k)
    blocks = variables._blocks(model, source)
    return Integrated([variables._column(block, k, source, ONE, 1.0) for block in blocks], source, k)


def dirichlet(counts, a=0.5):
    counts = np.asarray(counts, dtype=float)
    return (gammaln(a + counts) - gammaln(a)).sum() + gammaln(a * len(counts)) - gammaln(a * len(counts) + counts.sum())


def predictive(values, mean, variance, k):
    """Log marginal of normal numbers, one after the other by Student's t: unit information, 3 degrees, variance over k^2."""
    df, scale, mass, total = 3.0, variance / k**2, 1.0, 0.0
    for value in values:
        spread = scale * (1.0 + 1.0 / mass) / df
        total += student.logpdf(value, df, mean, np.sqrt(spread))
        scale += mass / (mass + 1.0) * (value - mean) ** 2
        mean, mass, df = (mass * mean + value) / (mass + 1.0), mass + 1.0, df + 1.0
    return total


def by_hand(x, labels, relevant):
    """Of a column of symbols 0 to 2, one of counts, one of numbers, and one of counts that may be missing, in two classes."""
    total = dirichlet([np.sum(labels == k) for k in (0, 1)])
    for j, used in enumerate(relevant):
        there = ~np.isnan(x[:, j])
        seen = x[there, j]
        for k in (0, 1) if used else (0,):
            members = labels == k if used else np.ones(len(x), dtype=bool)
            values = x[there & members, j]
            if j == 0:
                total += dirichlet([np.sum(values == level) for level in range(3)])
            elif j == 2:
                total += predictive(values, seen.mean(), seen.var(), 2 if used else 1)
            else:
                rate, events = 1.0 / seen.mean(), values.sum()
                total += np.log(rate) + gammaln(1.0 + events) - (1.0 + events) * np.log(rate + len(values))
                total -= gammaln(values + 1.0).sum()
            if j == 3:
                gone = np.sum(members & ~there)
                total += betaln(2.0 + gone, 3.0 + np.sum(members & there)) - betaln(2.0, 3.0)
    return total


FAMILIES = {0: Categorical(), 1: Poisson(), 2: Gaussian("diag", prior=None), 3: WithMissing(Poisson(), BetaPrior(2.0, 3.0))}


def small(n=9, seed=0):
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 2
    columns = [rng.integers(3, size=n), rng.poisson(2 + 9 * group), rng.normal(size=n) + 4 * group, rng.poisson(3, size=n)]
    x = np.column_stack(columns).astype(float)
    x[0, 0], x[3, 1], x[2, 2], x[4, 3], x[6, 3] = (NAN,) * 5
    x[1, 0], x[3, 0], x[5, 0] = 0, 1, 2
    return x


def test_the_integrated_likelihood_is_that_of_the_formulas():
    x = small()
    found = integrated(PerColumn(FAMILIES), x)
    rng = np.random.default_rng(1)
    for relevant in product([False, True], repeat=4):
        labels = rng.integers(2, size=len(x))
        value = found.at(labels, np.array(relevant)).value
        assert value == pytest.approx(by_hand(x, labels, relevant), abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_of_all_partitions_and_columns(seed):
    x = small(8, seed)
    found = integrated(PerColumn(FAMILIES), x)
    every = [found.at(np.array(labels)) for labels in product([0, 1], repeat=8)]
    best = max(every, key=lambda one: one.value)
    chosen = choose(FiniteMixture(PerColumn(FAMILIES), 2), ArraySource(x), executor=ONE, rng=np.random.default_rng(0), by="micl")
    assert chosen.score == pytest.approx(-2.0 * best.value, abs=1e-8)
    np.testing.assert_array_equal(chosen.relevant, best.relevant)
    np.testing.assert_array_equal(chosen.relevant, chosen.gains > 0)
    assert chosen.score_of_all >= chosen.score - 1e-9
    assert max(found.at(one.labels, np.ones(4, dtype=bool)).value for one in every) == pytest.approx(-0.5 * chosen.score_of_all)


def test_moves_never_lower_the_value():
    x = small(60, 3)
    found, rng = integrated(PerColumn(FAMILIES), x), np.random.default_rng(0)
    for _ in range(5):
        labels = rng.integers(2, size=60)
        assert found.best_from(labels).value >= found.at(labels).value


def test_weight_two_is_the_row_twice():
    x = small()
    weights = np.random.default_rng(0).integers(1, 4, size=len(x))
    labels = np.arange(len(x)) % 2
    weighted = integrated(PerColumn(FAMILIES), x, weights=weights.astype(float)).at(labels)
    repeated = integrated(PerColumn(FAMILIES), np.repeat(x, weights, axis=0)).at(np.repeat(labels, weights))
    assert weighted.value == pytest.approx(repeated.value, abs=1e-8)


def test_noise_is_left_out_in_any_order_of_columns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6))
    x[:, :2] += 3.0 * rng.normal(size=(3, 2))[rng.integers(3, size=200)]
    estimator = GaussianMixture(3, covariance_type="diag", random_state=0)
    found = relevant_columns(estimator, x, by="micl", n_starts=10)
    assert found.relevant == ["x0", "x1"]
    assert found.table["price"] == [0.0] * 6
    assert "MICL" in str(found)
    turned = relevant_columns(estimator, x[:, ::-1], by="micl", n_starts=10)
    assert turned.relevant == ["x4", "x5"]
    assert turned.score == pytest.approx(found.score, abs=0.5)


def test_a_family_without_a_closed_form_is_named():
    x = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(ParameterError, match=r"by=.micl.: .x0. is a StudentT family.*no closed form"):
        relevant_columns(Mixture(2, StudentT(), random_state=0), x, by="micl", n_starts=2)
    with pytest.raises(ParameterError, match="by"):
        relevant_columns(GaussianMixture(2, covariance_type="diag"), x, by="icl")


def test_the_marginal_of_cells_that_may_be_missing_is_sequential_prediction():
    """Jeffreys' prior by default: each cell is missing with probability (missing so far + 1/2) / (rows so far + 1)."""
    x = np.array([[1.0], [NAN], [3.0], [NAN], [0.0]])
    family = WithMissing(Poisson()).resolve(ArraySource(x), 1)
    resp = np.ones((5, 1))
    params = family.from_partition(x, resp, np.random.default_rng(0))
    own = family.marginal_of_missing(params, x, resp)
    gone, expected = 0, 0.0
    for i, missing in enumerate(np.isnan(x[:, 0])):
        p = (gone + 0.5) / (i + 1.0)
        expected += np.log(p if missing else 1.0 - p)
        gone += missing
    p = params.missing[0, 0]
    assert own == pytest.approx(expected - 2 * np.log(p) - 3 * np.log1p(-p), abs=1e-12)
    values = family.family.complete_marginal(family.stats(params, x, resp).values, params.values)
    assert family.complete_marginal(family.stats(params, x, resp), params) == pytest.approx(own + values, abs=1e-12)
