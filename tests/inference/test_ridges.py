"""Where other values fit as well, the parameters are named; that the objective bends upward is said only where it also rises."""

import numpy as np
import pytest

from emkit import GaussianMixture, Mixture, NegativeBinomial, Poisson, ZeroInflated

RNG = np.random.default_rng(1)
FAR = np.concatenate([np.where(RNG.random(150) < 0.3, 0, RNG.poisson(3, 150)), RNG.poisson(20, 150)])[:, None]
"""Zeros beside two groups of counts, one so far from 0 that nothing tells which of them the zeros belong to."""


@pytest.mark.parametrize("family", [Poisson(), NegativeBinomial()], ids=["poisson", "negative binomial"])
def test_which_component_zeros_are_of(family):
    model = Mixture(2, ZeroInflated(family), random_state=0, n_init=8, tol=1e-8, max_iter=5000).fit(FAR)
    found = model.standard_errors(FAR)
    assert not any("upward" in note for note in found.notes)
    unidentified = " ".join(note for note in found.notes if "not identified" in note)
    assert "weights[0], weights[1], zeros[0, 0]" in unidentified and "means" not in unidentified
    centres = found["means" if isinstance(family, NegativeBinomial) else "rates"]
    np.testing.assert_allclose(np.sort(centres.ravel()), [0.2, 0.375], rtol=0.08)


def test_what_ran_to_infinity_spoils_no_other_error():
    """Counts of two Poisson groups: sizes run to infinity, and all else is as in the Poisson fit."""
    x = np.concatenate([RNG.poisson(2, 150), RNG.poisson(12, 150)])[:, None]
    fits = [
        Mixture(2, family, random_state=0, n_init=8, tol=1e-8, max_iter=5000).fit(x) for family in (NegativeBinomial(), Poisson())
    ]
    wide, plain = (fit.standard_errors(x) for fit in fits)
    assert "sizes[0, 0]" in " ".join(wide.notes) and not any("means" in note or "upward" in note for note in wide.notes)
    np.testing.assert_allclose(np.sort(wide["means"].ravel()), np.sort(plain["rates"].ravel()), rtol=0.05)
    np.testing.assert_allclose(wide["weights"], plain["weights"], rtol=0.05)


def test_a_fit_that_was_cut_off_where_the_objective_bends_upward():
    x = np.concatenate([RNG.normal(-3, 1, 100), RNG.normal(3, 1, 100)])[:, None]
    start = {"weights": [0.5, 0.5], "means": np.array([[-1.0], [1.0]]), "covariances": np.full((2, 1, 1), 9.0)}
    with pytest.warns(UserWarning, match="max_iter"):
        model = GaussianMixture(2, init=start, prior=None, max_iter=1, algorithm="em").fit(x)
    (note,) = (note for note in model.standard_errors(x).notes if "upward" in note)
    assert "means[0, 0], means[1, 0], covariances[0, 0, 0], covariances[1, 0, 0]: the objective bends upward along these" in note
    assert not any("not identified" in note for note in model.standard_errors(x).notes)
