"""The kit on Gaussians beyond their examples: mixtures of every shape, other sizes, float32, columns of very different scales."""

import numpy as np
import pytest

from emkit import ArraySource, Dirichlet, FiniteMixture, Gaussian, NormalInverseWishart
from emkit.families.gaussian.shapes import COVARIANCE_TYPES
from emkit.testing import check_family, check_model

NIW = NormalInverseWishart(df=7, scale=[1.0, 2.0, 3.0], mean_mass=0.5)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_mixture(covariance_type, missing, clusters):
    """With a prior and weights where cells are missing."""
    x = clusters(90, missing=missing)
    if not missing:
        check_model(FiniteMixture(Gaussian(covariance_type), 2), x)
        return
    weights = np.random.default_rng(3).gamma(2.0, size=90)
    weights[7] = 0.0
    check_model(FiniteMixture(Gaussian(covariance_type, NIW), 2, Dirichlet([3.0, 2.0])), ArraySource(x, weights))


@pytest.mark.parametrize(("covariance_type", "missing"), [("full", 0.2), ("tied", 0.0), ("spherical", 0.2)])
def test_known_labels(covariance_type, missing, clusters):
    """Numbered of some rows, or stated as probabilities."""
    rng = np.random.default_rng(4)
    x = clusters(90, missing=missing)
    numbered = np.where(rng.random(90) < 0.3, rng.integers(3, size=90), -1)
    for labels in (numbered, rng.dirichlet(np.ones(3), 90)):
        check_model(FiniteMixture(Gaussian(covariance_type), 3), ArraySource(x, labels=labels), rows=60)


@pytest.mark.parametrize(("d", "k"), [(1, 1), (1, 3), (2, 1), (5, 4)])
def test_other_sizes(d, k, clusters):
    x = clusters(120, d, k)
    check_family(Gaussian("full"), x, k=k)
    check_model(FiniteMixture(Gaussian("full"), k), x)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_float32(covariance_type, clusters):
    x = clusters(120, dtype=np.float32)
    check_family(Gaussian(covariance_type), x)
    check_model(FiniteMixture(Gaussian(covariance_type), 2), x)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
def test_columns_of_very_different_scales(covariance_type, clusters):
    """One column in picometres, one in terametres: no law knows about units."""
    x = clusters(120, 3) * np.array([1e-12, 1.0, 1e12])
    check_family(Gaussian(covariance_type), x)
    check_model(FiniteMixture(Gaussian(covariance_type), 2), x)
