"""Noise that differs from place to place."""

import numpy as np
from numpy.testing import assert_allclose

from emkit.models.rbf.noise import local_noise


def test_noise_that_is_the_same_everywhere_is_left_so():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(8), 400)
    log_noise = local_noise(shares, 0.25 * rng.chisquare(1, 400), np.ones(400))
    assert np.ptp(log_noise) < 0.3
    assert_allclose(np.exp(log_noise).mean(), 0.25, rtol=0.15)


def test_noise_that_differs_is_found_and_weights_are_rows():
    rng = np.random.default_rng(1)
    shares, true = rng.dirichlet(np.ones(4), 3000), np.array([-4.0, -2.0, 0.0, 1.0])
    squares = np.exp(shares @ true) * rng.chisquare(1, 3000)
    assert_allclose(local_noise(shares, squares, np.ones(3000)), true, atol=0.4)
    weights = rng.integers(0, 3, 3000)
    again = np.repeat(np.arange(3000), weights)
    twice = local_noise(shares[again], squares[again], np.ones(len(again)))
    assert_allclose(local_noise(shares, squares, weights.astype(float)), twice, rtol=1e-5)
