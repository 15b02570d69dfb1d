"""Known labels: which component or state a row belongs to, where that is known."""

from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.data.cells import is_absent
from emkit.data.validate import unmask


def read_labels(labels: Any, rows: int, k: int, what: str = "labels") -> np.ndarray:
    """What is known of the hidden labels of ``rows`` rows, as ``Block.labels``: int (n,), -1 where unknown, or float (n, K).

    A masked label, NaN or None is unknown, and so is a row of masked ones. ``what`` is how messages call them.

    Raises
    ------
    DataError
        For labels out of range, wrong lengths, and rows whose every label is ruled out.
    """
    if isinstance(labels, np.ma.MaskedArray) and labels.ndim == 2:
        unknown: np.ndarray = np.logical_and.reduce(np.ma.getmaskarray(labels), axis=1)
        labels = np.where(unknown[:, None], 1.0, unmask(labels))
    array = np.asarray(unmask(labels))
    if array.ndim == 1 and array.shape == (rows,):
        try:
            numbers = np.where([is_absent(v) for v in array], np.nan, array).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{what} must be numbers 0 to {k - 1}, -1 or NaN where unknown") from error
        numbers = np.where(np.isnan(numbers), -1, numbers)
        bad = (numbers != np.round(numbers)) | (numbers < -1) | (numbers >= k)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise DataError(f"{what} row {i} is {numbers[i]:g}; they are numbered 0 to {k - 1}, -1 where unknown", row=i)
        return numbers.astype(np.int64)
    if array.shape == (rows, k):
        try:
            allowed = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{what} (n, K) must hold booleans or finite nonnegative numbers") from error
        bad = ~(np.isfinite(allowed) & (allowed >= 0)).all(axis=1)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise DataError(f"{what} row {i} is {allowed[i]}; (n, K) must hold booleans or finite nonnegative numbers", row=i)
        empty = ~(allowed > 0).any(axis=1)
        if empty.any():
            i = int(np.flatnonzero(empty)[0])
            raise DataError(f"{what} row {i} rules out every label", row=i)
        return allowed
    raise DataError(f"{what} has shape {array.shape}, expected ({rows},) or ({rows}, {k})")
