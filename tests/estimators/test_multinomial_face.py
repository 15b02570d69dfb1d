"""Counts of outcomes: ``HMM(emission="multinomial")`` and ``MultinomialHMM`` beyond what hmmlearn's comparison tells."""

import numpy as np
import pytest
from small_models import LENGTHS, ONE, outcomes, quietly, state

from emkit import HMM, DataError, Dirichlet, MultinomialHMM, ParameterError, load

X = outcomes()
NAN = np.nan


def uneven(seed=0):
    """Rows with sums of their own, and these sums."""
    x = X.copy()
    x[:, 0] += np.random.default_rng(seed).integers(0, 3, len(x))
    return x, x.sum(axis=1)


def test_states_are_found():
    model = HMM(2, "multinomial", **ONE).fit(X, lengths=LENGTHS)
    assert (model.predict(X, lengths=LENGTHS) == state()).mean() > 0.95
    np.testing.assert_allclose(model.probs_.sum(axis=1), 1.0)
    np.testing.assert_allclose(model.forecast(X[:24], 3).mean.sum(axis=1), 12.0)


def test_a_face_is_the_hmm_of_the_same_settings():
    mine, other = MultinomialHMM(2, 12, **ONE).fit(X, LENGTHS), HMM(2, "multinomial", n_trials=12, **ONE).fit(X, lengths=LENGTHS)
    np.testing.assert_array_equal(mine.emissionprob_, other.probs_)
    assert mine.score(X, LENGTHS) == other.score(X, lengths=LENGTHS)


def test_priors_and_fixed_values():
    """A column that a state never has; pseudo-counts for the others."""
    fixed = {"probs": [[0.0, NAN, NAN], [NAN, NAN, NAN]]}
    model = quietly(HMM(2, "multinomial", prior=Dirichlet(2.0), fixed=fixed, **ONE).fit, X)
    assert model.probs_[0, 0] == 0.0 and (model.probs_[1] > 0).all()
    assert model.result_.n_free == 1 + 2 + 1 + 2


@pytest.mark.parametrize("n_trials", [None, 12])
def test_missing_cells_and_steps(n_trials):
    """Little is lost; new rows may have them too."""
    whole = MultinomialHMM(2, n_trials, **ONE).fit(X)
    holes = X.astype(float)
    holes[np.arange(0, 40, 5), np.arange(8) % 3] = NAN
    holes[[7, 19]] = NAN
    model = MultinomialHMM(2, n_trials, **ONE).fit(holes)
    np.testing.assert_allclose(model.emissionprob_, whole.emissionprob_, atol=0.05)
    assert (model.predict(holes) == whole.predict(X)).mean() > 0.9
    assert np.isfinite(whole.score(holes))
    assert (model.sample(5)[0].sum(axis=1) == 12).all()


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda n: np.asarray(n, dtype=np.uint8)])
def test_a_number_for_each_row(kind, tmp_path):
    """They are checked in the fit; new rows have their own sums."""
    x, n = uneven()
    model = MultinomialHMM(2, kind(n.tolist()), **ONE).fit(x, LENGTHS)
    assert model.score(x[:10]) == MultinomialHMM(2, **ONE).fit(x, LENGTHS).score(x[:10])
    model.save(tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").score(x) == model.score(x)
    assert set(model.sample(20)[0].sum(axis=1)) == {round(n.mean())}
    lists = MultinomialHMM(2, kind(n.tolist()), **ONE).fit([x[:24], x[24:]])
    once = MultinomialHMM(2, kind(n.tolist()), **ONE).fit(part for part in (x[:24], x[24:]))
    assert lists.score(x, LENGTHS) == once.score(x, LENGTHS) == model.score(x, LENGTHS)


def test_a_number_for_each_row_that_is_not_its_sum():
    x, n = uneven()
    n = n.copy()
    n[30] += 1
    for data, where in ((x, "row 30"), ([x[:24], x[24:]], "sequence 1 step 6")):
        with pytest.raises(DataError, match=f"{where} adds up to {n[30] - 1}, but its n_trials is {n[30]}") as caught:
            MultinomialHMM(2, n, **ONE).fit(data)
        assert caught.value.row == 30
    with pytest.raises(ParameterError, match="n_trials has 39 entries for 40 rows"):
        MultinomialHMM(2, n[:39], **ONE).fit(x)
    holes = x.astype(float)
    holes[30] = NAN
    holes[33, 1] = NAN
    with pytest.raises(DataError, match=r"column 1 row 33 is missing; with n_trials for each row"):
        MultinomialHMM(2, n, **ONE).fit(holes)
    holes[33] = NAN
    assert np.isfinite(MultinomialHMM(2, n, **ONE).fit(holes).score(holes))


def test_the_same_number_for_each_row_is_one_number():
    holes = X.astype(float)
    holes[3, 1] = NAN
    model = MultinomialHMM(2, [12] * 40, **ONE).fit(holes)
    assert model.score(holes) == MultinomialHMM(2, 12, **ONE).fit(holes).score(holes)
    with pytest.raises(ParameterError, match="n_trials has 7 entries for 40 rows"):
        MultinomialHMM(2, [12] * 7, **ONE).fit(X)


def test_bad_cells():
    bad = X.astype(float)
    for n in (None, 12, uneven()[1]):
        for cell, found in ((-1.0, "-1"), (2.5, "2.5")):
            bad[4, 1] = cell
            with pytest.raises(DataError, match=rf"column 1 row 4 is {found}, expected a count"):
                MultinomialHMM(2, n, **ONE).fit(bad)
        with pytest.raises(DataError, match="'a'"):
            MultinomialHMM(2, n, **ONE).fit(np.full((40, 3), "a"))
    with pytest.raises(DataError, match=r"row 0 adds up to 12, but n_trials=11"):
        MultinomialHMM(2, 11, **ONE).fit(X)
    with pytest.raises(DataError, match=r"symbols 0, 1, 2, \.\.\. in one column are categorical"):
        MultinomialHMM(2, **ONE).fit(X[:, :1])


def test_new_rows():
    """Of another sum: impossible where ``n_trials`` says so, otherwise by their own."""
    more = X + 1
    assert MultinomialHMM(2, 12, **ONE).fit(X).score(more) == -np.inf
    assert np.isfinite(MultinomialHMM(2, **ONE).fit(X).score(more))
    with pytest.raises(DataError, match=r"2 features|2 columns"):
        MultinomialHMM(2, **ONE).fit(X).score(X[:, :2])
    with pytest.raises(DataError, match="for one column"):
        MultinomialHMM(2, **ONE).fit(X).pseudo_residuals(X)


def test_samples_of_what_was_set_by_hand_need_the_number():
    model = MultinomialHMM(2, random_state=0)
    model.startprob_, model.transmat_, model.emissionprob_ = [0.5, 0.5], np.full((2, 2), 0.5), [[0.2, 0.8], [0.6, 0.4]]
    assert np.isfinite(model.score([[1, 2], [3, 4]])) and "multinomial" in model.summary()
    with pytest.raises(ParameterError, match="give n_trials"):
        model.sample(3)
    assert (model.set_params(n_trials=6).sample(3)[0].sum(axis=1) == 6).all()


def test_what_is_not_there_is_asked_of_the_class_that_was_made():
    model = MultinomialHMM(2, random_state=0).fit(np.tile([[1, 2], [3, 0]], (10, 1)))
    with pytest.raises(AttributeError, match="'MultinomialHMM' object has no attribute 'means_'"):
        _ = model.means_
