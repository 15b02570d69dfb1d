"""The kit on every Gaussian there is: six covariance shapes, three priors, complete and missing cells, fixed values."""

import numpy as np
import pytest

from emkit import ArraySource, Dirichlet, Gaussian, Mixture, NormalInverseWishart
from emkit.families.gaussian.shapes import COVARIANCE_TYPES
from emkit.testing import FAMILY_LAWS, MODEL_LAWS, check_family, check_model

PRIORS = {
    "weak": "weak",
    "NIW": NormalInverseWishart(df=7, scale=[1.0, 2.0, 3.0], mean_mass=0.5),
    "none": None,
}
MEANS = [[0.0, 1.0, 2.0], [3.0, 2.0, 1.0]]
FIXED = {
    "means": {"means": MEANS},
    "covariances": {"covariances": 4.0},
    "both": {"means": MEANS, "covariances": 4.0},
}


@pytest.fixture(scope="module", params=["complete", "missing"])
def source(request, clusters) -> ArraySource:
    return ArraySource(clusters(90, missing=0.2 if request.param == "missing" else 0.0))


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_family(covariance_type, prior, source):
    checked = check_family(Gaussian(covariance_type, PRIORS[prior]), source)
    assert checked == [law.__name__ for law in FAMILY_LAWS]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_mixture(covariance_type, prior, source):
    weights_prior = {"weak": None, "NIW": Dirichlet([3.0, 2.0]), "none": None}[prior]
    checked = check_model(Mixture(Gaussian(covariance_type, PRIORS[prior]), 2, weights_prior), source)
    assert checked == [law.__name__ for law in MODEL_LAWS]


@pytest.mark.parametrize("fixed", FIXED)
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_fixed_values(covariance_type, fixed, source):
    family = Gaussian(covariance_type, PRIORS["none" if source.missing else "NIW"], FIXED[fixed])
    check_family(family, source)
    if fixed == "covariances":
        check_model(Mixture(family, 2, fixed={"weights": [0.5, 0.5]}), source)


@pytest.mark.parametrize("covariance_type", ["full", "spherical"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_weighted_rows(covariance_type, missing, clusters):
    weights = np.random.default_rng(3).gamma(2.0, size=90)
    weights[7] = 0.0
    source = ArraySource(clusters(90, missing=missing), weights)
    check_family(Gaussian(covariance_type), source)
    check_model(Mixture(Gaussian(covariance_type), 2), source)


@pytest.mark.parametrize(("d", "k"), [(1, 1), (1, 3), (2, 1), (5, 4)])
def test_other_sizes(d, k, clusters):
    x = clusters(120, d, k)
    check_family(Gaussian("full"), x, k=k)
    check_model(Mixture(Gaussian("full"), k), x)


def test_float32(clusters):
    x = clusters(120, dtype=np.float32)
    for covariance_type in ("full", "diag"):
        check_family(Gaussian(covariance_type), x)
        check_model(Mixture(Gaussian(covariance_type), 2), x)


def test_columns_of_very_different_scales(clusters):
    """One column in picometres, one in terametres: no law knows about units."""
    x = clusters(120, 3) * np.array([1e-12, 1.0, 1e12])
    for covariance_type in ("full", "tied", "diag"):
        check_family(Gaussian(covariance_type), x)
        check_model(Mixture(Gaussian(covariance_type), 2), x)
