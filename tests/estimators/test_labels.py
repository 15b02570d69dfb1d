"""What is known of the hidden labels: of a mixture's components as of a chain's states."""

import numpy as np
import pandas as pd
import pytest
from small_models import KINDS, ONE, quietly, reals, state

from emkit import HMM, DataError, GaussianMixture

KNOWN = state()
SOME = np.where(np.arange(40) % 3 == 0, KNOWN, -1)
TIGHT = {"tol": 1e-8, **ONE}


def mixture(x, labels, **settings):
    return quietly(GaussianMixture(2, **{**TIGHT, **settings}).fit, x, labels=labels)


def as_sets(labels, k=2):
    """Each row's possible labels, (n, K)."""
    return np.where(labels[:, None] < 0, True, np.arange(k) == labels[:, None])


# --- all known: the textbook's class means -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("swap", [False, True])
def test_with_every_label_known_the_answer_is_closed(kind, swap):
    """Shares, means and scatter matrices of the classes, in the numbering of the labels, whatever the start."""
    x, labels = reals(gap=1.0), 1 - KNOWN if swap else KNOWN
    gm = mixture(x, labels, covariance_type=kind, prior=None)
    share = np.bincount(labels) / 40
    means = np.stack([x[labels == k].mean(axis=0) for k in range(2)])
    scatter = np.stack([np.cov(x[labels == k].T, bias=True) for k in range(2)])
    pooled = np.einsum("k,kij->ij", share, scatter)
    expected = {
        "full": scatter, "diag": np.diagonal(scatter, axis1=1, axis2=2), "spherical": np.trace(scatter, axis1=1, axis2=2) / 2,
        "tied": pooled, "tied-diag": np.diag(pooled), "tied-spherical": np.trace(pooled) / 2,
    }[kind]  # fmt: skip
    np.testing.assert_allclose(gm.weights_, share, rtol=1e-12)
    np.testing.assert_allclose(gm.means_, means, rtol=1e-10)
    np.testing.assert_allclose(gm.covariances_, expected, rtol=1e-9, atol=1e-12)
    assert gm.converged_


def test_weights_of_rows_count_with_known_labels():
    x, weights = reals(gap=1.0), np.arange(1.0, 41.0)
    gm = quietly(GaussianMixture(2, prior=None, **TIGHT).fit, x, sample_weight=weights, labels=KNOWN)
    for k in range(2):
        np.testing.assert_allclose(gm.means_[k], np.average(x[k == KNOWN], axis=0, weights=weights[k == KNOWN]), rtol=1e-10)
    np.testing.assert_allclose(gm.weights_, np.bincount(KNOWN, weights=weights) / weights.sum(), rtol=1e-12)


# --- some known -----------------------------------------------------------------------------------------------------------

WAYS = {
    "-1": SOME,
    "NaN": np.where(SOME < 0, np.nan, SOME),
    "list": SOME.tolist(),
    "None": np.array([None if v < 0 else v for v in SOME], dtype=object),
    "masked": np.ma.masked_array(SOME, SOME < 0),
    "nullable": pd.array([None if v < 0 else v for v in SOME], dtype="Int64"),
    "Series": pd.Series(SOME),
    "sets": as_sets(SOME),
    "evidence": np.where(as_sets(SOME), 3.5, 0.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_say_the_same(way):
    x = reals(gap=1.5)
    expected, found = mixture(x, SOME), mixture(x, WAYS[way])
    np.testing.assert_allclose(found.means_, expected.means_, rtol=1e-9)
    np.testing.assert_allclose(found.covariances_, expected.covariances_, rtol=1e-8, atol=1e-12)
    if way != "evidence":  # a factor of every density of a row says nothing, but it is in the likelihood
        assert found.result_.log_likelihood == pytest.approx(expected.result_.log_likelihood, rel=1e-12)


def test_labels_number_the_components():
    """Of components that are far apart, the one that a labelled row belongs to has that row's number."""
    for labels in (SOME, np.where(SOME < 0, -1, 1 - SOME)):
        gm = mixture(reals(), labels, order_by="auto")
        np.testing.assert_array_equal(gm.predict(reals())[labels >= 0], labels[labels >= 0])


def test_labels_help_where_the_data_alone_do_not_tell():
    x = reals(gap=1.5)
    truth = np.stack([x[k == KNOWN].mean(axis=0) for k in range(2)])
    alone, helped = mixture(x, None), mixture(x, SOME)
    error = [np.abs(means - truth).max() for means in (alone.means_, alone.means_[::-1], helped.means_)]
    assert error[2] < min(error[:2])


def test_probabilities_move_a_row_and_no_more():
    """Of a row half way, evidence of nine to one is the odds that its responsibilities have, for given parameters."""
    x = np.array([[-1.0], [0.0], [1.0]])
    fixed = {"weights": [0.5, 0.5], "means": [[-1.0], [1.0]], "covariances": 1.0}
    evidence = np.array([[1.0, 1.0], [9.0, 1.0], [1.0, 1.0]])
    gm = GaussianMixture(2, fixed=fixed, max_iter=0, tol=0).fit(x, labels=evidence)
    densities = np.exp(-0.5 * (x - [-1.0, 1.0]) ** 2) / np.sqrt(2 * np.pi)
    assert gm.result_.log_likelihood == pytest.approx(np.log((0.5 * densities * evidence).sum(axis=1)).sum(), rel=1e-12)
    free = GaussianMixture(2, fixed={"means": [[-1.0], [1.0]], "covariances": 1.0}, init={"weights": [0.5, 0.5]}, max_iter=1, tol=0)
    free.fit(x, labels=evidence)
    resp = densities * evidence
    np.testing.assert_allclose(free.weights_, (resp / resp.sum(axis=1, keepdims=True)).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "labels", [SOME, as_sets(SOME), np.where(as_sets(SOME), [0.7, 0.2], 0.0)], ids=["hard", "sets", "evidence"]
)
def test_independent_rows_are_a_chain_that_forgets(labels):
    """An HMM whose every row of the transition matrix, and start, are a mixture's weights is that mixture."""
    x, share = reals(gap=1.5), [0.6, 0.4]
    settings = {"covariance_type": "diag", "prior": None, **TIGHT}
    gm = quietly(GaussianMixture(2, fixed={"weights": share}, **settings).fit, x, labels=labels)
    chain = quietly(HMM(2, fixed={"startprob": share, "transmat": [share, share]}, **settings).fit, x, states=labels)
    np.testing.assert_allclose(chain.means_, gm.means_, rtol=1e-6)
    np.testing.assert_allclose(chain.covariances_, gm.covariances_, rtol=1e-5)
    assert chain.result_.log_likelihood == pytest.approx(gm.result_.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(chain.predict_proba(x), gm.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_objective_never_falls(seed):
    rng = np.random.default_rng(seed)
    evidence = rng.random((40, 3)) * (rng.random((40, 3)) < 0.7) + 0.01
    gm = quietly(GaussianMixture(3, tol=0, max_iter=30, n_init=2, random_state=seed).fit, reals(gap=1.0), labels=evidence)
    assert (np.diff(gm.result_.trace) > -1e-9).all()


# --- what is refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message", "row"),
    [
        (np.where(np.arange(40) == 3, 2, SOME), "labels row 3 is 2; they are numbered 0 to 1, -1 where unknown", 3),
        (np.where(np.arange(40) == 3, -2, SOME), "labels row 3 is -2", 3),
        (SOME + 0.5, "labels row 0 is 0.5", 0),
        (SOME[:5], r"labels has shape \(5,\), expected \(40,\) or \(40, 2\)", None),
        (np.ones((40, 3)), r"labels has shape \(40, 3\)", None),
        (["hot"] * 40, "labels must be numbers 0 to 1, -1 or NaN where unknown", None),
        (np.full((40, 2), "hot"), r"labels \(n, K\) must hold booleans or finite nonnegative numbers", None),
        (as_sets(SOME) & (np.arange(40) != 7)[:, None], "labels row 7 rules out every label", 7),
        (np.where(np.arange(40)[:, None] == 7, -1.0, as_sets(SOME)), r"labels row 7 is \[-1\. -1\.\].*finite nonnegative", 7),
        (np.where(np.arange(40)[:, None] == 7, np.nan, as_sets(SOME)), r"labels row 7 is \[nan nan\].*finite nonnegative", 7),
    ],
)
def test_labels_that_cannot_be(labels, message, row):
    with pytest.raises(DataError, match=message) as caught:
        GaussianMixture(2).fit(reals(), labels=labels)
    assert caught.value.row == row
    with pytest.raises(DataError, match=message.replace("labels ", "states ", 1)) as caught:
        HMM(2).fit(reals(), states=labels)
    assert caught.value.row == row
