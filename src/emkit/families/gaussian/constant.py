"""Constant columns, which no Gaussian can have."""

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import DataError
from emkit.families.gaussian.shapes import Shape


def refuse_constant(source: Source, variance: np.ndarray, shape: Shape) -> None:
    """Raise DataError, naming the column, if one has variance 0; for shapes that pool all columns, only if all have."""
    total = variance.sum() if shape.pooled else variance
    if np.all(total > 0):
        return
    j = int(np.flatnonzero(~(variance > 0))[0])
    raise DataError(
        f"{source.columns.called(j)} is constant: its variance is zero, which no Gaussian can have; "
        "drop the column, or fix the covariances, or give reg_covar or a prior with a scale of its own",
        column=source.columns[j].name,
    )
