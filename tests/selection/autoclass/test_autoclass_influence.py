"""What sets classes apart."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from emkit.selection.autoclass import score as scoring
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.influence import influence
from emkit.selection.autoclass.prepare import prepare
from support.autoclass_tables import example, hard, mixed_table, reference


def test_a_category_by_hand():
    model = TableModel((Attribute("c", "discrete", n_levels=2),), (Term("single_multinomial", (0,)),))
    own = influence(prepare(np.array([[0], [0], [1.0], [1.0]]), model), hard([0, 0, 1, 1]))
    p, q = 2.5 / 3, 0.5
    expected = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    np.testing.assert_allclose(own.terms, [[expected], [expected]])
    np.testing.assert_allclose(own.overall, [1])


def test_a_number_by_quadrature():
    x, labels = np.array([0, 1, 2, 7, 8, 12.0]), np.array([0, 0, 0, 1, 1, 1])
    prepared = prepare(x[:, None], TableModel((Attribute("x", "location", error=0.05),), (Term("single_normal_cn", (0,)),)))
    own = influence(prepared, hard(labels))
    found = [scoring.estimates(prepared, m.T @ prepared.features).coefficients for m in (hard(labels), np.ones((6, 1)))]
    spread = [np.sqrt(-0.5 / c[:, 2]) for c in found]
    mean = [c[:, 1] * s**2 for c, s in zip(found, spread, strict=True)]
    for j in range(2):
        p, q = norm(mean[0][j], spread[0][j]), norm(mean[1][0], spread[1][0])
        expected = quad(lambda z, p=p, q=q: p.pdf(z) * (p.logpdf(z) - q.logpdf(z)), -30, 30, limit=200)[0]
        assert own.terms[j, 0] == pytest.approx(expected, abs=1e-6)


def test_one_class_is_like_all_rows():
    x, model, _ = mixed_table()
    own = influence(prepare(x, model), np.ones((len(x), 1)))
    np.testing.assert_allclose(own.terms, 0, atol=1e-12)
    np.testing.assert_allclose(own.overall, 0, atol=1e-12)


def test_sums_over_terms_and_classes():
    prepared = example("imports-85c")
    own = influence(prepared, hard(reference()["imports-85c"][0]["labels"]))
    assert own.terms.shape == (17, 26)
    assert (own.terms >= 0).all()
    assert own.overall.max() == 1
    np.testing.assert_allclose(own.cross_entropy, own.terms.sum(axis=1))
    np.testing.assert_allclose(own.overall, own.terms.sum(axis=0) / own.terms.sum(axis=0).max())
    assert own.overall[0] == 0  # "symboling" is ignored
    assert np.isfinite(own.strength).all()


def test_the_column_that_makes_the_classes_matters_most():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=100)
    x = np.column_stack([rng.standard_normal(100), 10 * labels + rng.standard_normal(100)])
    attributes = tuple(Attribute(a, "location", error=0.01) for a in "ab")
    prepared = prepare(x, TableModel(attributes, (Term("single_normal_cn", (0,)), Term("single_normal_cn", (1,)))))
    own = influence(prepared, hard(labels))
    assert own.overall[1] == 1
    assert own.overall[0] < 0.1
