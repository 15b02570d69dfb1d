"""Terms of the score by formulas of their own: counting, gamma functions, quadrature-free closed forms, on cases done by hand."""

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import multivariate_normal, norm

from emkit.core.errors import ParameterError
from emkit.selection.autoclass import score as scoring
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.prepare import prepare
from emkit.selection.autoclass.score import estimates, score
from support.autoclass_tables import example, hard, mixed_table, reference


def one_column(cells, attribute, kind):
    return prepare(np.array(cells, dtype=float)[:, None], TableModel((attribute,), (Term(kind, (0,)),)))


def test_categories_are_dirichlet_multinomial():
    """Levels 0 0 1 ? with "missing" as a level, prior 2/3 each: the product of predictive probabilities, row after row."""
    prepared = one_column([0, 0, 1, np.nan], Attribute("c", "discrete", n_levels=2), "single_multinomial")
    part = 2 / 3
    by_hand = part / 2 * ((part + 1) / 3) * (part / 4) * (part / 5)
    assert score(prepared, np.ones((4, 1))).log_marginal == pytest.approx(np.log(by_hand), abs=1e-12)


def test_classes_are_dirichlet_multinomial_with_names():
    """Rows in classes 2 and 1, prior 1/2 each, and 2! names."""
    by_hand = 0.5 / 1 * (1.5 / 2) * (0.5 / 3) * 2
    assert scoring.class_marginal(np.array([2.0, 1.0])) == pytest.approx(np.log(by_hand), abs=1e-12)


def test_one_class_has_nothing_to_share_out():
    assert scoring.class_marginal(np.array([7.0])) == 0.0


def test_a_normal_term_by_its_formula():
    """Five numbers: m = m0, variance 2, range 4, error .1, so smin .5, smax 2, s0 = max(2, 5 * .5/sqrt(2.1)) = 2."""
    prepared = one_column([-2, -1, 0, 1, 2], Attribute("x", "location", error=0.1), "single_normal_cn")
    gamma_two = 0.0  # lnG((5 - 1)/2) = ln 1
    prior = -1.5 * np.log(2) - np.log(np.log(2 / 0.5)) - np.log(2)
    by_hand = gamma_two + 5 * np.log(0.1) - 2.5 * np.log(5 * np.pi) - 2 * np.log(2) + prior
    # What EM's estimate gains on the shared-out likelihood is nothing with one class
    assert score(prepared, np.ones((5, 1))).log_marginal == pytest.approx(by_hand, abs=1e-9)


def test_missing_as_an_outcome_adds_a_beta_term():
    cells = [-2, -1, 0, np.nan, 1, 2]
    attribute = Attribute("x", "location", error=0.1)
    at_random, outcome = (one_column(cells, attribute, f"single_normal_{kind}") for kind in ("cn", "cm"))
    beta = gammaln(5.5) + gammaln(1.5) - gammaln(7) - np.log(np.pi)
    marginals = [scoring.term_marginals(p, p.features.sum(axis=0, keepdims=True))[0, 0] for p in (at_random, outcome)]
    assert marginals[1] - marginals[0] == pytest.approx(beta, abs=1e-12)


def test_a_correlated_term_of_two_columns():
    """Against the formula of the reference, written out for d = 2."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 2)) @ np.array([[1, 0.5], [0, 1]])
    prepared = prepare(x, TableModel(tuple(Attribute(a, "location", error=0.01) for a in "ab"), (Term("multi_normal_cn", (0, 1)),)))
    w, s = 8.0, np.cov(x.T, bias=True)
    c = (w * s + np.diag(np.diag(s))) / (w - 2)
    by_hand = (
        -np.log(w)
        - (w - 1) * np.log(np.pi)
        + (gammaln((w + 1) / 2) - gammaln(1) + gammaln(w / 2) - gammaln(0.5))
        + np.log(s[0, 0] * s[1, 1])
        + (w + 1) * (-np.log(np.linalg.det(c)) / 2 - np.log(w - 2))
        + w * 2 * np.log(0.01)
        - np.log(np.ptp(x, axis=0)).sum()
    )
    assert score(prepared, np.ones((8, 1))).log_marginal == pytest.approx(by_hand, abs=1e-9)


def test_densities_are_those_of_the_estimates():
    """``coefficients`` against scipy's distributions, every kind of term."""
    x, model, labels = mixed_table()
    prepared = prepare(x, model)
    stats = hard(labels).T @ prepared.features
    found = estimates(prepared, stats)
    kinds, normals, block = prepared.categories, prepared.normals, prepared.blocks[0]
    expected = np.zeros((len(x), 3))
    for j in range(3):
        rows = labels == j
        w = rows.sum()
        own = x[rows]
        covariance = np.cov(own[:, :2].T, bias=True)
        covariance = (w * covariance + np.diag(np.diag(covariance))) / (w - 2)
        expected[:, j] += multivariate_normal(own[:, :2].mean(axis=0), covariance).logpdf(x[:, :2]) + 2 * np.log(0.01)
        for t, (column, error) in enumerate(((x[:, 2], 0.01), (np.log(x[:, 3]), np.log(1.001)))):
            there = ~np.isnan(column)
            known = column[rows & there]
            weight = w if t == 0 else len(known)
            mean, v = known.mean(), known.var()
            a = v / ((weight + 1) * normals.s0[t] ** 2)
            spread = np.sqrt(v * weight / (weight + 1))
            value = norm(mean * (1 - a) + normals.pivot[t] * a, spread).logpdf(np.nan_to_num(column)) + np.log(error)
            if t == 0:
                p = (len(known) + normals.known_prior[0]) / (w + 1)
                value = np.where(there, value + np.log(p), np.log(1 - p))
            expected[:, j] += np.where(there | (t == 0), value, 0)
        for column, levels in ((x[:, 4], 2), (np.nan_to_num(x[:, 5], nan=4), 5)):
            counts = np.bincount(column[rows].astype(int), minlength=levels)
            expected[:, j] += np.log((counts + 1 / levels) / (w + 1))[column.astype(int)]
    assert len(kinds.terms) == 2 and len(block.linear) == 2
    np.testing.assert_allclose(prepared.features @ found.coefficients.T, expected, rtol=1e-9)


def test_the_order_of_rows_columns_and_classes_does_not_matter():
    x, model, labels = mixed_table()
    rng = np.random.default_rng(3)
    rows, columns = rng.permutation(len(x)), rng.permutation(6)
    place = np.argsort(columns)
    other = TableModel(
        tuple(model.attributes[c] for c in columns),
        tuple(Term(t.kind, tuple(int(place[c]) for c in t.columns)) for t in reversed(model.terms)),
    )
    before = score(prepare(x, model), hard(labels))
    after = score(prepare(x[rows][:, columns], other), hard(2 - labels[rows]))
    assert after.log_marginal == pytest.approx(before.log_marginal, abs=1e-8)
    assert after.log_likelihood == pytest.approx(before.log_likelihood, abs=1e-8)


def test_units_do_not_matter():
    """Numbers in other units, their errors too: the same probabilities."""
    x, model, labels = mixed_table()
    scaled, attributes = x.copy(), list(model.attributes)
    for c in range(3):
        scaled[:, c] = 1000 * x[:, c] + 7
        attributes[c] = Attribute(attributes[c].name, "location", error=10.0)
    scaled[:, 3] *= 60
    own = score(prepare(scaled, TableModel(tuple(attributes), model.terms)), hard(labels))
    expected = score(prepare(x, model), hard(labels)).log_marginal
    assert own.log_marginal == pytest.approx(expected, abs=1e-6)


def test_a_class_that_knows_nothing_of_a_column_scores_finitely():
    x = np.array([[0.0, 1], [0.1, 2], [0.2, 3], [5, np.nan], [5.1, np.nan], [5.2, np.nan]])
    for kind in ("single_normal_cn", "single_normal_cm"):
        attributes = tuple(Attribute(a, "location", error=0.01) for a in "ab")
        prepared = prepare(x, TableModel(attributes, (Term("single_normal_cn", (0,)), Term(kind, (1,)))))
        own = score(prepared, hard([0, 0, 0, 1, 1, 1]))
        assert np.isfinite([own.log_marginal, own.log_likelihood]).all()
        assert scoring.term_marginals(prepared, hard([0, 0, 0, 1, 1, 1]).T @ prepared.features)[1, 1] == 0.0


def test_memberships_under_a_hundred_thousandth_are_none():
    prepared = example("imports-85c")
    stats = hard(reference()["imports-85c"][0]["labels"]).T @ prepared.features
    own = scoring.memberships_of(prepared, estimates(prepared, stats))
    assert own[own > 0].min() >= 1e-5 / 2
    np.testing.assert_allclose(own.sum(axis=1), 1)


@pytest.mark.parametrize("bad", [np.ones((5, 2)), np.ones(120), np.ones((120, 2))])
def test_memberships_that_are_none_are_refused(bad):
    x, model, _ = mixed_table()
    with pytest.raises(ParameterError, match="memberships"):
        score(prepare(x, model), bad)
