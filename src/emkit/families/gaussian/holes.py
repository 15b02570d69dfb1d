"""Gaussian rows with holes in many different places: all patterns with as many missing cells are gone through at once.

With P = S^-1, what is missing of a row given what is observed is normal with mean mu_m - P_mm^-1 P_mo (x_o - mu_o) and covariance
P_mm^-1, and det S_oo = det S det P_mm: Lauritzen (1996), Graphical Models, proposition C.5. So one factor of each component serves
all rows, and a pattern needs no more than the inverse of its m x m precisions. These are found for all patterns by sweeps (Beaton
1964), each a few operations on long arrays. Where columns nearly follow from others, precisions have lost the digits of what is
left when some of these are missing; then the covariances of what is observed are factored, pattern by pattern.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import slice_rows
from emkit.families.gaussian.params import GaussianParams

_LOG_2PI = float(np.log(2.0 * np.pi))
_FOLLOWS = 1e3
"""A column's variance, in units of that given the others, from which precisions are not trusted: their noise would be more than
what adding up rows brings, and an objective at rest would seem to fall."""


@dataclass(frozen=True)
class Some:
    """Rows that miss m cells each, those with the same cells missing next to each other."""

    rows: np.ndarray
    """Their numbers, (n,)."""
    missing: np.ndarray
    """Columns that each pattern misses, (p, m), rising."""
    pattern: np.ndarray
    """The pattern of each row, (n,), rising."""

    @property
    def begins(self) -> np.ndarray:
        """The first row of each pattern, (p,)."""
        return np.searchsorted(self.pattern, np.arange(len(self.missing)))


@dataclass(frozen=True)
class Holes:
    """Where rows (n, d) have holes: row numbers by number of missing cells and then by pattern, and the patterns, (p, d)."""

    order: np.ndarray
    pattern: np.ndarray
    """Of each row in that order, (n,), rising."""
    absent: np.ndarray

    @classmethod
    def of(cls, seen: np.ndarray) -> "Holes":
        """From which cells are observed, (n, d)."""
        packed = np.packbits(seen, axis=1)
        keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        absent = ~seen[first]
        by_count = np.argsort(absent.sum(axis=1), kind="stable")
        rank = np.empty_like(by_count)
        rank[by_count] = np.arange(len(by_count))
        pattern = rank[inverse.ravel()]
        order = np.argsort(pattern, kind="stable")
        return cls(order, pattern[order], absent[by_count])

    def by_count(self, k: int) -> Iterator[Some]:
        """Some rows at a time, of one number of missing cells, few enough that what K components make of them stays in cache."""
        counts, d = self.absent.sum(axis=1), self.absent.shape[1]
        for m in np.unique(counts):
            first, last = np.searchsorted(counts, [m, m + 1])
            begin, end = np.searchsorted(self.pattern, [first, last])
            step = slice_rows(k * max(d, int(m) ** 2))
            for a in range(int(begin), int(end), step):
                here = self.pattern[a : min(a + step, end)]
                absent = self.absent[here[0] : here[-1] + 1]
                missing = np.nonzero(absent)[1].reshape(len(absent), m)
                yield Some(self.order[a : a + len(here)], missing, here - here[0])


class Filled:
    """Rows with conditional means in the place of what they miss, under each component.

    ``centred`` (K, n, d): less the means; ``square`` (K, n): squared distance of what is observed; ``log_norm`` (C, p): logarithm
    of its density at distance 0, for each of C distinct covariances and each pattern; ``residual`` (m, m, C, p): covariance of the
    missing cells given the others.
    """

    def __init__(self, params: GaussianParams, x: np.ndarray, some: Some):
        """``x`` (n, d): these rows."""
        whitener, precision = params.whitener, _precision(params)
        assert whitener.matrices is not None
        (n, m), d = (len(some.rows), some.missing.shape[1]), x.shape[1]
        turned = np.swapaxes(whitener.matrices, 1, 2)
        centred = x - params.means[:, None]
        centred[:, np.isnan(x)] = 0.0
        norm = np.asarray(whitener.log_norm[:, None] + 0.5 * m * _LOG_2PI)
        self.residual = np.empty((0, 0, len(precision), len(some.missing)))
        if m == d:  # nothing is observed
            norm = np.zeros((len(precision), len(some.missing)))
            self.residual = np.broadcast_to(np.moveaxis(params.covariances, 0, 2)[..., None], (d, d, *norm.shape))
        elif m:
            columns = some.missing.T
            at = precision[:, columns[:, None], columns[None, :]]  # (C, m, m, p)
            self.residual, half_log_det = _swept(np.ascontiguousarray(np.moveaxis(at, 0, 2)))
            norm = norm - half_log_det
            pull = np.matmul(np.matmul(centred, turned), whitener.matrices)
            rows = np.arange(n)
            of_row = columns[:, some.pattern]  # (m, n)
            pulled = [pull[:, rows, of_row[b]] for b in range(m)]
            for a in range(m):
                centred[:, rows, of_row[a]] = -sum(self.residual[a, b][:, some.pattern] * pulled[b] for b in range(m))
            for c in np.flatnonzero(_nearly_singular(params)):
                mine = slice(None) if len(precision) == 1 else slice(c, c + 1)
                with suppress(np.linalg.LinAlgError):  # singular to the last digit: what the precisions gave is as good
                    self.residual[:, :, c], norm[c] = _factored(params.covariances[c], centred[mine], some)
        z = np.matmul(centred, turned)
        self.centred, self.square = centred, np.einsum("knd,knd->kn", z, z)
        self.log_norm = np.broadcast_to(norm, (len(norm), len(some.missing)))
        self._some = some

    def log_prob(self) -> np.ndarray:
        """Log density of what is observed, (n, K)."""
        return np.asarray((self.log_norm[:, self._some.pattern] - 0.5 * self.square).T)

    def add_moments(self, resp: np.ndarray, first: np.ndarray, second: np.ndarray | None, spread: np.ndarray | None = None) -> None:
        """Add sums of the filled rows times responsibilities (n, K), and of their products with the residual covariances.

        ``spread`` (n, K): what the latter are multiplied by, where that is not the responsibilities.
        """
        weighted = resp.T[:, :, None] * self.centred
        first += weighted.sum(axis=1)
        if second is None:
            return
        moments = np.matmul(np.swapaxes(weighted, 1, 2), self.centred)
        shared = len(second) < len(moments)
        second += moments.sum(axis=0, keepdims=True) if shared else moments
        m, d = len(self.residual), second.shape[1]
        if not m:
            return
        mass = np.add.reduceat(resp if spread is None else spread, self._some.begins, axis=0).T  # (K, p)
        extra = self.residual * (mass.sum(axis=0, keepdims=True) if shared else mass)
        columns = self._some.missing.T
        place = (np.arange(len(second)) * d * d)[:, None] + (columns[:, None] * d + columns[None, :])[:, :, None]  # (m, m, C, p)
        second += np.bincount(place.ravel(), extra.ravel(), second.size).reshape(second.shape)


def _precision(params: GaussianParams) -> np.ndarray:
    """S^-1, (C, d, d), made once for these parameters."""
    found = params.kept.get("precision")
    if found is None:
        found = params.kept["precision"] = params.whitener.precisions()
    return np.asarray(found)


def _nearly_singular(params: GaussianParams) -> np.ndarray:
    """Of which distinct covariances some column nearly follows from the others, (C,)."""
    found = params.kept.get("nearly singular")
    if found is None:
        inflated = np.diagonal(params.covariances, axis1=1, axis2=2) * np.diagonal(_precision(params), axis1=1, axis2=2)
        found = params.kept["nearly singular"] = inflated.max(axis=1) > _FOLLOWS
    return np.asarray(found)


def _factored(covariance: np.ndarray, centred: np.ndarray, some: Some) -> tuple[np.ndarray, np.ndarray]:
    """The residual covariances (m, m, p) and the logarithms of densities at distance 0 (p,), from what is observed.

    Missing cells of ``centred`` (K, n, d) are replaced by their conditional means.
    """
    sd = np.sqrt(np.diagonal(covariance))
    correlation, (p, m) = covariance / np.outer(sd, sd), some.missing.shape
    there = np.ones((p, len(sd)), dtype=bool)
    np.put_along_axis(there, some.missing, False, axis=1)
    seen, gone = np.nonzero(there)[1].reshape(p, -1), some.missing
    lower = np.linalg.cholesky(correlation[seen[:, :, None], seen[:, None, :]])
    half = np.linalg.solve(lower, correlation[seen[:, :, None], gone[:, None, :]])  # (p, o, m)
    slopes = np.linalg.solve(np.swapaxes(lower, 1, 2), half)
    rows, of_row, from_row = np.arange(len(some.rows)), gone[some.pattern], seen[some.pattern]
    observed = centred[:, rows[:, None], from_row] / sd[from_row]
    for a in range(m):
        expected = np.einsum("kno,no->kn", observed, slopes[some.pattern, :, a])
        centred[:, rows, of_row[:, a]] = expected * sd[of_row[:, a]]
    residual = correlation[gone[:, :, None], gone[:, None, :]] - np.swapaxes(half, 1, 2) @ half
    residual *= sd[gone][:, :, None] * sd[gone][:, None, :]
    log_sd = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1) + np.log(sd[seen]).sum(axis=1)
    return np.moveaxis(residual, 0, 2), -log_sd - 0.5 * seen.shape[1] * _LOG_2PI


def _swept(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of symmetric positive definite matrices (m, m, ...), in place, and half the logarithms of their determinants."""
    half = np.zeros(matrices.shape[2:])
    for a in range(len(matrices)):
        pivot = matrices[a, a].copy()
        with np.errstate(invalid="ignore", divide="ignore"):  # of what is singular but for rounding
            half += 0.5 * np.log(pivot)
        row = matrices[a] / pivot
        column = matrices[:, a].copy()
        matrices -= column[:, None] * row
        matrices[a], matrices[:, a] = row, row
        matrices[a, a] = -1.0 / pivot
    return -matrices, half
