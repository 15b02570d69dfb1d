"""The order column: numbers or dates as something to sort by, without loss."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.data.cells import is_absent, is_time


@dataclass(frozen=True)
class Places:
    """What to sort rows by.

    ``values``: int64 where the column holds integers or times, else float64. ``is_time``: dates and times have no unit step.
    ``show``: a row's value in messages.
    """

    values: np.ndarray
    is_time: bool
    show: Callable[[int], str]


def read_order(series: Any, name: str) -> Places:
    """The order column, as narwhals sees it.

    Dates and times keep the unit they have: nanoseconds would overflow outside the years 1678 to 2262. Dates and times that are
    Python objects are numbered in their order, those with a time zone by the instant.

    Raises
    ------
    DataError
        Naming the column, and the row where a value is missing.
    """
    _refuse_missing(np.asarray(series.is_null().to_numpy(), dtype=bool), name)
    exact = str(series.dtype) in ("Int128", "UInt128")
    values = np.array(series.to_list() if exact else series.to_numpy(), dtype=object if exact else None)
    if values.dtype.kind in "mM":
        _refuse_missing(np.isnat(values), name)
        return Places(values.astype(np.int64), True, lambda i: str(series[i]))
    if values.dtype.kind == "O":
        _refuse_missing(np.array([is_absent(v) or bool(v != v) for v in values], dtype=bool), name)
        if any(is_time(v) for v in values):
            return Places(_ranks(values, name), True, lambda i: str(series[i]))
    if values.dtype.kind in "iu" or (values.dtype.kind == "O" and all(type(v) is int for v in values)):
        if len(values) and (int(values.max()) >= 2**63 or int(values.min()) < -(2**63)):
            raise DataError(
                f"column {name!r} holds integers beyond 64 bits; subtract the smallest, to put steps in order", column=name
            )
        return Places(values.astype(np.int64), False, lambda i: str(values[i]))
    try:
        place = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {name!r} must hold numbers or dates, to put steps in order", column=name) from error
    _refuse_missing(~np.isfinite(place), name)
    return Places(place, False, lambda i: f"{place[i]:.15g}")


def _refuse_missing(missing: np.ndarray, name: str) -> None:
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise DataError(f"column {name!r} row {row} is missing; every row needs its place", column=name, row=row)


def _ranks(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers of the distinct values in their order, int64."""
    kinds = {_kind(v) for v in values}
    if len(kinds) > 1:
        raise DataError(f"column {name!r} mixes {' and '.join(sorted(kinds))}; give one kind, to put steps in order", column=name)
    keys: list[Any] = [_instant(v) if isinstance(v, date) else v for v in values]
    try:
        rank: dict[Hashable, int] = {key: i for i, key in enumerate(sorted(set(keys)))}
    except TypeError as error:
        raise DataError(
            f"column {name!r} must hold numbers or dates that can be compared, to put steps in order", column=name
        ) from error
    return np.array([rank[key] for key in keys], dtype=np.int64)


def _kind(value: Any) -> str:
    if isinstance(value, datetime | time):
        kind = "dates with times" if isinstance(value, datetime) else "times of day"
        return f"{kind} {'without' if value.utcoffset() is None else 'with'} a time zone"
    if isinstance(value, date):
        return "dates"
    if isinstance(value, timedelta):
        return "durations"
    return "periods" if is_time(value) else "other values"


def _instant(value: date) -> int:
    """Nanoseconds since the year 1 in UTC, as an integer of any size."""
    seconds, below = value.toordinal() * 86400, 0
    if isinstance(value, datetime):
        seconds += (value.hour * 60 + value.minute) * 60 + value.second
        below = value.microsecond * 1000 + int(getattr(value, "nanosecond", 0))
        offset = value.utcoffset()
        if offset is not None:
            seconds -= offset.days * 86400 + offset.seconds
            below -= offset.microseconds * 1000
    return seconds * 10**9 + below
