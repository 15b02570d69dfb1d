"""Tables of columns of different kinds: coded, normal and other columns in one pass, against Bayes' rule written out."""

import numpy as np
import pytest

from emkit import (
    ArraySource,
    Bernoulli,
    Categorical,
    DataError,
    Exponential,
    FiniteMixture,
    Gaussian,
    ParameterError,
    PerColumn,
    Poisson,
    Threads,
    TruncatedNormal,
    fit,
)
from emkit.core.block import Block
from emkit.core.compiled import compiling
from emkit.testing import check_model

RNG = np.random.default_rng(1)
N = 300
X = np.column_stack(
    [
        RNG.normal(size=(N, 2)) @ [[1.0, 0.5], [0.0, 1.0]],
        RNG.poisson(4.0, N),
        RNG.integers(0, 3, (N, 2)),
        RNG.integers(0, 2, N),
        RNG.exponential(2.0, N),
        np.round(RNG.exponential(5.0, N)),
        RNG.normal(size=N),
    ]
)
X[RNG.random(X.shape) < 0.15] = np.nan
X[7] = np.nan
KINDS = {
    (0, 1): Gaussian("full"), 2: Poisson(), (3, 4): Categorical(), 5: Bernoulli(), (6, 7): Exponential(), 8: Gaussian("diag")
}  # fmt: skip


def resolved(k=3):
    source = ArraySource(X)
    model = FiniteMixture(PerColumn(KINDS), k).resolve(source)
    return source, model, model.init(source, np.random.default_rng(0))


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("what", ["plain", "weighted", "labelled"])
def test_the_compiled_pass_is_bayes_rule_written_out(k, what):
    _, model, params = resolved(k)
    block = Block(
        X,
        weights=RNG.integers(0, 3, N).astype(float) if what != "plain" else None,
        labels=np.where(RNG.random(N) < 0.3, RNG.integers(0, k, N), -1) if what == "labelled" else None,
        missing=True,
    )
    family, log_weights = model.family, np.log(np.arange(1.0, k + 1) / (k * (k + 1) / 2))
    plain = family.plain_pass(params.components, log_weights, block)
    each = family.plain_pass(params.components, log_weights, block, rows=True, responsibilities=True)
    with compiling(True):
        made = family.joint_pass(params.components, log_weights, block)
        rows = family.joint_pass(params.components, log_weights, block, rows=True, responsibilities=True)
    assert made.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(made.counts, plain.counts, rtol=1e-10)
    np.testing.assert_allclose(made.stats.pack(), plain.stats.pack(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(rows.rows, each.rows, rtol=1e-11)
    np.testing.assert_allclose(rows.responsibilities, each.responsibilities, rtol=1e-9, atol=1e-12)


def test_impossible_rows_get_minus_infinity_and_count_for_nothing():
    family = PerColumn({0: Categorical((3,)), 1: Poisson()})
    x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
    params = family.resolve(ArraySource(x), 2).null(2, 2)
    probs = params.parts[0].probs.copy()
    probs[:] = [0.5, 0.5, 0.0]
    params = family.made(params, {}, {"parts.0": Categorical.Params(probs), "parts.1": params.parts[1]})
    with compiling(True):
        found = family.joint_pass(params, np.log([0.5, 0.5]), Block(x), rows=True, responsibilities=True)
        weighted = family.joint_pass(params, np.log([0.5, 0.5]), Block(x, weights=np.array([1.0, 0.0, 1.0])))
    assert found.rows[1] == -np.inf and (found.responsibilities[1] == 0).all()
    assert np.isfinite(weighted.log_likelihood) and weighted.counts.sum() == pytest.approx(2.0)


def test_every_law_holds_for_a_table_of_all_kinds():
    check_model(FiniteMixture(PerColumn(KINDS), 2), ArraySource(X), rows=60)


def test_threads_do_not_change_a_bit():
    x = np.tile(X, (300, 1))
    model = FiniteMixture(PerColumn(KINDS), 2)
    found = [
        fit(model, ArraySource(x), executor=Threads(n), starts=1, max_iter=5, tol=0, rng=np.random.default_rng(0)) for n in (1, 3)
    ]
    assert found[0].log_likelihood == found[1].log_likelihood
    for a, b in zip(*(result.params.flatten().values() for result in found), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names_numbers_and_tuples_of_columns():
    named = ArraySource(X[:, [2, 0, 1]], columns=["visits", "a", "b"])
    family = PerColumn({("a", "b"): Gaussian("full")}, visits=Poisson()).resolve(named, 2)
    assert [part.columns for part in family.parts] == [(1, 2), (0,)]
    assert FiniteMixture(family, 2).all_names == ("weights", "gaussian_means", "gaussian_covariances", "visits_rates")
    again = PerColumn({(1, 2): Gaussian("full"), 0: Poisson()}).resolve(named, 2)
    assert [part.columns for part in again.parts] == [(1, 2), (0,)]


def test_values_are_given_by_the_columns_name():
    source = ArraySource(X[:, [2, 8]], columns=["visits", "score"])
    model = FiniteMixture(PerColumn(visits=Poisson(), score=Gaussian()), 2)
    held = model.configured({"visits_rates": [[2.0], [6.0]]}, {"score_means": [[0.0], [1.0]]})
    result = fit(held, source, executor=Threads(1), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(result.params.components.parts[0].rates, [[2.0], [6.0]])
    with pytest.raises(ParameterError, match="the parameters are 'weights', 'visits_rates', 'score_means', 'score_covariances'"):
        model.configured({"rates": 1.0}, {})


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"a": Poisson()}, DataError, "column 'b' has no family; give it one, or drop it"),
        ({"a": Poisson(), "c": Poisson()}, DataError, "there is no column 'c' for a Poisson family; the columns are 'a', 'b'"),
        ({("a", "b"): Poisson(), "b": Poisson()}, ParameterError, "column 'b' has two families"),
        ({0: Poisson(), ("a", "b"): Poisson()}, ParameterError, "two families, once by its name and once by its number"),
        ({"a": "poisson"}, ParameterError, "column 'a' has 'poisson'; give a family"),
        ({}, ParameterError, "needs a family for each column"),
    ],
)
def test_what_does_not_go_with_the_columns_is_refused(parts, error, words):
    with pytest.raises(error, match=words):
        FiniteMixture(PerColumn(parts), 2).resolve(ArraySource(np.ones((5, 2)), columns=["a", "b"]))


def test_a_cell_that_its_family_cannot_describe_is_named():
    source = ArraySource(np.array([[1.0, 2.0], [2.0, 1.5], [0.0, 3.0]]), columns=["score", "visits"])
    with pytest.raises(DataError, match=r"column 'visits' row 1 is 1\.5, expected a count") as caught:
        FiniteMixture(PerColumn(score=Gaussian(), visits=Poisson()), 2).resolve(source)
    assert (caught.value.column, caught.value.row) == ("visits", 1)
    with pytest.raises(DataError, match=r"column 1 row 1 is 1\.5, expected a count"):
        FiniteMixture(PerColumn({0: Gaussian(), 1: Poisson()}), 2).resolve(ArraySource(source.x))


class AsksAnotherModel(Exponential):
    """A family whose own code runs a compiled pass."""

    def cell(self, params, x):
        _, model, other = resolved()
        with compiling(True):
            model.family.joint_pass(other.components, np.log(np.full(3, 1 / 3)), Block(X, missing=True))
        return super().cell(params, x)


def test_a_family_may_run_another_model():
    x = np.round(RNG.exponential(3.0, (200, 1)))
    family = PerColumn({0: AsksAnotherModel()}).resolve(ArraySource(x), 2)
    with compiling(True):
        found = family.joint_pass(family.null(2, 1), np.log([0.5, 0.5]), Block(x))
    assert np.isfinite(found.log_likelihood)


def test_a_table_of_log_probabilities_belongs_to_its_family():
    x = np.round(RNG.normal(size=(200, 1)), 1).clip(-1.0, 1.0)
    params = TruncatedNormal.Params(np.zeros((1, 1)), np.ones((1, 1)))
    values = []
    for limits in ((-1.0, 1.0), (-3.0, 3.0)):
        with compiling(True):
            values.append(TruncatedNormal(None, *limits).joint_pass(params, np.zeros(1), Block(x)).log_likelihood)
        assert values[-1] == pytest.approx(TruncatedNormal(None, *limits).log_prob(params, x).sum())
    assert values[0] != values[1]
