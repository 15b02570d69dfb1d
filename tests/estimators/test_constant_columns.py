"""A constant column: refused by default with advice, and the advice works. Its variance is then the prior's."""

import numpy as np
import pytest
from small_models import KINDS, quietly, reals

from emkit import HMM, DataError, GaussianHMM, GaussianMixture, NormalInverseWishart

QUICK = {"n_init": 1, "random_state": 0}
OWN = [kind for kind in KINDS if "spherical" not in kind]


def with_constant(value=3.0, *, seed=0, missing=False):
    """Two columns, the second constant; the first in two groups."""
    x = np.concatenate([reals(1, seed=seed), np.full((40, 1), value)], axis=1)
    if missing:
        x[[4, 30], 1] = np.nan
    return x


def variances(model, kind, k):
    """Of the second column, (K,)."""
    c = np.asarray(model.covariances_)
    c = c[..., 1, 1] if kind in ("full", "tied") else c[..., 1]
    return np.broadcast_to(c, (k,))


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM])
def test_by_default_it_is_refused_with_advice(estimator):
    with pytest.raises(DataError, match="constant"):
        estimator(2, **QUICK).fit(with_constant())


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("reg_covar", [1e-6, 1e-3, 2.0])
@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("k", [1, 2])
def test_reg_covar(kind, reg_covar, prior, k):
    """``reg_covar`` stands for pseudo-rows of that variance, as many as a component of average size has."""
    x = with_constant()
    gm = quietly(GaussianMixture(k, covariance_type=kind, reg_covar=reg_covar, prior=prior, **QUICK).fit, x)
    rows = np.full(k, 40.0) if kind.startswith("tied") else 40.0 * gm.weights_
    expected = reg_covar * (40.0 if kind.startswith("tied") else 40.0 / k) / rows
    # The weak prior adds a twentieth of a pseudo-row, of no variance, to 16 rows or more.
    np.testing.assert_allclose(variances(gm, kind, k), expected, rtol=1e-3 if prior is None else 5e-3)
    np.testing.assert_allclose(gm.means_[:, 1], 3.0, rtol=1e-9)
    assert np.isfinite(gm.score(x)) and np.isfinite(gm.lower_bound_)
    if k == 2:
        np.testing.assert_allclose(np.sort(gm.means_[:, 0]), [0.0, 6.0], atol=1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, -1e6, 1e-9])
def test_reg_covar_with_any_constant_and_any_type(kind, value):
    x = with_constant(value)
    gm = quietly(GaussianMixture(2, covariance_type=kind, reg_covar=1e-3, **QUICK).fit, x)
    assert np.isfinite(gm.score_samples(x)).all() and np.isfinite(gm.covariances_).all()
    np.testing.assert_allclose(gm.means_[:, 1], value, rtol=1e-9, atol=1e-12)
    assert gm.result_.reason.name != "DECREASED"


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("scale", [1e-4, 1.0])
@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM])
def test_a_prior_with_a_scale_of_its_own(estimator, kind, scale):
    """The mode of the inverse-Wishart posterior: scale / (rows + df + d + 1)."""
    x = with_constant()
    prior = NormalInverseWishart(df=5.0, scale=scale)
    for k in (1, 2):
        model = quietly(estimator(k, covariance_type=kind, prior=prior, **QUICK).fit, x)
        rows = 40.0 if kind.startswith("tied") else model.predict_proba(x).sum(axis=0)
        np.testing.assert_allclose(variances(model, kind, k), np.broadcast_to(scale / (rows + 8.0), (k,)), rtol=1e-3)
        assert np.isfinite(model.score(x))


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM])
def test_missing_cells_in_the_constant_column(estimator):
    x = with_constant(missing=True)
    model = quietly(estimator(1, covariance_type="diag", prior=NormalInverseWishart(df=5.0, scale=2.0), **QUICK).fit, x)
    assert model.means_[0, 1] == pytest.approx(3.0) and model.covariances_[0, 1] == pytest.approx(2.0 / (38.0 + 8.0), rel=1e-2)


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM])
def test_every_column_constant(estimator):
    x = np.full((20, 2), 7.0)
    model = quietly(estimator(1, covariance_type="full", prior=NormalInverseWishart(df=5.0, scale=2.0), **QUICK).fit, x)
    np.testing.assert_allclose(model.covariances_[0], 2.0 / 28.0 * np.eye(2), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM])
@pytest.mark.parametrize("k", [1, 2])
def test_fixed_covariances(estimator, k):
    x = with_constant()
    model = quietly(estimator(k, covariance_type="diag", fixed={"covariances": 4.0}, **QUICK).fit, x)
    np.testing.assert_array_equal(model.covariances_, np.full((k, 2), 4.0))
    np.testing.assert_allclose(model.means_[:, 1], 3.0)


def test_sequences_of_a_constant_column_are_possible():
    x = with_constant()
    model = quietly(HMM(2, prior=NormalInverseWishart(df=5.0, scale=0.1), **QUICK).fit, x, lengths=[24, 16])
    assert np.isfinite(model.sequence_scores(x, lengths=[24, 16])).all()
    assert len(set(model.predict(x, lengths=[24, 16]))) == 2
