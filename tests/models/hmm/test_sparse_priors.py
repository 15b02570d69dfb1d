"""Dirichlet concentrations under 1, whose density is infinite at zero."""

import numpy as np
import pytest

from emkit import Gaussian, HiddenMarkov, SequenceSource
from support.fits import fitted


def one_sequence():
    rng = np.random.default_rng(2)
    states = np.repeat([0, 1, 0, 1, 0], 50)
    return SequenceSource(rng.normal(np.array([0.0, 3.0])[states], 1.0)[:, None])


@pytest.mark.parametrize("concentration", [0.99, 0.5, 0.1])
def test_a_start_distribution_that_wants_to_be_certain(concentration):
    """With one sequence the best start distribution is certain anyway: the answer is that without the prior."""
    plain = fitted(HiddenMarkov(Gaussian(), 2), one_sequence())
    sparse = fitted(HiddenMarkov(Gaussian(), 2, startprob_prior=concentration), one_sequence())
    assert sparse.converged
    assert np.isfinite(sparse.objective)
    assert sparse.log_likelihood == pytest.approx(plain.log_likelihood, abs=2e-3)
    assert sparse.params.startprob.max() == pytest.approx(1.0)
    assert sparse.params.startprob.min() == 0.0
    assert np.diff(sparse.trace).min() > -1e-8


def test_rows_of_transitions_may_become_sparse():
    sparse = fitted(HiddenMarkov(Gaussian(), 3, transmat_prior=0.3), one_sequence())
    assert np.isfinite(sparse.objective)
    np.testing.assert_allclose(sparse.params.transmat.sum(axis=1), 1.0)
