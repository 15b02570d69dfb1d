"""Masked arrays: the mask is obeyed, in data, weights, labels and lengths."""

import numpy as np
import pandas as pd
import pytest

from emkit import HMM, DataError, GaussianMixture

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 2))
MASK = RNG.random(X.shape) < 0.2
HOLES = np.where(MASK, np.nan, X)
MASKED = np.ma.masked_array(np.where(MASK, -9999.0, X), MASK)


def test_a_mask_is_a_missing_cell():
    gm = GaussianMixture(1, prior=None).fit(np.ma.masked_equal([[1.0], [2.0], [3.0], [-9999.0]], -9999.0))
    assert gm.means_[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, object])
def test_of_any_type(kind):
    whole = np.ma.masked_array(np.round(10 * X), MASK)
    gm = GaussianMixture(2, random_state=0).fit(whole.astype(kind))
    right = GaussianMixture(2, random_state=0).fit(
        np.where(MASK, np.nan, np.round(10 * X)).astype(np.float32 if kind is np.float32 else float)
    )
    np.testing.assert_array_equal(gm.means_, right.means_)
    np.testing.assert_array_equal(gm.predict(whole.astype(kind)), right.predict(whole))


def test_a_masked_array_without_a_mask_is_an_array():
    gm = GaussianMixture(2, random_state=0).fit(np.ma.masked_array(X))
    np.testing.assert_array_equal(gm.means_, GaussianMixture(2, random_state=0).fit(X).means_)


@pytest.mark.parametrize(
    ("masked", "holes"),
    [
        (MASKED, HOLES),
        ([MASKED[:15], MASKED[15:]], [HOLES[:15], HOLES[15:]]),
        (MASKED.reshape(4, 10, 2), HOLES.reshape(4, 10, 2)),
    ],
    ids=["matrix", "list", "3-D"],
)
def test_in_sequences(masked, holes):
    found = HMM(2, random_state=0, max_iter=20, tol=0).fit(masked)
    right = HMM(2, random_state=0, max_iter=20, tol=0).fit(holes)
    np.testing.assert_array_equal(found.means_, right.means_)
    assert found.score(masked) == right.score(holes)
    np.testing.assert_array_equal(found.stream().update(MASKED[3]), right.stream().update(HOLES[3]))
    one = [holes[0]] if isinstance(holes, list) else holes[:1]
    one = HOLES[:5] if holes is HOLES else one
    np.testing.assert_array_equal(found.forecast_log_density(one, MASKED), right.forecast_log_density(one, HOLES))


def test_a_masked_weight_is_refused():
    weights = np.ma.masked_array(np.ones(40), np.arange(40) == 7)
    with pytest.raises(DataError, match=r"sample_weight row 7 is missing \(masked\)"):
        GaussianMixture(1).fit(X, sample_weight=weights)
    with pytest.raises(DataError, match=r"sample_weight row 1 is missing \(masked\)"):
        HMM(1).fit([X, X], sample_weight=np.ma.masked_array([1.0, 2.0], [False, True]))


def test_a_masked_length_is_refused():
    with pytest.raises(DataError, match=r"lengths entry 1 is missing \(masked\)"):
        HMM(1).fit(X, lengths=np.ma.masked_array([20, 20], [False, True]))


def test_a_masked_label_is_unknown():
    states = np.where(X[:, 0] > 0, 1, 0)
    hidden = np.arange(40) % 3 == 0
    plain = np.where(hidden, -1, states)
    right = HMM(2, random_state=0, max_iter=5, tol=0).fit(X, states=plain)
    found = HMM(2, random_state=0, max_iter=5, tol=0).fit(X, states=np.ma.masked_array(states, hidden))
    np.testing.assert_array_equal(found.means_, right.means_)
    rows = np.eye(2)[states]
    right = HMM(2, random_state=0, max_iter=5, tol=0).fit(X, states=np.where(hidden[:, None], 1.0, rows))
    found = HMM(2, random_state=0, max_iter=5, tol=0).fit(X, states=np.ma.masked_array(rows, np.repeat(hidden[:, None], 2, axis=1)))
    np.testing.assert_array_equal(found.means_, right.means_)
    found = HMM(2, random_state=0, max_iter=5, tol=0).fit(X, states=pd.array(np.where(hidden, None, states), dtype="Int64"))
    np.testing.assert_array_equal(found.means_, HMM(2, random_state=0, max_iter=5, tol=0).fit(X, states=plain).means_)


@pytest.mark.parametrize("missing", [pd.NA, None, np.nan])
def test_a_missing_key_is_named(missing):
    frame = pd.DataFrame({"s": pd.Series([1, missing], dtype=object), "v": [0.0, 1.0]})
    with pytest.raises(DataError, match="column 's' row 1 is missing; every row belongs to a sequence"):
        HMM(1, sequence="s").fit(frame)
    frame["s"] = frame["s"].astype("Int64")
    with pytest.raises(DataError, match="column 's' row 1 is missing; every row belongs to a sequence"):
        HMM(1, sequence="s").fit(frame)
