"""What a cell may be: declared by a family, checked once, for the library and the command line alike."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import DataError


class Support(ABC):
    """The values that a family's columns can take; a missing cell is always allowed.

    You implement ``holds`` and ``draw``; you get the check of data with errors that name the cell, seeding, and data for the
    conformance kit.
    """

    words: ClassVar[str]
    """How messages say what a cell must be."""
    kinds: ClassVar[tuple[str, ...]] = ("real", "count", "binary")
    """Kinds of ``Column`` that it can describe."""
    whole: ClassVar[bool] = False
    """Whether values are integers, so that samples are too."""
    signed: ClassVar[bool] = False
    """Whether values may be negative."""
    inside: ClassVar[float] = 1.0
    """Some value that is allowed: it stands in for missing cells where these must not be computed with."""

    @abstractmethod
    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whether each cell may be, bool (n, d); what it says of NaN does not matter."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Some rows (n, d) in two clusters: what the conformance kit works on."""

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Rows as points whose Euclidean distance makes sense, for seeding by k-means++.

        By default in units of each column's standard deviation; a missing cell sits at the column's mean.
        """
        scale = np.sqrt(np.where(variance > 0, variance, 1.0))
        return np.nan_to_num((np.asarray(x, dtype=np.float64) - mean) / scale, nan=0.0)

    def suspect(self, source: Source) -> bool:
        """Whether some cell may not be allowed: from the columns' summary, so that most data need no further pass."""
        return True

    def check(self, source: Source) -> None:
        """Raise DataError, naming column, row and value, for the first cell that may not be."""
        refuse_categories(source, self)
        if not self.suspect(source):
            return
        row = 0
        for block in source:
            x = np.asarray(block.x)
            bad = ~np.isnan(x) & ~self.holds(x)
            if bad.any():
                i, j = (int(v) for v in np.argwhere(bad)[0])
                where = f"{source.columns.called(j)} {source.place(row + i)}"
                raise DataError(
                    f"{where} is {x[i, j]:g}, expected {self.words}", column=source.columns[j].name, row=source.user_row(row + i)
                )
            row += len(x)


def refuse_categories(source: Source, support: Support) -> None:
    """Raise DataError if a column of text or categories comes where numbers are needed: names column, row and value."""
    for j, column in enumerate(source.columns.items):
        if column.kind in support.kinds or column.levels is None:
            continue
        row, i, value = 0, 0, None
        for block in source:
            seen = np.flatnonzero(~np.isnan(np.asarray(block.x)[:, j]))
            if len(seen):
                i = row + int(seen[0])
                value = column.levels[int(block.x[seen[0], j])]
                break
            row += block.n
        what = "text" if isinstance(value, str) else "category"
        raise DataError(
            f"{source.columns.called(j)} {source.place(i)} is the {what} {value!r}, not {support.words}; drop the column, "
            "encode it as numbers, or give it a categorical family",
            column=column.name,
            row=source.user_row(i),
        )


class Reals(Support):
    """Any finite number."""

    words = "a number"
    signed = True
    inside = 0.0

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Finite."""
        return np.isfinite(x)

    def suspect(self, source: Source) -> bool:
        """Data are validated to be finite when they are read."""
        return False

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Two normal clusters."""
        return np.asarray(rng.normal(size=(n, d)) + 4.0 * rng.integers(2, size=n)[:, None])


class Positives(Support):
    """Numbers above 0."""

    words = "a number above 0"

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Above 0."""
        return np.asarray(x > 0)

    def suspect(self, source: Source) -> bool:
        """From the smallest cells."""
        return bool((source.summary.low <= 0).any())

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Logarithms; a missing cell sits at the column's mean."""
        return _centred(np.log(np.maximum(np.asarray(x, dtype=np.float64), 1e-300)))

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Waiting times of two lengths."""
        return np.asarray(rng.exponential(np.array([1.0, 8.0])[rng.integers(2, size=n)][:, None], size=(n, d)) + 1e-3)


class Nonnegatives(Positives):
    """Numbers of at least 0."""

    words = "a number of at least 0"

    def holds(self, x: np.ndarray) -> np.ndarray:
        """At least 0."""
        return np.asarray(x >= 0)

    def suspect(self, source: Source) -> bool:
        """From the smallest cells."""
        return bool((source.summary.low < 0).any())

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Square roots; a missing cell sits at the column's mean."""
        return _centred(np.sqrt(np.maximum(np.asarray(x, dtype=np.float64), 0.0)))


class Counts(Support):
    """Counts 0, 1, 2, ..."""

    words = "a count 0, 1, 2, ..."
    whole = True

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whole and not negative."""
        return np.asarray((x >= 0) & (x == np.floor(x)))

    def suspect(self, source: Source) -> bool:
        """From the smallest cells, and whether all are whole."""
        return bool((source.summary.low < 0).any() or not source.summary.whole.all())

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Square roots, whose variance does not depend on the rate; a missing cell sits at the column's mean."""
        return _centred(np.sqrt(np.maximum(np.asarray(x, dtype=np.float64), 0.0)))

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Poisson counts of two rates."""
        rates = np.where(np.arange(d) % 2 == 0, np.array([[2.0], [7.0]]), np.array([[9.0], [4.0]]))
        return rng.poisson(rates[rng.integers(2, size=n)]).astype(np.float64)


class Binary(Support):
    """0 or 1."""

    words = "0 or 1"
    whole = True

    def holds(self, x: np.ndarray) -> np.ndarray:
        """One of the two."""
        return np.asarray((x == 0) | (x == 1))

    def suspect(self, source: Source) -> bool:
        """From the ranges, and whether all are whole."""
        s = source.summary
        return bool((s.low < 0).any() or (s.high > 1).any() or not s.whole.all())

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """As they are; a missing cell is one half."""
        return np.nan_to_num(np.asarray(x, dtype=np.float64), nan=0.5)

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Two kinds of rows."""
        p = np.where(np.arange(d) % 2 == 0, np.array([[0.3], [0.7]]), np.array([[0.8], [0.4]]))
        return (rng.random((n, d)) < p[rng.integers(2, size=n)]).astype(np.float64)


class Symbols(Support):
    """Categories, numbered 0, 1, 2, ..., or text and categories that were numbered when they were read."""

    words = "a category 0, 1, 2, ..."
    kinds: ClassVar[tuple[str, ...]] = ("real", "count", "binary", "category")
    whole = True

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whole and not negative."""
        return np.asarray((x >= 0) & (x == np.floor(x)))

    def suspect(self, source: Source) -> bool:
        """As for counts."""
        return bool((source.summary.low < 0).any() or not source.summary.whole.all())

    def embed(self, x: Any, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """One-hot; a missing cell is all zeros."""
        x = np.asarray(x)
        sizes = np.where(np.isnan(x).all(axis=0), 0.0, np.nanmax(np.where(np.isnan(x), 0.0, x), axis=0)).astype(int) + 1
        parts = [(x[:, j, None] == np.arange(size)).astype(np.float64) for j, size in enumerate(sizes)]
        return np.concatenate(parts, axis=1)

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Binomial symbols of two kinds of rows."""
        p = np.where(np.arange(d) % 2 == 0, np.array([[0.3], [0.7]]), np.array([[0.6], [0.3]]))
        return rng.binomial(np.where(np.arange(d) % 2 == 0, 3, 2), p[rng.integers(2, size=n)]).astype(np.float64)


def _centred(x: np.ndarray) -> np.ndarray:
    """Columns less their means over finite cells; 0 where a cell is missing."""
    with np.errstate(invalid="ignore"):
        centre = np.array([column[np.isfinite(column)].mean() if np.isfinite(column).any() else 0.0 for column in x.T])
    return np.where(np.isfinite(x), x - centre, 0.0)
