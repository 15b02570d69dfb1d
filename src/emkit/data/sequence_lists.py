"""Lists of sequences: what is one, and what is a matrix written as lists."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.data.tables import is_table


def as_sequences(x: Any, *, has_lengths: bool = False) -> list[Any] | None:
    """The sequences that ``x`` lists, one-dimensional ones as a column; None if it is one matrix, or a table.

    Lists, tuples and generators of arrays or tables are lists of sequences, and so are Series and arrays of objects whose every
    entry is an array or a list. Lists of lists of numbers are a matrix; with lengths of their own (``has_lengths``), so are
    lists of one-dimensional arrays of equal length.

    Raises
    ------
    DataError
        For a list of one-dimensional arrays of equal length, which may be rows or sequences, and for a list that mixes kinds.
    """
    if isinstance(x, Iterator):
        x = list(x)
        if not x:
            raise DataError("found no sequence (0 sequences)")
    if isinstance(x, list | tuple):
        return _from_items(list(x), has_lengths)
    if isinstance(x, np.ndarray):
        return [_column(item) for item in x] if x.ndim == 1 and _holds_sequences(x) else None
    if is_table(x) or not (hasattr(x, "__iter__") and hasattr(x, "__len__") and hasattr(x, "dtype")):
        return None
    items = list(x) if str(x.dtype).startswith(("object", "List", "Array", "list", "fixed_size_list", "large_list")) else []
    return [_column(item) for item in items] if items and _holds_sequences(items) else None


def _holds_sequences(items: Any) -> bool:
    return len(items) > 0 and all(is_table(item) or _is_array(item) or isinstance(item, list | tuple) for item in items)


def _is_array(item: Any) -> bool:
    """Whether it is an array or a Series, rather than a number, a list or a table."""
    return not is_table(item) and hasattr(item, "__array__") and hasattr(item, "dtype") and np.ndim(item) > 0


def _from_items(items: list[Any], has_lengths: bool) -> list[Any] | None:
    arrays = [_is_array(item) for item in items]
    depths = [_depth(item) for item in items]
    if any(is_table(item) for item in items):
        return items
    if not any(arrays) and 2 not in depths:
        if len({len(item) for item in items if isinstance(item, list | tuple)}) > 1:
            raise DataError(
                "the data are lists of different lengths: neither rows of one matrix nor arrays; "
                "give np.array(s) for each sequence s, to have a list of sequences"
            )
        return None
    if any(depth == 0 for depth in depths):
        raise DataError(f"entry {depths.index(0)} of the list is {items[depths.index(0)]!r}, not a sequence of steps")
    if set(depths) != {1}:
        return items
    if len(items) > 1 and len({len(item) for item in items}) == 1:
        if has_lengths:
            return None
        raise DataError(
            f"a list of {len(items)} one-dimensional arrays, {len(items[0])} numbers each, may be rows or sequences: "
            "give np.stack(x) for rows, [s.reshape(-1, 1) for s in x] for sequences of one column"
        )
    return [_column(item) for item in items]


def _depth(item: Any) -> int:
    """Dimensions of an item; of ragged lists, those seen along the first entries."""
    if isinstance(item, list | tuple):
        return 1 + (_depth(item[0]) if len(item) else 0)
    return 2 if is_table(item) else int(np.ndim(item))


def _column(item: Any) -> Any:
    """A sequence of one column as steps and columns; anything else as it is."""
    if is_table(item) or _depth(item) != 1:
        return item
    if isinstance(item, np.ndarray):  # a masked one keeps its mask
        return item.reshape(-1, 1)
    try:
        return np.asarray(item).reshape(-1, 1)
    except ValueError:  # ragged further down: refused where it is read
        return item
