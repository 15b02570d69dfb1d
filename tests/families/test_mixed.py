"""A mixture as a family: the density of a mixture, statistics shared out among its parts."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, Dirichlet, Gaussian, Mixed, ParameterError
from emkit.families.gaussian.params import GaussianParams
from emkit.families.mixed import MixedParams

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 2)) * 2.0
MEANS, VARIANCES = RNG.normal(size=(6, 2)), RNG.uniform(0.5, 2.0, size=(6, 2))
WEIGHTS = np.array([[0.3, 0.7], [1.0, 0.0], [0.5, 0.5]])
PARAMS = MixedParams(WEIGHTS, GaussianParams(MEANS, VARIANCES))


def part_densities():
    return stats.norm.pdf(X[:, None], MEANS, np.sqrt(VARIANCES)).prod(axis=2).reshape(-1, 3, 2) * WEIGHTS


def test_density():
    np.testing.assert_allclose(Mixed(Gaussian("diag"), 2).log_prob(PARAMS, X), np.log(part_densities().sum(axis=2)), rtol=1e-12)


def test_one_step_of_em():
    """Weights and means of the parts, by the textbook."""
    family = Mixed(Gaussian("diag", None), 2).resolve(ArraySource(X), 3)
    resp = RNG.dirichlet(np.ones(3), 40)
    joint = part_densities()
    fine = resp[:, :, None] * joint / joint.sum(axis=2, keepdims=True)
    new = family.m_step(family.stats(PARAMS, X, resp), PARAMS)
    counts = fine.sum(axis=0)
    np.testing.assert_allclose(new.weights, counts / counts.sum(axis=1, keepdims=True), rtol=1e-12)
    flat = fine.reshape(40, 6)[:, [0, 1, 2, 4, 5]]
    np.testing.assert_allclose(new.parts.means[[0, 1, 2, 4, 5]], flat.T @ X / flat.sum(axis=0)[:, None], rtol=1e-10)


def test_a_component_without_rows_stays():
    family = Mixed(Gaussian("diag"), 2).resolve(ArraySource(X), 3)
    resp = np.zeros((40, 3))
    resp[:, 0] = 1.0
    np.testing.assert_array_equal(family.m_step(family.stats(PARAMS, X, resp), PARAMS).weights[1:], WEIGHTS[1:])


def test_parts_of_one_component_start_apart():
    family = Mixed(Gaussian("diag"), 2, Dirichlet(2.0)).resolve(ArraySource(X), 2)
    params = family.from_partition(X, np.eye(2)[(X[:, 0] > 0).astype(int)], np.random.default_rng(0))
    means = params.parts.means.reshape(2, 2, 2)
    assert (np.linalg.norm(means[:, 0] - means[:, 1], axis=1) > 0.5).all()
    assert (means[0, :, 0] < means[1, :, 0].min()).all()


def test_refused():
    with pytest.raises(ParameterError, match="at least 1"):
        Mixed(Gaussian(), 0)
    with pytest.raises(ParameterError, match=r"fixed\['weights'\] row 0 must add up to 1"):
        Mixed(Gaussian(), 2, fixed={"weights": [[0.5, 0.6]] * 3}).resolve(ArraySource(X), 3)
