"""Checks of settings, each in one place. Messages name the setting, say what was found, and what to give instead."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError


def numbers(value: Any, name: str, *, finite: bool = True, parameter: str | None = None) -> np.ndarray:
    """``value`` as a new float64 array. Raises ParameterError if it is not numeric or, with ``finite``, holds NaN or inf."""
    if np.ma.is_masked(value):
        raise ParameterError(f"{name} is a masked array; give plain numbers", parameter=parameter or name)
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{name} is not numeric: {error}", parameter=parameter or name) from error
    if finite and not np.isfinite(array).all():
        raise ParameterError(f"{name} holds NaN or inf", parameter=parameter or name)
    return array


def count(value: Any, name: str, least: int = 1) -> int:
    """An integer of at least ``least``. Raises ParameterError otherwise: nothing is rounded or cut off."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)
    if not whole or value < least:
        raise ParameterError(f"{name}={value!r}: give an integer of at least {least}", parameter=name)
    return int(value)


def number(value: Any, name: str, what: str, *, least: float = 0.0) -> float:
    """A finite number of at least ``least``; ``what`` says what it counts. Raises ParameterError otherwise."""
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (good and np.isfinite(value) and value >= least):
        raise ParameterError(f"{name}={value!r}: give {what}, at least {least:g}", parameter=name)
    return float(value)


def level_of(level: Any) -> float:
    """A probability strictly between 0 and 1, as intervals have it. Raises ParameterError for anything else."""
    good = isinstance(level, int | float | np.number) and not isinstance(level, bool)
    if not (good and 0.0 < level < 1.0):
        raise ParameterError(f"level={level!r}: give a probability between 0 and 1", parameter="level")
    return float(level)


def one_of(value: Any, allowed: Iterable[str], name: str) -> str:
    """One of a few words. Raises ParameterError that lists them."""
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise ParameterError(f"{name}={value!r}: choose one of {', '.join(map(repr, allowed))}", parameter=name)
    return value


def mapping(value: Any, name: str, of: str = "parameter names and values") -> dict[str, Any]:
    """A dict of names and values; None is empty. Raises ParameterError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ParameterError(f"{name}={value!r}: give a dict of {of}", parameter=name)
    return dict(value)


def integers(values: Any, name: str) -> tuple[int, ...]:
    """A sequence of integers. Raises ParameterError for fractions, which would be cut off."""
    try:
        array = np.asarray(values)
        good = array.ndim == 1 and len(array) and (array.dtype.kind in "iu" or np.all(array == np.round(array)))
        good = good and array.dtype.kind in "iuf"
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ParameterError(f"{name}={values!r}: give a list of integers", parameter=name)
    return tuple(int(value) for value in array)
