"""Dirichlet concentrations under 1, whose density is infinite at zero."""

import numpy as np
import pytest

from emkit import HMM


def one_sequence():
    rng = np.random.default_rng(2)
    states = np.repeat([0, 1, 0, 1, 0], 50)
    return rng.normal(np.array([0.0, 3.0])[states], 1.0)[:, None]


@pytest.mark.parametrize("concentration", [0.99, 0.5, 0.1])
def test_a_start_distribution_that_wants_to_be_certain(concentration):
    """With one sequence the best start distribution is certain anyway: the answer is that without the prior."""
    x = one_sequence()
    plain = HMM(2, random_state=0).fit(x)
    sparse = HMM(2, startprob_prior=concentration, random_state=0).fit(x)
    assert sparse.result_.converged
    assert np.isfinite(sparse.result_.objective)
    assert sparse.result_.log_likelihood == pytest.approx(plain.result_.log_likelihood, abs=2e-3)
    assert sparse.startprob_.max() == pytest.approx(1.0)
    assert sparse.startprob_.min() == 0.0
    assert np.diff(sparse.result_.trace).min() > -1e-8


def test_rows_of_transitions_may_become_sparse():
    sparse = HMM(3, transmat_prior=0.3, random_state=0).fit(one_sequence())
    assert np.isfinite(sparse.result_.objective)
    np.testing.assert_allclose(sparse.transmat_.sum(axis=1), 1.0)
