"""Are the pseudo-residuals of a hidden Markov model standard normal, and independent?"""

from typing import Any

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.plots.mixtures import bin_edges
from emkit.plots.style import GREY, PALETTE, ink, note, several_axes, some_rows, tidy

_LAGS = 25
_POINTS, _TAIL = 5000, 100  # quantiles drawn: evenly spaced ones, and so many at each end


def pseudo_residuals(estimator: Any, X: Any, *, ax: Any = None, **read: Any) -> np.ndarray:
    """Forecast pseudo-residuals, which are standard normal and independent if the model is right.

    Parameters
    ----------
    estimator : fitted HMM of one column
    X : sequences
    ax : array of 3 matplotlib axes, optional
    read
        ``lengths``.

    Returns
    -------
    array of 3 matplotlib axes
        The histogram with the standard normal density; quantiles against those of the standard normal distribution, with the band
        in which each lies with probability 0.95; autocorrelations, with their 0.95 limits of independence.

    Raises
    ------
    ParameterError
        For what is no hidden Markov model.
    DataError
        For several columns, or no finite residual at all.

    References
    ----------
    Zucchini, MacDonald and Langrock (2016), Hidden Markov Models for Time Series, section 6.2.
    """
    from emkit.plots.view import Viewable

    if not isinstance(estimator, Viewable) or estimator._view(None).transitions is None:
        raise ParameterError("estimator: pseudo-residuals are of hidden Markov models", parameter="estimator")
    z = np.asarray(estimator.pseudo_residuals(X, **read), dtype=np.float64)  # type: ignore[attr-defined]
    seen = z[np.isfinite(z)]
    if len(seen) < 3:
        raise DataError(f"{len(seen)} steps have a pseudo-residual; three are needed for a picture")
    axes = several_axes(ax, 1, 3, 10.5, 3.4)[0]
    _histogram(axes[0], seen)
    _quantiles(axes[1], np.sort(seen))
    _autocorrelation(axes[2], z)
    note(axes[2], f"{len(z) - len(seen)} steps have none" if len(seen) < len(z) else "")
    for here in axes:
        tidy(here)
    return axes


def _histogram(ax: Any, z: np.ndarray) -> None:
    ax.hist(z, bins=bin_edges(z, False), density=True, color=PALETTE[0], alpha=0.4)
    grid = np.linspace(min(z.min(), -3.5), max(z.max(), 3.5), 200)
    ax.plot(grid, np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color=ink(), linewidth=1.3)
    ax.set(xlabel="pseudo-residual", ylabel="density")


def _quantiles(ax: Any, z: np.ndarray) -> None:
    """Against Hazen's plotting positions; each order statistic of n uniform numbers has a beta distribution."""
    from scipy.special import betaincinv, ndtri

    n = len(z)
    tails = np.arange(min(_TAIL, n))
    rank = 1 + np.unique(np.concatenate([tails, some_rows(n, _POINTS), n - 1 - tails]))
    normal = ndtri((rank - 0.5) / n)
    low, high = (ndtri(betaincinv(rank, n + 1 - rank, p)) for p in (0.025, 0.975))
    ax.fill_between(normal, low, high, color=GREY, alpha=0.3, linewidth=0)
    ax.plot(normal, normal, color=ink(), linewidth=1.0)
    ax.plot(normal, z[rank - 1], "o", color=PALETTE[0], markersize=3, rasterized=n > 2000)
    ax.set(xlabel="standard normal quantile", ylabel="pseudo-residual")


def _autocorrelation(ax: Any, z: np.ndarray) -> None:
    """Of the steps as they follow each other; pairs of which one is missing are left out."""
    seen = np.isfinite(z)
    away = np.where(seen, z - z[seen].mean(), 0.0)
    lags = np.arange(1, min(_LAGS, len(z) - 1) + 1)
    total = float(away @ away) or 1.0
    values = [float(away[lag:] @ away[:-lag]) / total for lag in lags]
    limit = 1.96 / np.sqrt(seen.sum())
    ax.axhspan(-limit, limit, color=GREY, alpha=0.3, linewidth=0)
    ax.vlines(lags, 0.0, values, color=PALETTE[0], linewidth=2.0)
    ax.axhline(0.0, color=ink(), linewidth=0.8)
    ax.set(xlabel="lag", ylabel="autocorrelation")
