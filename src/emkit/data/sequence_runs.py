"""Where sequences begin in the parts of a stream, one of whose columns tells them apart."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.data.parts import StreamPart, placed

_EXACT = 2.0**53  # up to which every whole number is a floating-point number


@dataclass(frozen=True)
class Runs:
    """The sequences of a part of a stream.

    Attributes
    ----------
    rows : int
    begins : array (S,)
        Rows of the part at which a sequence begins; the first row is among them until ``after`` has seen the part before.
    keys : array (S,)
        What they are called.
    weights : array (S,) or None
    last : tuple (key, weight)
        Of the last row.
    missing : int or None
        A row without a key.
    """

    rows: int
    begins: np.ndarray
    keys: np.ndarray
    weights: np.ndarray | None
    last: tuple[float, float]
    missing: int | None = None

    def after(self, before: "Runs", called: Any) -> "Runs":
        """Knowing the part before, whose last sequence may go on here. Raises DataError if its weight does not."""
        if not self.rows or self.keys[0] != before.last[0]:
            return self
        if self.weights is not None and self.weights[0] != before.last[1]:
            raise DataError(_weights_differ(called(self.keys[0]), before.last[1], float(self.weights[0])))
        weights = None if self.weights is None else self.weights[1:]
        return replace(self, begins=self.begins[1:], keys=self.keys[1:], weights=weights)


def key_alone(part: StreamPart) -> StreamPart:
    """The part without its other columns."""
    return replace(part, layout=part.layout.some([len(part.layout.columns) - 1]), expected=None)


def changes(key: np.ndarray, before: float) -> np.ndarray:
    """Rows whose key is not that of the row before; that of the first row's predecessor is ``before``, NaN if there is none."""
    return np.flatnonzero(np.concatenate([key[:1] != before, key[1:] != key[:-1]]))


def refuse_beyond_exact(key: np.ndarray, name: str) -> None:
    """Raise DataError for numbers so large that neighbours are one floating-point number: sequences would run together."""
    beyond = np.abs(key) > _EXACT
    if beyond.any():
        row = int(np.argmax(beyond))
        raise DataError(
            f"column {name!r} row {row} is {key[row]:.0f}: sequences that are called by numbers beyond 2**53 cannot be told apart; "
            "subtract a constant, or turn them into text (in a text file, put a letter before them)",
            column=name,
            row=row,
        )


def find_runs(part: StreamPart) -> Runs:
    """Where sequences begin in a part of a stream whose last column tells them apart."""
    begins, keys, weights, rows = [], [], [], 0
    last, missing = (np.nan, 1.0), None
    for block in part.blocks():
        key = np.asarray(block.x[:, -1], dtype=np.float64)
        w = None if block.weights is None else np.asarray(block.weights)
        try:
            refuse_beyond_exact(key, part.layout.names[-1])
        except DataError as error:
            raise placed(error, part.piece, rows) from None
        gone = np.isnan(key)
        if gone.any() and missing is None:
            missing = rows + int(np.argmax(gone))
        new = changes(key, last[0])
        if w is not None:
            held = np.concatenate([[last[1]], w[:-1]])
            other = np.setdiff1d(np.flatnonzero(w != held), new)
            if len(other):
                i = int(other[0])
                row = part.piece.where(rows + i)
                raise DataError(_weights_differ(f"that of {row}", float(held[i]), float(w[i])))
            weights.append(w[new])
        begins.append(rows + new)
        keys.append(key[new])
        rows += block.n
        last = float(key[-1]), 1.0 if w is None else float(w[-1])
    if not rows:
        return Runs(0, np.empty(0, dtype=np.int64), np.empty(0), None, last)
    each = np.concatenate(weights) if weights else None
    return Runs(rows, np.concatenate(begins), np.concatenate(keys), each, last, missing)


def _weights_differ(called: str, a: float, b: float) -> str:
    return f"a sequence has one weight, the same in all its rows; {called} has {a:g} and {b:g}"
