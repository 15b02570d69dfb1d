"""Components that share a distribution."""

import numpy as np
import pytest

from emkit import ArraySource, ParameterError, Poisson, Tied

X = np.random.default_rng(3).poisson(4.0, size=(30, 2)).astype(float)
PARAMS = Poisson.Params(np.array([[2.0, 3.0], [6.0, 5.0]]))
TIED = Tied(Poisson(), (0, 1, 0)).resolve(ArraySource(X), 3)


def test_density_is_repeated():
    plain = Poisson().log_prob(PARAMS, X)
    np.testing.assert_array_equal(TIED.log_prob(PARAMS, X), plain[:, [0, 1, 0]])


def test_statistics_are_pooled():
    resp = np.random.default_rng(4).dirichlet(np.ones(3), 30)
    pooled = np.column_stack([resp[:, 0] + resp[:, 2], resp[:, 1]])
    found, expected = TIED.stats(PARAMS, X, resp), Poisson().stats(PARAMS, X, pooled)
    np.testing.assert_allclose(found.pack(), expected.pack(), rtol=1e-13)
    assert TIED.n_free(TIED.m_step(found, PARAMS)) == 4


def test_samples_come_from_the_shared_distribution():
    component = np.repeat([0, 1, 2], 4000)
    x = TIED.sample(PARAMS, component, np.random.default_rng(5))
    for k, shared in enumerate((0, 1, 0)):
        np.testing.assert_allclose(x[component == k].mean(axis=0), PARAMS.rates[shared], rtol=0.05)


def test_refused():
    with pytest.raises(ParameterError, match="without gaps"):
        Tied(Poisson(), (0, 2))
    with pytest.raises(ParameterError, match="tie has 2 entries for 3 states"):
        Tied(Poisson(), (0, 1)).resolve(ArraySource(X), 3)
    with pytest.raises(ParameterError, match="cannot be relabelled"):
        TIED.permute(PARAMS, np.array([1, 0, 2]))
    assert TIED.permute(PARAMS, np.arange(3)) is PARAMS
