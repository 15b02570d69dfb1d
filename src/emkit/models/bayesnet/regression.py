"""The regressions that the M-step of linear Gaussian families is, and how the objective changes with their parameters."""

from collections.abc import Sequence

import numpy as np

from emkit.core.errors import CollapseError
from emkit.models.bayesnet.linear import Linear, Units
from emkit.models.bayesnet.priors import Penalty

_RANK = 1e-11  # of a regression's eigenvalues, in units of its largest: smaller ones are rounding
_COLLAPSED = 1e-13  # of the column's variance


def regressed(
    linear: Linear, units: Units, g: int, moments: np.ndarray, penalty: Penalty, old: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients and variances of a family, in the user's units, that moments in standard units and the prior make best.

    A configuration without counts and without a prior stays ``old``.

    Raises
    ------
    CollapseError
        Where nothing is left of a variance and no prior holds it.
    """
    change, shift = units.change(linear, g)
    size = units.scale[g] ** 2
    precision = change.T @ (penalty.precision[:, None] * change) / size
    pull = change.T @ (penalty.precision * (penalty.mean - shift)) / size
    constant = float(penalty.precision @ (penalty.mean - shift) ** 2) / size
    first, total = moments[:, 0, 0] > 0, moments[:, 0, 0] + penalty.mass
    kept = old[0].copy(), old[1].copy()
    normal, right = moments[:, :-1, :-1] + precision, moments[:, :-1, -1] + pull
    known = first | (penalty.precision.any())
    found = np.einsum("cij,cj->ci", np.linalg.pinv(normal, rcond=_RANK, hermitian=True), right)
    left = moments[:, -1, -1] + constant + penalty.scatter / size
    left = left - 2.0 * np.einsum("ci,ci->c", found, right) + np.einsum("ci,cij,cj->c", found, normal, found)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(left, penalty.scatter / size) / total  # rounding takes nothing from what the prior leaves
    natural = units.natural(linear, g, found, variance)
    kept[0][known] = natural[0][known]
    spread = total > 0
    kept[1][spread] = natural[1][spread]
    refuse_collapse(linear, g, penalty, variance[spread])
    return kept


def regressed_with_held(
    linear: Linear,
    units: Units,
    g: int,
    moments: np.ndarray,
    penalty: Penalty,
    old: tuple[np.ndarray, np.ndarray],
    held: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """As ``regressed``, where some entries are held (not NaN): what is free is the best for these."""
    moments = units.moments(linear, g, moments)
    coefficients, variances = old[0].copy(), old[1].copy()
    for c, products in enumerate(moments):
        normal = products[:-1, :-1] + np.diag(penalty.precision)
        right = products[:-1, -1] + penalty.precision * penalty.mean
        free = np.isnan(held[0][c])
        best = np.where(free, coefficients[c], held[0][c])
        if free.any() and (products[0, 0] > 0 or penalty.precision.any()):
            scale = 1.0 / np.sqrt(np.maximum(np.diag(normal)[free], 1e-300))
            inner = normal[np.ix_(free, free)] * np.outer(scale, scale)
            best[free] = scale * (
                np.linalg.pinv(inner, rcond=_RANK, hermitian=True) @ (scale * (right - normal @ (best * ~free))[free])
            )
        coefficients[c] = best
        total = products[0, 0] + penalty.mass
        if not np.isnan(held[1][c]):
            variances[c] = held[1][c]
        elif total > 0:
            square = np.append(-best, 1.0)
            off = float(penalty.precision @ (best - penalty.mean) ** 2)
            variances[c] = (square @ products @ square + off + penalty.scatter) / total
            refuse_collapse(linear, g, penalty, variances[c : c + 1] / units.scale[g] ** 2)
    return coefficients, variances


def refuse_collapse(linear: Linear, g: int, penalty: Penalty, standard: np.ndarray) -> None:
    """Raise CollapseError for a variance, in standard units, of nothing but rounding, unless the prior keeps it from zero."""
    if not penalty.scatter and (standard <= _COLLAPSED).any():
        raise CollapseError(
            f"the variance of node {linear.graph.names[linear.nodes[g]]!r} became zero: the likelihood is unbounded. Use the "
            "default prior, or fewer parents",
            parameter="prior",
        )


def expected_log_density(linear: Linear, families: Sequence[tuple[np.ndarray, np.ndarray]], flat: np.ndarray) -> float:
    """What flat moments say of families, both in standard units, up to a constant."""
    total = 0.0
    for g, (coefficients, variances) in enumerate(families):
        moments = linear.moments(flat, g)
        square = np.concatenate([-coefficients, np.ones((len(variances), 1))], axis=1)
        left = np.einsum("ci,cij,cj->c", square, moments, square)
        total += float(np.sum(-0.5 * moments[:, 0, 0] * np.log(variances) - 0.5 * left / variances))
    return total


def slopes(moments: np.ndarray, penalty: Penalty, coefficients: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the expected log density and the prior for a family's coefficients and variances; all in the user's units."""
    off = np.einsum("cij,cj->ci", moments, np.concatenate([-coefficients, np.ones((len(variances), 1))], axis=1))
    far = penalty.precision * (coefficients - penalty.mean)
    scatter = off[:, -1] - np.einsum("ci,ci->c", coefficients, off[:, :-1]) + penalty.scatter
    scatter = scatter + np.einsum("ci,ci->c", far, coefficients - penalty.mean)
    return (off[:, :-1] - far) / variances[:, None], 0.5 * (scatter / variances - moments[:, 0, 0] - penalty.mass) / variances


def information(moments: np.ndarray, penalty: Penalty, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Information about each of a family's coefficients and variances, were nothing hidden; all in the user's units."""
    squares = np.diagonal(moments, axis1=1, axis2=2)[:, :-1]
    return (squares + penalty.precision) / variances[:, None], 0.5 * (moments[:, 0, 0] + penalty.mass) / variances**2
