"""Scores of families: by hand, and equal for equivalent graphs."""

from math import comb, factorial, lgamma, log

import numpy as np
import pytest

from emkit import BDeu, ParameterError
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.linear_scores import MixedFamilies
from emkit.models.bayesnet.structure.scores import CountedFamilies, Penalized, score_of
from emkit.selection.structure_tables import cells_of

# Eight rows of two columns: (0, 0) three times, (0, 1) once, (1, 1) four times.
CODES = np.repeat([[0, 0], [0, 1], [1, 1]], [3, 1, 4], axis=0)


def families(score, codes=CODES, cards=(2, 2), weights=None):
    return CountedFamilies(Rows(codes, weights, cards), score_of(score, len(codes) if weights is None else weights.sum()))


def test_bic_and_aic_by_hand():
    fit = 3 * log(3 / 4) + log(1 / 4) + 4 * log(1.0)
    assert families("bic")(1, (0,)) == pytest.approx(fit - 0.5 * log(8) * 2, abs=1e-12)
    assert families("aic")(1, (0,)) == pytest.approx(fit - 2, abs=1e-12)
    assert families("loglik")(1, (0,)) == pytest.approx(fit, abs=1e-12)
    assert families("bic")(0, ()) == pytest.approx(8 * log(0.5) - 0.5 * log(8), abs=1e-12)


def test_k2_is_cooper_and_herskovits():
    # For each parent state (r - 1)! / (n + r - 1)! prod n_k!: 1/5! 3! 1! and 1/5! 4!
    want = log(factorial(3) / factorial(5)) + log(factorial(4) / factorial(5))
    assert families("k2")(1, (0,)) == pytest.approx(want, abs=1e-12)
    assert families("k2")(0, ()) == pytest.approx(-log(9 * comb(8, 4)), abs=1e-12)


def test_bdeu_by_hand():
    a = 2.0 / 4
    want = sum(lgamma(2 * a) - lgamma(2 * a + 4) + sum(lgamma(a + n) - lgamma(a) for n in row) for row in ((3, 1), (0, 4)))
    assert families(BDeu(2.0))(1, (0,)) == pytest.approx(want, abs=1e-12)


def test_weights_count_as_rows():
    distinct, weights = np.array([[0, 0], [0, 1], [1, 1]]), np.array([3.0, 1, 4])
    for score in ("bic", "bdeu", "k2"):
        assert families(score, distinct, weights=weights)(1, (0,)) == pytest.approx(families(score)(1, (0,)), abs=1e-12)


@pytest.mark.parametrize("score", ["bic", "aic", "bdeu"])
def test_equivalent_graphs_have_equal_scores(score):
    rng = np.random.default_rng(0)
    cards = (2, 3, 4)
    codes = np.column_stack([rng.integers(0, card, 200) for card in cards])
    codes[:, 1] = (codes[:, 0] + codes[:, 1]) % 3
    of = families(score, codes, cards)
    chain, turned, fork = [(), (0,), (1,)], [(1,), (2,), ()], [(1,), (), (1,)]
    assert of.total(chain) == pytest.approx(of.total(turned), abs=1e-9) == of.total(fork)
    assert abs(of.total(chain) - of.total([(), (0, 2), ()])) > 1e-3


def test_unknown_scores_are_refused():
    with pytest.raises(ParameterError, match="bdeu"):
        score_of("bicc", 10)


def test_gaussian_families_are_regressions_by_configuration():
    rng = np.random.default_rng(1)
    state = rng.integers(0, 2, 300)
    x = rng.normal(state, 1.0)
    y = np.where(state == 0, 2 * x, -x) + rng.normal(0, 0.5 + state, 300)
    weights = rng.integers(1, 3, 300).astype(float)
    of = MixedFamilies(cells_of([np.column_stack([state, 1e3 + 50 * x, 7 * y])], weights, (2, 0, 0)), Penalized(2.5))
    want, w2 = 0.0, 2.0 / weights.sum()
    spread = np.average((7 * y - np.average(7 * y, weights=weights)) ** 2, weights=weights)
    for s in (0, 1):
        own = state == s
        design = np.column_stack([np.ones(own.sum()), x[own]])
        root = np.sqrt(weights[own])
        left = 7 * y[own] - design @ np.linalg.lstsq(design * root[:, None], 7 * y[own] * root, rcond=None)[0]
        rss, n = weights[own] @ left**2, weights[own].sum()
        v = (rss + w2 * spread) / (n + w2)
        want += -0.5 * (n * np.log(2 * np.pi * v) + rss / v) - 2.5 * 3
    assert of(2, (0, 1)) == pytest.approx(want, rel=1e-10)
    share = np.array([weights[state == s].sum() for s in (0, 1)])
    assert of(0, ()) == pytest.approx(share @ np.log(share / share.sum()) - 2.5)


def test_drawn_rows_share_their_weight():
    first, second = np.array([[0, 1.0], [1, 2.0]]), np.array([[0, 1.0], [0, 3.0]])
    cells = cells_of([first, second], None, (2, 0))
    assert len(cells.weights) == 3 and cells.weights.sum() == 2
    np.testing.assert_allclose(np.sort(cells.weights), [0.5, 0.5, 1.0])
