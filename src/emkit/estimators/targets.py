"""Reading a target: numbers, or classes, one for each row."""

from typing import Any

import numpy as np
from sklearn.exceptions import DataConversionWarning

from emkit.core.errors import DataError, ParameterError
from emkit.core.warn import warn
from emkit.data.tables import is_table, read_frame
from emkit.data.validate import unmask


def column_of_target(y: Any, n: int, what: str = "y") -> tuple[np.ndarray, str | None]:
    """The target as an array (n,), and its name, if it has one. Raises DataError if it is not one column with a cell a row."""
    name = getattr(y, "name", None)
    if is_table(y):
        frame = read_frame(y)
        if len(frame.columns) != 1:
            raise DataError(f"{what} should be a 1d array: it has {len(frame.columns)} columns; give one")
        name, array = frame.columns[0], frame[frame.columns[0]].to_numpy()
    else:
        array = cells_of(y)
    if array.ndim == 2 and array.shape[1] == 1:
        if not is_table(y):
            warn(f"A column-vector {what} was passed when a 1d array was expected: its one column is taken", DataConversionWarning)
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{what} should be a 1d array, got an array of shape {array.shape}")
    if len(array) != n:
        raise DataError(f"X has {n} rows and {what} has {len(array)}: inconsistent numbers of samples; give one for each row")
    return array, name if isinstance(name, str) else None


def read_numbers(y: Any, n: int, what: str = "y") -> tuple[np.ndarray, str | None]:
    """Numbers (n,), float64, and a name. Raises DataError, naming the row, for a missing one and for infinity."""
    array, name = column_of_target(y, n, what)
    return finite_numbers(array, "the target y" if what == "y" else what), name


def cells_of(y: Any) -> np.ndarray:
    """The target as an array, in its shape, NaN where a cell is masked. Raises ParameterError for None, DataError for no array."""
    if y is None:
        raise ParameterError("requires y to be passed, but the target y is None: give the target, fit(X, y)", parameter="y")
    found = unmask(y)
    try:
        return np.asarray(found if hasattr(found, "__array__") else list(found) if np.iterable(found) else found)
    except ValueError as error:
        raise DataError(f"the target y is no array: {error}") from error


def finite_numbers(array: np.ndarray, what: str = "the target y") -> np.ndarray:
    """An array as float64, in its shape. Raises DataError, naming the row, for a missing one and for infinity."""
    if np.iscomplexobj(array):
        raise DataError(f"Complex data not supported: {what} is complex")
    if array.dtype.kind in "mM":
        raise DataError(f"{what} holds dates or times: give numbers, such as days since the first")
    try:
        numbers = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} holds something that is no number: {error}") from error
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        value = "missing (NaN)" if np.isnan(numbers[tuple(bad[0])]) else "infinity"
        raise DataError(f"{what} is {value} in row {bad[0][0]}: leave the row out", row=int(bad[0][0]))
    return numbers


def read_classes(y: Any, n: int) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Numbers of the classes (n,), the classes in order, and a name. Raises DataError for missing ones, and for fractions."""
    from sklearn.utils.multiclass import check_classification_targets

    array, name = column_of_target(y, n)
    gone = np.array([value is None or value != value for value in array.tolist()], dtype=bool)
    if gone.any():
        row = int(np.flatnonzero(gone)[0])
        raise DataError(f"the target y is missing (NaN) in row {row}: leave the row out", row=row)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise DataError(f"the target y is infinity in row {row}: leave the row out", row=row)
    try:
        check_classification_targets(array)
        classes, codes = np.unique(array, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"the target y does not hold classes: {error}") from error
    return codes.ravel(), classes, name


def classes_that_count(codes: np.ndarray, classes: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Which classes (C,) have a row with a weight above 0. Raises ParameterError unless at least two have."""
    there = np.bincount(codes, weights, len(classes)) > 0
    if there.sum() < 2:
        what = "has one class" if len(classes) < 2 else "has one class where weights are above 0"
        one = next(iter(classes[there].tolist()), None)
        raise ParameterError(
            f"the target {what}, {one!r}: there is nothing to tell apart; give at least two classes", parameter="y"
        )
    return np.asarray(there)
