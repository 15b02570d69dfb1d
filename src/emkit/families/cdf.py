"""Distribution functions of families with one column."""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.model import Family
from emkit.families.bernoulli import Bernoulli
from emkit.families.categorical import Categorical
from emkit.families.gaussian.family import Gaussian
from emkit.families.poisson import Poisson


def cdf(family: Family[Any, Any], params: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """P(X < x) and P(X <= x) under each component.

    Parameters
    ----------
    family : Gaussian, Poisson, Categorical or Bernoulli
        Over one column. The numbers of a Categorical's symbols are taken as their order.
    params : the family's Params
    x : array of shape (n, 1) or (n,)
        NaN, a missing cell, gives NaN.

    Returns
    -------
    below, at : arrays of shape (n, K)
        Equal for a Gaussian.

    Raises
    ------
    ParameterError
        For other families, and for several columns.
    """
    return _two_sides(family, params, x, upper=False)


def survival(family: Family[Any, Any], params: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """P(X >= x) and P(X > x) under each component, (n, K) each: what ``cdf`` leaves to 1, exact where that is small. As ``cdf``."""
    return _two_sides(family, params, x, upper=True)


def _two_sides(family: Family[Any, Any], params: Any, x: Any, *, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import ndtr

    known = isinstance(family, Gaussian | Poisson | Categorical | Bernoulli)
    if not known:
        raise ParameterError(
            f"{type(family).__name__} has no distribution function here; pseudo-residuals need a Gaussian, Poisson, Categorical or Bernoulli"
        )
    x = np.asarray(x, dtype=np.float64)
    d = np.shape(params.means if isinstance(family, Gaussian) else params.rates if isinstance(family, Poisson) else params.probs)[1]
    if d != 1 or (x.ndim == 2 and x.shape[1] != 1) or x.ndim > 2:
        raise ParameterError(f"a distribution function needs one column; the family has {d}, x has shape {x.shape}")
    x = x.reshape(-1, 1)
    if isinstance(family, Gaussian):
        deviation = np.sqrt(np.asarray(params.covariances, dtype=np.float64).reshape(-1))
        z = (x - params.means[:, 0]) / deviation
        at = ndtr(-z if upper else z)
        return at, at
    # P(X < x) is P(X <= the largest integer below x).
    return _counts(np.ceil(x) - 1.0, family, params, upper), _counts(np.floor(x), family, params, upper)


def _counts(c: np.ndarray, family: Any, params: Any, upper: bool) -> np.ndarray:
    """P(X <= c), or P(X > c), for integers c (n, 1), which may be negative or NaN."""
    from scipy.special import pdtr, pdtrc

    if isinstance(family, Poisson):
        value = (pdtrc if upper else pdtr)(np.maximum(c, 0.0), params.rates[:, 0])
    else:
        probs = params.probs[:, 0]
        table = np.column_stack([1.0 - probs, probs]) if probs.ndim == 1 else probs
        table = np.minimum(np.cumsum(table, axis=1), 1.0) if not upper else _sums_after(table)
        table[:, -1] = 0.0 if upper else 1.0
        value = table.T[np.clip(np.nan_to_num(c[:, 0]), 0, table.shape[1] - 1).astype(np.int64)]
    return np.where(np.isnan(c), np.nan, np.where(c < 0, 1.0 if upper else 0.0, value))


def _sums_after(probs: np.ndarray) -> np.ndarray:
    """For each symbol the probability of those after it, (K, L)."""
    return np.asarray(np.pad(np.cumsum(probs[:, :0:-1], axis=1)[:, ::-1], [(0, 0), (0, 1)]))
