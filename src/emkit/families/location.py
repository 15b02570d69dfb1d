"""Means and variances of what each component emits: for forecasts, and to put states in order."""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.model import Family
from emkit.families.bernoulli import Bernoulli
from emkit.families.categorical import Categorical
from emkit.families.gaussian.family import Gaussian
from emkit.families.mixed import Mixed
from emkit.families.poisson import Poisson
from emkit.families.tied import Tied


def mean_and_variance(family: Family[Any, Any], params: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column under each component, (K, d) each; a symbol counts as its number.

    Raises
    ------
    ParameterError
        For a family that this function does not know.
    """
    if isinstance(family, Gaussian):
        c = params.covariances
        flat = np.diagonal(c, axis1=1, axis2=2) if c.ndim == 3 else c
        return params.means, np.broadcast_to(flat, params.means.shape)
    if isinstance(family, Poisson):
        return params.rates, params.rates
    if isinstance(family, Bernoulli):
        return params.probs, params.probs * (1.0 - params.probs)
    if isinstance(family, Categorical):
        symbols = np.arange(params.probs.shape[2])
        mean = params.probs @ symbols
        return mean, params.probs @ symbols**2 - mean**2
    if isinstance(family, Tied):
        mean, variance = mean_and_variance(family.family, params)
        index = np.asarray(family.groups)
        return mean[index], variance[index]
    if isinstance(family, Mixed):
        k, m = params.weights.shape
        mean, variance = (a.reshape(k, m, -1) for a in mean_and_variance(family.family, params.parts))
        overall = np.einsum("km,kmd->kd", params.weights, mean)
        second = np.einsum("km,kmd->kd", params.weights, variance + mean**2)
        return overall, second - overall**2
    raise ParameterError(f"the moments of {type(family).__name__} are not known to emkit")
