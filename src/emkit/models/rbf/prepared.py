"""What is known of the data before anything is fitted: scales, and rows that count in an order of their own."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emkit.models.rbf.features import Array, Units
from emkit.models.rbf.passes import Rows
from emkit.models.rbf.scaling import Scaling, by_rank, constant_columns, moments, scaling_of

MODERATE = 20_000  # rows that are sorted
_HOLE = float(np.finfo(np.float64).max)  # stands for a missing cell where rows are compared


@dataclass(frozen=True)
class Prepared:
    """What is known of the data before anything is fitted."""

    scaling: Scaling
    outputs: npt.NDArray[np.intp]
    y_mean: Array
    y_sd: Array
    rows: Rows
    total: float


def prepare(x: Array, y: Array, weights: Array | None) -> Prepared:
    """Scalings of columns and outputs, and the rows as they are to be read."""
    scaling = scaling_of(x, weights)
    constant = constant_columns(y, weights)
    y_mean, y_sd = moments(y, weights)
    first = 0 if weights is None else int(np.argmax(weights > 0))
    y_mean, y_sd = np.where(constant, y[first], y_mean), np.where(constant, 1.0, y_sd)
    out = np.flatnonzero(~constant)
    rows = Rows(x, y[:, out], weights, scaling, y_mean[out], y_sd[out])
    scaling = in_own_order(rows)
    total = float(len(x)) if weights is None else float(weights.sum())
    return Prepared(scaling, out, y_mean, y_sd, replace(rows, scaling=scaling), total)


def in_own_order(rows: Rows) -> Scaling:
    """The scaling with its columns in an order of their own, by how they go with the target: a search begins by what stands where.

    The sums are rounded, so that those of columns that go with it equally well are equal in any unit and order of rows; then
    columns stay as they are.
    """
    scaling, total = rows.scaling, 0.0
    with_target = np.zeros((len(scaling.kept), len(rows.y_sd)))
    for z, y, weights in rows.blocks():
        with_target += z.T @ (y if weights is None else y * weights[:, None])
        total += len(y) if weights is None else float(weights.sum())
    return replace(scaling, kept=scaling.kept[by_rank(np.sqrt((with_target**2).sum(axis=1)) / total)])


def different(x: Array, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    """Rows that count; in tables of moderate size each different one once, in an order of their own.

    Sums over them then are the same to the last bit whether a row stands there twice or has weight 2, and wherever it
    stands.
    """
    if weights is not None and not weights.all():
        x, y, weights = x[weights > 0], y[weights > 0], weights[weights > 0]
    if len(x) > MODERATE:
        return x, y, weights
    told = np.where(np.isnan(x), _HOLE, x)
    rows, which = np.unique(np.column_stack([told, y]), axis=0, return_inverse=True)
    rows[rows == _HOLE] = np.nan
    mass = np.bincount(np.ravel(which), weights, len(rows)).astype(float)
    return np.ascontiguousarray(rows[:, : x.shape[1]]), np.ascontiguousarray(rows[:, x.shape[1] :]), mass


def no_units(d: int) -> Units:
    """A linear part alone, over d columns."""
    return Units(np.empty((0, d)), np.zeros(d), np.empty(0), False)
