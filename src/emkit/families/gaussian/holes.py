"""Gaussian rows with holes in many different places: all patterns with as many missing cells are gone through at once.

With W'W = S^-1, a centred row x = (x_o, x_m) has the squared distance |W_o x_o + W_m x_m|^2, and its missing cells given the others
are normal about the x_m that makes this least, with the covariance (W_m' W_m)^-1; what is left is the squared distance of x_o, and
det S_oo = det S det W_m' W_m: Lauritzen (1996), Graphical Models, proposition C.5. So one factor of each component serves all rows,
and a pattern needs no more than W_m = Q R, m columns orthonormalised: for all patterns together by the modified Gram-Schmidt
process, a few operations on long arrays. Least squares by it lose no more digits than any (Björck 1967, BIT 7, 1-21), where
W_m' W_m would lose twice as many of columns that nearly follow from others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emkit.core.bayes import slice_rows
from emkit.families.gaussian.params import GaussianParams

_LOG_2PI = float(np.log(2.0 * np.pi))
_ALIKE = 32  # rows of a pattern, on average, from which matrix products are quicker


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


def distinct(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each pattern of observed cells (n, d), in a fixed order, and the pattern of each row, (n,)."""
    packed = np.packbits(seen, axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first, inverse.ravel()


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
        first, inverse = distinct(seen)
        absent = ~seen[first]
        by_count = np.argsort(absent.sum(axis=1), kind="stable")
        rank = np.empty_like(by_count)
        rank[by_count] = np.arange(len(by_count))
        pattern = rank[inverse]
        order = np.argsort(pattern, kind="stable")
        return cls(order, pattern[order], absent[by_count])

    def by_count(self, k: int) -> Iterator[Some]:
        """Some rows at a time, of one number of missing cells, few enough that what K components make of them stays in cache."""
        counts, d = self.absent.sum(axis=1), self.absent.shape[1]
        for m in np.unique(counts):
            first, last = np.searchsorted(counts, [m, m + 1])
            begin, end = np.searchsorted(self.pattern, [first, last])
            most, many = slice_rows(k * d), slice_rows(k * d * max(int(m), 1), least=1)  # rows and patterns at a time
            while begin < end:
                last = min(begin + most, np.searchsorted(self.pattern, self.pattern[begin] + many))
                here = self.pattern[begin : min(last, end)]
                absent = self.absent[here[0] : here[-1] + 1]
                missing = np.nonzero(absent)[1].reshape(len(absent), m)
                yield Some(self.order[begin : begin + len(here)], missing, here - here[0])
                begin += len(here)


class Filled:
    """Rows with conditional means in the place of what they miss, under each component.

    ``centred`` (K, n, d): less the means; ``square`` (K, n): squared distance of what is observed; ``log_norm`` (C, p): logarithm
    of its density at distance 0, for each of C distinct covariances and each pattern; ``residual`` (m, m, C, p): covariance of the
    missing cells given the others.
    """

    def __init__(self, params: GaussianParams, x: np.ndarray, some: Some):
        """``x`` (n, d): these rows."""
        whitener = params.whitener
        assert whitener.matrices is not None
        m, d, turned = some.missing.shape[1], x.shape[1], np.swapaxes(whitener.matrices, 1, 2)
        centred = x - params.means[:, None]
        centred[:, np.isnan(x)] = 0.0
        z = np.matmul(centred, turned)
        norm = np.asarray(whitener.log_norm[:, None] + 0.5 * m * _LOG_2PI)
        self.residual = np.empty((0, 0, len(turned), len(some.missing)))
        if m == d:  # nothing is observed
            norm = np.zeros((len(turned), len(some.missing)))
            self.residual = np.broadcast_to(np.moveaxis(params.covariances, 0, 2)[..., None], (d, d, *norm.shape))
        elif m:
            along, r = _orthonormal(np.ascontiguousarray(np.moveaxis(turned[:, some.missing.T], 0, 1)))
            inverse = _inverse(r)
            self.residual = np.einsum("aecp,becp->abcp", inverse, inverse)
            norm = norm - np.log(np.diagonal(r)).sum(axis=-1)
            fill = _fill_patterns if len(x) >= _ALIKE * len(some.missing) else _fill_rows
            fill(centred, z, along, inverse, some)
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


def _orthonormal(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of columns (m, ..., d), in place, the Q (m, ..., d) and the upper R (m, m, ...) of which they are Q R."""
    m = len(columns)
    r = np.zeros((m, *columns.shape[:-1]))
    for a, (own, rest) in enumerate((columns[a], columns[a + 1 :]) for a in range(m)):
        r[a, a] = np.sqrt(np.einsum("...d,...d->...", own, own))
        own /= r[a, a][..., None]
        r[a, a + 1 :] = np.einsum("...d,b...d->b...", own, rest)
        rest -= r[a, a + 1 :][..., None] * own
    return columns, r


def _inverse(r: np.ndarray) -> np.ndarray:
    """Of upper triangular matrices (m, m, ...)."""
    out = np.zeros_like(r)
    for a in reversed(range(len(r))):
        out[a, a] = 1.0 / r[a, a]
        out[a, a + 1 :] = -np.einsum("b...,bj...->j...", r[a, a + 1 :], out[a + 1 :, a + 1 :]) * out[a, a]
    return out


def _fill_rows(centred: np.ndarray, z: np.ndarray, along: np.ndarray, inverse: np.ndarray, some: Some) -> None:
    """Conditional means in their places in centred rows (K, n, d), and what they explain taken from whitened ones, z (K, n, d).

    ``along`` (m, C, p, d) and ``inverse`` (m, m, C, p): the orthonormal columns of each pattern, and R^-1.
    """
    m, rows = len(along), np.arange(z.shape[1])
    shares = np.empty((m, *z.shape[:2]))
    for a in range(m):
        here = along[a][:, some.pattern]
        shares[a] = np.einsum("knd,knd->kn", z, np.broadcast_to(here, z.shape))
        z -= shares[a][..., None] * here
    for a in range(m):
        found = (inverse[a, a:][:, :, some.pattern] * shares[a:]).sum(axis=0)
        centred[:, rows, some.missing[some.pattern, a]] = -found


def _fill_patterns(centred: np.ndarray, z: np.ndarray, along: np.ndarray, inverse: np.ndarray, some: Some) -> None:
    """The same by matrix products, where many rows have a pattern."""
    for i, (begin, end) in enumerate(pairwise([*some.begins.tolist(), z.shape[1]])):
        q, r, here = np.moveaxis(along[:, :, i], 0, 2), np.moveaxis(inverse[:, :, :, i], 2, 0), z[:, begin:end]
        shares = np.zeros((*here.shape[:2], len(along)))
        for _ in range(2):  # the second time takes out what rounding left
            more = np.matmul(here, q)
            here -= np.matmul(more, np.swapaxes(q, 1, 2))
            shares += more
        centred[:, begin:end][:, :, some.missing[i]] = -np.matmul(shares, np.swapaxes(r, 1, 2))
