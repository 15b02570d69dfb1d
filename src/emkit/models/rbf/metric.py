"""The widths of the units: one per column, by the largest evidence.

L-BFGS on the log evidence over log omega, the weights integrated out and precisions and noise at their best for every
omega. By the envelope theorem the gradient is that at fixed precisions: with D = d evidence / d Psi = sum_o r_o m_o'
/ s2_o - p Psi S, rows times their weights (r the residuals, m and S mean and relative covariance of the weights).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from emkit.models.rbf.evidence import Readout, gram, maximise
from emkit.models.rbf.features import Array, Units, design, exponents, pull_back, values

SPREAD = 3.0  # sd of the prior of log omega about its start
_FACTOR = 1.0  # sd of the prior of log tau
_REACH = 9.0  # log omega stays this close to the start


class _Stop(Exception):
    """Leaves L-BFGS when the user asks to stop."""


@dataclass(frozen=True)
class Sample:
    """Standardised rows that the widths are chosen by."""

    x: Array
    """(n, d)."""
    y: Array
    """(n, p)."""
    weights: Array | None
    """(n,), or None for ones."""

    @property
    def mass(self) -> Array:
        """(n,) row weights."""
        return np.ones(len(self.x)) if self.weights is None else self.weights


def evidence_and_slope(sample: Sample, units: Units, start: Array | None) -> tuple[Readout, Array, Array]:
    """The readout, and the gradients of its log evidence in log omega, (d,), and log tau, (K,)."""
    exponent = exponents(sample.x, units)
    phi = values(exponent, units.normalised)
    psi = design(phi, sample.x)
    readout = maximise(gram(psi, sample.y, sample.weights), units.count, start)
    part = slice(1, 1 + units.count)
    residual = (sample.y - psi @ readout.mean) / readout.noise
    slope = residual @ readout.mean[part].T
    slope -= sample.y.shape[1] * (psi @ readout.inverse[:, part])
    if sample.weights is not None:
        slope *= sample.weights[:, None]
    return (readout, *pull_back(slope, phi, exponent, sample.x, units))


def worth(sample: Sample, units: Units, start: Array) -> float:
    """Log evidence plus log prior of log omega about ``start`` (d,), without constants."""
    off = (units.log_omega - start) / SPREAD
    psi = design(values(exponents(sample.x, units), units.normalised), sample.x)
    return maximise(gram(psi, sample.y, sample.weights), units.count).log_evidence - 0.5 * float(off @ off)


def improve(
    sample: Sample,
    units: Units,
    start: Array,
    evaluations: int,
    *,
    own_factors: bool = False,
    halted: Callable[[], bool] = lambda: False,
) -> tuple[Units, float, Array]:
    """Widths with a larger evidence times prior; centres stay.

    Parameters
    ----------
    start : (d,) array
        Centre of the prior of log omega, N(start, 3^2).
    evaluations : int
        Most evaluations of the evidence.
    own_factors : bool
        Whether each unit has a factor of its own as well, log tau_k ~ N(0, 1).

    Returns
    -------
    The best units seen, log evidence plus log prior there (without constants), and log lambda there.
    """
    d = len(start)
    best: list[tuple[float, Units, Array]] = []
    warm: list[Array | None] = [None]

    def objective(theta: Array) -> tuple[float, Array]:
        at = replace(units, log_omega=theta[:d], log_factor=theta[d:] if own_factors else units.log_factor)
        readout, by_omega, by_factor = evidence_and_slope(sample, at, warm[0])
        warm[0] = readout.log_lambda
        off = (theta[:d] - start) / SPREAD
        value = readout.log_evidence - 0.5 * float(off @ off)
        gradient = by_omega - off / SPREAD
        if own_factors:
            value -= 0.5 * float(theta[d:] @ theta[d:]) / _FACTOR**2
            gradient = np.concatenate([gradient, by_factor - theta[d:] / _FACTOR**2])
        if not best or value > best[0][0]:
            best[:] = [(value, at, readout.log_lambda)]
        if halted():
            raise _Stop
        return -value, -gradient

    theta = np.concatenate([units.log_omega, units.log_factor]) if own_factors else units.log_omega
    reach = [(s - _REACH, s + _REACH) for s in start] + [(-5.0, 5.0)] * (len(theta) - d)
    options = {"maxfun": evaluations, "maxiter": evaluations, "ftol": 1e-7, "gtol": 1e-3}
    with suppress(_Stop):  # the best so far is kept
        minimize(objective, theta.copy(), jac=True, method="L-BFGS-B", bounds=reach, options=options)
    value, found, log_lambda = best[0]
    return found, value, log_lambda
