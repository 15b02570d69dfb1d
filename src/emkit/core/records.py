"""Frozen dataclasses of arrays: what Params and Stats have in common, whatever the model.

A field is an array, a number, None, another such record, or a tuple of records. ``flatten`` names every array by its path, e.g.
``components.means``, which is how model files and checkpoints store them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache, cached_property
from typing import Any, Self

import numpy as np

from emkit.core.errors import ParameterError


class ArrayRecord:
    """Base of frozen dataclasses whose fields are arrays, numbers, None or further records."""

    def _map(self, leaf: Callable[..., Any], *others: Any, path: str = "") -> Self:
        """The same kind of record with ``leaf(path, value, other values)`` in place of each value; None stays None."""

        def one(name: str, value: Any, rest: list[Any]) -> Any:
            if isinstance(value, ArrayRecord):
                return value._map(leaf, *rest, path=f"{name}.")
            if isinstance(value, tuple):
                return tuple(one(f"{name}.{i}", item, [other[i] for other in rest]) for i, item in enumerate(value))
            return None if value is None else leaf(name, value, *rest)

        values = {
            field.name: one(path + field.name, getattr(self, field.name), [getattr(other, field.name) for other in others])
            for field in fields(self)  # type: ignore[arg-type]
        }
        return type(self)(**values)

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What others have computed from the record and want again, such as tables of log probabilities. Nobody sends it."""
        return {}

    def flatten(self, prefix: str = "") -> dict[str, np.ndarray]:
        """All arrays by dotted path. Fields that are None are left out."""
        out: dict[str, np.ndarray] = {}

        def keep(path: str, value: Any) -> Any:
            out[path] = np.asarray(value)
            return value

        self._map(keep, path=prefix)
        return out

    def replace_arrays(self, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Self:
        """The same kind of record with the arrays of ``flatten`` put back."""

        def stored(path: str, value: Any) -> Any:
            array = np.asarray(arrays[path])
            return array if np.ndim(value) or isinstance(value, np.ndarray) else array[()]

        return self._map(stored, path=prefix)

    def __getstate__(self) -> dict[str, Any]:
        """Fields only: what a record has computed from them (cached properties) is not worth sending."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)


class Params(ArrayRecord):
    """One hypothesis: a frozen dataclass of arrays."""


class Stats(ArrayRecord):
    """Expected sufficient statistics, already summed over a block's rows: ``a + b`` joins blocks, ``a * c`` reweights.

    Fields marked ``field(metadata={"additive": False})`` are labels that both operands share (such as the pivot that moments are
    taken about); they are carried along, not added. A subclass whose labels may differ overrides ``aligned``.
    """

    def aligned(self, to: Self) -> Self:
        """The same statistics with the labels of ``to``, so that the two can be added up: moments about its pivot."""
        return self

    def __add__(self, other: Self) -> Self:
        return self._combine(_sum, other.aligned(self))

    def __mul__(self, c: float) -> Self:
        return self._combine(lambda a, _: a * c, self)

    __rmul__ = __mul__

    def blended(self, c: float, other: Self, e: float) -> Self:
        """``self * c + other * e``, in one go."""
        if type(self).__add__ is not Stats.__add__ or type(self).__mul__ is not Stats.__mul__:
            return self * c + other * e  # ways of their own

        def op(a: Any, b: Any) -> Any:
            return a.blended(c, b, e) if isinstance(a, Stats) else a * c + b * e

        return self._combine(op, other.aligned(self))

    def _combine(self, op: Callable[[Any, Any], Any], other: Self) -> Self:
        values = {}
        for name, additive in _fields(type(self)):  # type: ignore[arg-type]
            a = getattr(self, name)
            if a is None or not additive:
                values[name] = a
            elif isinstance(a, tuple):
                values[name] = tuple(op(x, y) for x, y in zip(a, getattr(other, name), strict=True))
            else:
                values[name] = op(a, getattr(other, name))  # a nested Stats has its own + and *
        return type(self)(**values)

    def _labels(self, prefix: str = "") -> set[str]:
        """Paths of what is carried along and not added."""
        out: set[str] = set()
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            path = prefix + field.name
            if not field.metadata.get("additive", True):
                out.add(path)
            for i, item in enumerate(value if isinstance(value, tuple) else (value,)):
                if isinstance(item, Stats):
                    out |= item._labels(f"{path}.{i}." if isinstance(value, tuple) else f"{path}.")
        return out

    def pack(self) -> np.ndarray:
        """All additive fields as one flat float64 vector: linear in the statistics, as long as labels agree."""
        labels = self._labels()
        parts = [np.ravel(np.asarray(a, dtype=np.float64)) for path, a in self.flatten().items() if path not in labels]
        return np.concatenate(parts) if parts else np.zeros(0)

    def labels(self) -> dict[str, np.ndarray]:
        """What is carried along and not added, by path: without it a packed vector means nothing."""
        paths = self._labels()
        return {path: value for path, value in self.flatten().items() if path in paths}

    def unpack(self, vector: np.ndarray, labels: Mapping[str, np.ndarray]) -> Self:
        """Inverse of ``pack`` and ``labels``. Only the form is taken from ``self``: moments about one pivot are none about another.

        Raises
        ------
        ParameterError
            If vector or labels are of statistics of another form.
        """
        paths, at = self._labels(), 0
        vector = np.asarray(vector, dtype=np.float64)
        size, expected = len(self.pack()), self.labels().keys()
        if vector.shape != (size,):
            raise ParameterError(f"a vector of shape {vector.shape} was packed from other statistics: these have {size} numbers")
        if labels.keys() != expected:
            found, needed = (", ".join(sorted(names)) or "none" for names in (labels, expected))
            raise ParameterError(f"labels {found} belong to other statistics: these have {needed}", parameter="labels")

        def next_piece(path: str, value: Any) -> Any:
            nonlocal at
            if path in paths:
                return labels[path]
            at += (size := int(np.size(value)))
            return vector[at - size : at].reshape(np.shape(value))

        return self._map(next_piece)


def _sum(a: Any, b: Any) -> Any:
    return a + b


@cache
def _fields(cls: Any) -> tuple[tuple[str, bool], ...]:
    """Names of the fields of a kind of statistics, and whether each is additive."""
    return tuple((field.name, field.metadata.get("additive", True)) for field in fields(cls))


def column_of(record: Any, j: int) -> Any:
    """The Params or Stats of column ``j`` alone, of a family that is ``columnwise``."""
    return record._map(lambda path, value: value[:, j : j + 1])


def columns_joined(records: Sequence[Any]) -> Any:
    """Params or Stats of one column each as those of all of them: the inverse of ``column_of``."""
    first, *rest = records
    return first if not rest else first._map(lambda path, *values: np.concatenate(values, axis=1), *rest)
