"""Which columns no Gaussian can describe: values too large or too small to square, and constants."""

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import DataError
from emkit.core.family import Seen

_LEAST = 1e8 * float(np.finfo(np.float64).tiny)
"""A variance of a column below which those of its components lose digits, and then their inverses."""


def refuse_columns(source: Source, seen: Seen, *, pooled: bool, bounded: bool, remedy: str) -> None:
    """Raise DataError for the first column that cannot be described.

    Parameters
    ----------
    pooled : bool
        Whether columns share a variance, so that a constant one does no harm beside another.
    bounded : bool
        Whether variances are known, or a prior with a scale of its own keeps them from zero.
    remedy : str
        What else to do about a constant column.
    """
    too_large = np.isinf(seen.variance) | ~np.isfinite(seen.mean)
    if too_large.any():
        _refuse(source, int(np.flatnonzero(too_large)[0]), "holds values too large to square; give it in larger units")
    variance = seen.variance.sum() if pooled else seen.variance
    if bounded or np.all(variance >= _LEAST):
        return
    j = int(np.flatnonzero(~(seen.variance >= _LEAST))[0])
    width = float(source.summary.high[j]) - float(source.summary.low[j])
    if seen.variance[j] > 0 or (width > 0 and width * width < _LEAST):
        _refuse(source, j, "holds values too close to each other to square their differences; give it in smaller units")
    _refuse(source, j, f"is constant: its variance is zero, which no Gaussian can have; drop the column, or {remedy}")


def _refuse(source: Source, j: int, what: str) -> None:
    raise DataError(f"{source.columns.called(j)} {what}", column=source.columns[j].name)
