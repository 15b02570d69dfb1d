"""Frozen dataclasses of arrays: what Params and Stats have in common, whatever the model.

A field is an array, a number, None, or another such dataclass. ``flatten`` names every array by its path, e.g.
``components.means``, which is how model files and checkpoints store them.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np


class ArrayRecord:
    """Base of frozen dataclasses whose fields are arrays, numbers, None or further records."""

    def flatten(self, prefix: str = "") -> dict[str, np.ndarray]:
        """All arrays by dotted path. Fields that are None are left out."""
        out: dict[str, np.ndarray] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, ArrayRecord):
                out.update(value.flatten(f"{prefix}{field.name}."))
            elif isinstance(value, tuple):
                for i, item in enumerate(value):
                    out.update(item.flatten(f"{prefix}{field.name}.{i}."))
            elif value is not None:
                out[prefix + field.name] = np.asarray(value)
        return out

    def replace_arrays(self, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Self:
        """The same kind of record with the arrays of ``flatten`` put back."""
        values: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, ArrayRecord):
                values[field.name] = value.replace_arrays(arrays, f"{prefix}{field.name}.")
            elif isinstance(value, tuple):
                values[field.name] = tuple(
                    item.replace_arrays(arrays, f"{prefix}{field.name}.{i}.") for i, item in enumerate(value)
                )
            elif value is not None:
                stored = np.asarray(arrays[prefix + field.name])
                values[field.name] = stored if np.ndim(value) or isinstance(value, np.ndarray) else stored[()]
            else:
                values[field.name] = None
        return type(self)(**values)


class Params(ArrayRecord):
    """One hypothesis: a frozen dataclass of arrays."""


class Stats(ArrayRecord):
    """Expected sufficient statistics, already summed over a block's rows: ``a + b`` joins blocks, ``a * c`` reweights.

    Fields marked ``field(metadata={"additive": False})`` are labels that both operands share (such as the pivot that moments are
    taken about); they are carried along, not added. A subclass whose labels may differ overrides ``__add__``.
    """

    def __add__(self, other: Self) -> Self:
        return self._combine(lambda a, b: a + b, other)

    def __mul__(self, c: float) -> Self:
        return self._combine(lambda a, _: a * c, self)

    __rmul__ = __mul__

    def _combine(self, op: Any, other: Self) -> Self:
        values: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            a, b = getattr(self, field.name), getattr(other, field.name)
            if a is None or not field.metadata.get("additive", True):
                values[field.name] = a
            elif isinstance(a, Stats):
                values[field.name] = a._combine_child(op, b)
            elif isinstance(a, tuple):
                values[field.name] = tuple(x._combine_child(op, y) for x, y in zip(a, b, strict=True))
            else:
                values[field.name] = op(a, b)
        return type(self)(**values)

    def _combine_child(self, op: Any, other: Self) -> Self:
        """Give a nested Stats its own ``+`` and ``*``: it may have overridden them."""
        result: Self = op(self, other)
        return result

    def pack(self) -> np.ndarray:
        """All additive fields as one flat float64 vector: what travels between machines."""
        parts = [np.ravel(np.asarray(a, dtype=np.float64)) for a in self._additive()]
        return np.concatenate(parts) if parts else np.zeros(0)

    def unpack(self, vector: np.ndarray) -> Self:
        """Inverse of ``pack``; shapes and labels are taken from ``self``."""
        return self._fill(np.asarray(vector, dtype=np.float64), [0])

    def _additive(self) -> list[Any]:
        out: list[Any] = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is None or not field.metadata.get("additive", True):
                continue
            if isinstance(value, Stats):
                out.extend(value._additive())
            elif isinstance(value, tuple):
                for item in value:
                    out.extend(item._additive())
            else:
                out.append(value)
        return out

    def _fill(self, vector: np.ndarray, at: list[int]) -> Self:
        values: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is None or not field.metadata.get("additive", True):
                values[field.name] = value
            elif isinstance(value, Stats):
                values[field.name] = value._fill(vector, at)
            elif isinstance(value, tuple):
                values[field.name] = tuple(item._fill(vector, at) for item in value)
            else:
                size = int(np.size(value))
                values[field.name] = vector[at[0] : at[0] + size].reshape(np.shape(value))
                at[0] += size
        return type(self)(**values)
