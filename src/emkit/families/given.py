"""Values of parameters that users give, to start from or to keep: read and named in one way, whatever the family."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError


def refuse_unknown(fixed: Mapping[str, Any], start_values: Mapping[str, Any], allowed: tuple[str, ...], who: str) -> None:
    """Raise ParameterError if there is a parameter that ``who``, such as "a Gaussian", does not have."""
    for where, values in (("fixed", fixed), ("start_values", start_values)):
        unknown = set(values) - set(allowed)
        if unknown:
            raise ParameterError(f"{where}={sorted(unknown)}: {who} has {' and '.join(map(repr, allowed))}")


def name_of(key: str, where: str) -> str:
    """How messages name a parameter: as a family takes it and, for a starting value, as an estimator does."""
    return f"fixed[{key!r}]" if where == "fixed" else f"start_values[{key!r}] ({key}_init)"


def numbers(value: Any, name: str, *, finite: bool = True) -> np.ndarray:
    """``value`` as float64. Raises ParameterError if it is not numeric or, with ``finite``, holds NaN or inf."""
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{name} is not numeric: {error}") from error
    if finite and not np.isfinite(array).all():
        raise ParameterError(f"{name} holds NaN or inf")
    return array


def row_each(value: Any, k: int, d: int, name: str) -> np.ndarray:
    """Numbers (k, d); (k,) will do for a single column. Raises ParameterError for another shape."""
    array = numbers(value, name)
    if array.shape == (k,) and d == 1:
        return array.reshape(k, 1)
    if array.shape != (k, d):
        raise ParameterError(f"{name} has shape {array.shape}, expected ({k}, {d}): a row for each component or state")
    return array
