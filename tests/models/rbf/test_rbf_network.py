"""Widths of RBF networks by the gradient of the evidence, and what rows, weights and units of measurement change."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_limits

from emkit.models.rbf.features import Units
from emkit.models.rbf.metric import Sample, evidence_and_slope
from emkit.models.rbf.network import fit_network
from emkit.models.rbf.noise import local_noise


@pytest.fixture(autouse=True)
def one_thread():
    """As RBFRegressor has it: matrices are small."""
    with threadpool_limits(1, user_api="blas"):
        yield


def problem(seed, n=60, d=3, k=7, normalised=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = np.column_stack([np.sin(x[:, 0]) + 0.3 * x[:, 1], x[:, 2] ** 2]) + 0.1 * rng.normal(size=(n, 2))
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    units = Units(x[rng.permutation(n)[:k]], rng.normal(-0.5, 0.5, d), rng.normal(0, 0.3, k), normalised)
    return Sample(x, y, None), units


@pytest.mark.parametrize("normalised", [False, True])
def test_the_gradient_is_that_of_differences(normalised):
    sample, units = problem(1, normalised=normalised)
    _, by_omega, by_factor = evidence_and_slope(sample, units, None)
    step = 1e-5

    def at(omega, factor):
        return evidence_and_slope(sample, Units(units.centers, omega, factor, normalised), None)[0].log_evidence

    for j, e in enumerate(np.eye(3) * step):
        up, down = at(units.log_omega + e, units.log_factor), at(units.log_omega - e, units.log_factor)
        assert_allclose(by_omega[j], (up - down) / (2 * step), rtol=1e-5, atol=1e-5)
    for k, e in enumerate(np.eye(units.count) * step):
        up, down = at(units.log_omega, units.log_factor + e), at(units.log_omega, units.log_factor - e)
        assert_allclose(by_factor[k], (up - down) / (2 * step), rtol=1e-5, atol=1e-5)


def table(seed=0, n=120, d=2):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (n, d))
    return x, (np.sin(2 * x[:, 0]) + 0.2 * rng.normal(size=n))[:, None]


def test_weight_two_is_the_row_twice_everywhere():
    x, y = table()
    weights = np.random.default_rng(1).integers(0, 3, len(x)).astype(float)
    twice = np.repeat(np.arange(len(x)), weights.astype(int))
    first, _ = fit_network(x, y, weights, n_units=(4, 10))
    second, _ = fit_network(x[twice], y[twice], n_units=(4, 10))
    for one, other in zip(first.predict_with_std(x), second.predict_with_std(x), strict=True):
        assert_allclose(one, other, rtol=1e-9)


def test_units_of_columns_have_no_say():
    x, y = table()
    first, _ = fit_network(x, y, n_units=(4, 10))
    second, _ = fit_network(x * [1e6, 1e-6] + [3e6, 0], 1e5 * y - 7, n_units=(4, 10))
    new = np.random.default_rng(5).uniform(-2, 2, (50, 2))
    assert_allclose(second.predict(new * [1e6, 1e-6] + [3e6, 0]), 1e5 * first.predict(new) - 7, rtol=1e-6, atol=1e-4)


def test_all_rows_count_beyond_the_sample():
    x, y = table(n=9_000)
    net, _ = fit_network(x, y, n_units=10, kinds=["plain"])
    assert net.readout.rows == 9_000
    new, _ = table(seed=1, n=300)
    assert np.mean((net.predict(new)[:, 0] - np.sin(2 * new[:, 0])) ** 2) < 1e-3
    assert_allclose(np.sqrt(net.noise) * net.scale, 0.2, rtol=0.1)


def test_far_from_all_units_the_standard_deviation_grows():
    x, y = table()
    plain = None
    for kind in ("plain", "normalised"):
        net, _ = fit_network(x, y, n_units=10, kinds=[kind])
        near, far, beyond = (net.predict_with_std(np.full((1, 2), at))[1] for at in (0.0, 12.0, 120.0))
        assert 1.05 * near < far <= 1.001 * beyond
        plain = net if kind == "plain" else plain
    line = plain.readout.mean[0] + plain.scaling.apply(np.full((1, 2), 1e3)) @ plain.readout.mean[1 + plain.units.count :]
    assert_allclose(plain.predict(np.full((1, 2), 1e3)), plain.shift + plain.scale * line, rtol=1e-9)


def test_slopes_are_those_of_differences():
    x, y = table()
    for kind in ("plain", "normalised"):
        net, _ = fit_network(x, y, n_units=10, kinds=[kind])
        z, step = net.scaling.apply(x[:5]), 1e-5
        for j, e in enumerate(np.eye(2) * step):
            up, down = net.features(z + e)[0] @ net.readout.mean, net.features(z - e)[0] @ net.readout.mean
            assert_allclose(net.slopes(z)[:, j], (up - down) / (2 * step), rtol=1e-5, atol=1e-8)


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
