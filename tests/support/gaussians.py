"""Normal distributions for tests: random parameters of every covariance type, and their covariances written out."""

import numpy as np

from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Covariance


def random_params(covariance_type: str, seed: int = 0, k: int = 3, d: int = 4) -> GaussianParams:
    """Random means and covariances in internal form."""
    rng = np.random.default_rng(seed)
    shape = COVARIANCE_TYPES[covariance_type]
    form = shape.form(k, d)
    if shape.matrix:
        a = rng.standard_normal((form[0], d, d + 2))
        return GaussianParams(rng.standard_normal((k, d)), a @ np.swapaxes(a, 1, 2) / d + 0.1 * np.eye(d))
    return GaussianParams(rng.standard_normal((k, d)), rng.gamma(2.0, size=form))


def dense(params: GaussianParams) -> np.ndarray:
    """Covariances written out as (K, d, d), whatever the type."""
    k, d = params.means.shape
    c = params.covariances
    if c.ndim == 3:
        return np.broadcast_to(c, (k, d, d))
    return np.stack([np.diag(v) for v in np.broadcast_to(c, (k, d))])


def unit_covariances(covariance_type: str, k: int, d: int) -> np.ndarray:
    """Unit variances, no correlation, in internal form."""
    shape = COVARIANCE_TYPES[covariance_type]
    return Covariance(shape).null(shape.form(k, d))
