"""Where a fitted chain goes from here, how long it stays, and how well its forecasts agree with what came."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.bayes import log_sum_exp
from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.models.hmm.params import HMMParams


@dataclass(frozen=True)
class StateForecast:
    """States 1, 2, ..., h steps ahead.

    Attributes
    ----------
    probabilities : array of shape (h, K)
        P(state j steps ahead | the sequence is still going on); rows of zeros where it cannot be.
    survival : array of shape (h,)
        P(the sequence is still going on); ones without an end state.
    """

    probabilities: np.ndarray
    survival: np.ndarray


def forecast_states(params: HMMParams, filtered_last: np.ndarray, horizon: int) -> StateForecast:
    """Distributions of the state after the last step (Zucchini, MacDonald & Langrock 2016, section 5.4.1).

    Parameters
    ----------
    params : HMMParams
    filtered_last : array of shape (K,)
        P(state at the last step | all steps): the last row of ``filter_probabilities``, given that the sequence has or has not
        ended there.
    horizon : int
        h, how many steps.

    Raises
    ------
    ParameterError
        If ``horizon`` is not a positive integer or ``filtered_last`` not a distribution over K states.
    """
    horizon = count(horizon, "horizon")
    now = np.asarray(filtered_last, dtype=np.float64)
    if now.shape != params.startprob.shape or not (now >= 0).all() or not np.isclose(now.sum(), 1.0):
        raise ParameterError(f"filtered_last must hold {len(params.startprob)} probabilities that add up to 1, got {now!r}")
    probabilities, survival = np.zeros((horizon, len(now))), np.zeros(horizon)
    alive = 1.0
    for h in range(horizon):
        now = now @ params.transmat
        total = float(now.sum())
        if total == 0:
            break
        now = now / total
        alive = alive * total if params.endprob is not None else 1.0
        probabilities[h], survival[h] = now, alive
    return StateForecast(probabilities, survival)


def forecast_log_density(family: Family, params: HMMParams, weights: np.ndarray, x: Any) -> np.ndarray:
    """Log density or probability of observations under forecast distributions.

    Parameters
    ----------
    family : Family
    params : HMMParams
    weights : array of shape (h, K)
        State probabilities, such as ``StateForecast.probabilities``.
    x : array of shape (m, d)
        Possible observations.

    Returns
    -------
    array of shape (h, m)
    """
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    log_prob = np.asarray(family.log_prob(params.emissions, x), dtype=np.float64)
    return np.asarray(log_sum_exp(log_weights[:, None, :] + log_prob))


def expected_time(params: HMMParams) -> np.ndarray:
    """Expected steps of one stay in each state, 1 / (1 - a_kk) (Rabiner 1989, eq. 5); inf for a state that is never left. (K,)."""
    # The sum of the ways out, not 1 - a_kk, which is rounding where a state is (nearly) never left.
    leaving = np.where(np.eye(len(params.transmat), dtype=bool), 0.0, params.transmat).sum(axis=1)
    if params.endprob is not None:
        leaving = leaving + params.endprob
    leaving = np.where(leaving > np.finfo(np.float64).eps, leaving, 0.0)
    return np.asarray(np.where(leaving > 0, 1.0 / np.where(leaving > 0, leaving, 1.0), np.inf))


def occupancy(gamma: np.ndarray) -> np.ndarray:
    """Expected number of steps in each state, (K,), from posterior probabilities (n, K)."""
    return np.asarray(np.sum(gamma, axis=0, dtype=np.float64))


@dataclass(frozen=True)
class PseudoResiduals:
    """Normal pseudo-residuals: standard normal if the model is true.

    Attributes
    ----------
    lower, upper : arrays of shape (n,)
        The ends of each step's segment; equal for continuous observations.
    middle : array of shape (n,)
        The residual whose normal probability is halfway between those of the ends.
    """

    lower: np.ndarray
    middle: np.ndarray
    upper: np.ndarray


def pseudo_residuals(
    weights: np.ndarray, below: np.ndarray, at: np.ndarray, beyond: tuple[np.ndarray, np.ndarray] | None = None
) -> PseudoResiduals:
    """How each observation lies in its forecast distribution (Zucchini, MacDonald & Langrock 2016, sections 6.2.2 and 6.2.3).

    Parameters
    ----------
    weights : array of shape (n, K)
        ``predictive_weights``; with posteriors given all other steps instead, ordinary pseudo-residuals.
    below, at : arrays of shape (n, K)
        P(X < x_t) and P(X <= x_t) in each state, from ``Family.cdf``. NaN gives NaN.
    beyond : two arrays of shape (n, K), optional
        P(X >= x_t) and P(X > x_t), from ``Family.cdf`` with ``upper``: for residuals above 8, where ``at`` is 1 to the last digit.

    Raises
    ------
    ParameterError
        If the shapes differ.
    """
    from scipy.special import ndtri

    weights, below, at = (np.asarray(a, dtype=np.float64) for a in (weights, below, at))
    if not weights.shape == below.shape == at.shape:
        raise ParameterError(f"weights {weights.shape}, below {below.shape} and at {at.shape} must have the same shape (n, K)")
    upper = (1.0 - below, 1.0 - at) if beyond is None else beyond

    def mixed(parts: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip((weights * parts).sum(axis=1), 0.0, 1.0))

    def residual(p: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(p < 0.5, ndtri(p), -ndtri(rest)))

    low, high, from_low, from_high = mixed(below), mixed(at), mixed(upper[0]), mixed(upper[1])
    middle = residual((low + high) / 2.0, (from_low + from_high) / 2.0)
    return PseudoResiduals(residual(low, from_low), middle, residual(high, from_high))
