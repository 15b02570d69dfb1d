"""Gaussian E-steps on small data as two matrix products, over the features 1, x, x_i x_j of each row, taken about a pivot.

A log density is linear in the features, and so are the moments: with the features of a block at hand, an E-step is the product of
coefficients and features, Bayes' rule, and the product of responsibilities and features. They are made once for a block and kept as
long as it.

Numbers that nearly cancel lose digits, so this is done only while no component is narrow beside its distance from the pivot, the
columns' means: see ``Expansion.lasts``. The other passes take differences from each component's own mean and lose nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np

from emkit.core.bayes import Pass
from emkit.core.block import Block
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.shapes import tril_indices

_MOST = 2**21  # numbers kept for all the blocks of a source: 16 MB
# What may cancel: see ``Expansion.loss``. Summed over the rows, what rounding makes of it is about what ``Problem.rounding`` allows
# for; and a component's statistics have ten digits.
_LOSS, _FAR = 5e2, 1e6
_PRODUCT = 2**18  # multiplications of one product: BLAS does not split smaller ones among threads, and a slice stays in cache
_LEAST = float(np.exp(-300.0))  # smaller responsibilities are zero, as in ``emkit.core.bayes.posterior``


@dataclass(frozen=True)
class Features:
    """The features of n rows, feature by feature, (1 + d + squares, n): ones, x - pivot, and squares or products of these.

    ``squares``: d (d + 1) / 2 products where covariances are matrices, the lower triangle row by row; d squares for variances;
    their sum for a single variance. ``usable`` is False where a cell is missing, or too large to square.
    """

    table: np.ndarray
    pivot: np.ndarray
    usable: bool

    @classmethod
    def of(cls, params: GaussianParams, block: Block) -> Self | None:
        """Those of a block's rows, made when they are first asked for; None where they take too much memory, or cannot be had."""
        d, form = params.means.shape[1], params.covariances.shape
        matrix, pooled = len(form) == 3, form[-1] == 1
        numbers = (1 + d + squares(params)) * max(block.n, block.source_rows)
        if numbers > _MOST or block.missing or not isinstance(block.x, np.ndarray):
            return None
        key = ("gaussian features", matrix, pooled)
        found: Self | None = block.kept.get(key)
        if found is None:
            found = block.kept[key] = cls.made(block.x, matrix, pooled)
        return found if found.usable else None

    @classmethod
    def made(cls, x: np.ndarray, matrix: bool, pooled: bool) -> Self:
        """From rows (n, d)."""
        n, d = x.shape
        i, j = tril_indices(d) if matrix else (np.arange(d), np.arange(d))
        table = np.empty((1 + d + (1 if pooled else len(i)), n))
        table[0] = 1.0
        centred, products = table[1 : 1 + d], table[1 + d :]
        centred[:] = x.T
        with np.errstate(over="ignore", invalid="ignore"):
            pivot = centred.mean(axis=1)
            centred -= pivot[:, None]
            if pooled:
                np.einsum("in,in->n", centred, centred, out=products[0])
            else:
                for out, a, b in zip(products, i, j, strict=True):
                    np.multiply(centred[a], centred[b], out=out)
            usable = bool(np.isfinite(products.sum()))
        return cls(table, pivot, usable)

    def moments(self, params: GaussianParams, sums: np.ndarray, with_second: bool) -> GaussianStats:
        """Statistics about the means from ``sums``, responsibilities times features, (K, 1 + d + squares).

        Where a matrix is tied, the first row holds the squares of all components.
        """
        k, d = params.means.shape
        off, counts, first = params.means - self.pivot, sums[:, 0], sums[:, 1 : 1 + d]
        shift = counts[:, None] * off
        half, first = first - 0.5 * shift, first - shift
        if not with_second:
            return GaussianStats(counts, first, None, params.means)
        second, form = sums[:, 1 + d :], params.covariances.shape
        if len(form) == 2:
            cross = 2.0 * half * off
            second = second - (cross if form[1] == d else cross.sum(axis=1, keepdims=True))
            return GaussianStats(counts, first, second, params.means)
        cross = half[:, :, None] * off[:, None, :]
        if form[0] < k:
            second, cross = second[:1], cross.sum(axis=0, keepdims=True)
        square = second.take(_triangle(d)[2], axis=1).reshape(form)
        square -= cross
        square -= np.swapaxes(cross, 1, 2)
        return GaussianStats(counts, first, square, params.means)

    def slices(self, k: int) -> Iterator[slice]:
        """Rows in slices: a function of their number, that of features and that of components."""
        width, n = self.table.shape
        rows = max(512, _PRODUCT // (k * width))
        return (slice(begin, min(begin + rows, n)) for begin in range(0, n, rows))


def squares(params: GaussianParams) -> int:
    """How many features of second order there are."""
    form = params.covariances.shape
    return form[1] * (form[1] + 1) // 2 if len(form) == 3 else form[1]


@dataclass(frozen=True)
class Expansion:
    """The log densities of K components in a block's features: coefficients (K, 1 + d + squares), and how much cancels, (K,).

    ``loss`` is the size of the terms that cancel, in nats: about the squared distance of a component from the pivot in its own
    standard deviations, more where columns are correlated. Times the machine's epsilon it is the error of a row's log density near
    the mean.
    """

    features: Features
    params: GaussianParams
    coefficients: np.ndarray
    loss: np.ndarray

    @classmethod
    def of(cls, features: Features, params: GaussianParams) -> Self:
        """From a hypothesis."""
        k, d = params.means.shape
        whitener, off = params.whitener, params.means - features.pivot
        precision = whitener.precisions()
        out = np.empty((k, len(features.table)))
        if precision.ndim == 3:
            pull = np.matmul(precision, off[:, :, None])[:, :, 0]
            flat, factor, _ = _triangle(d)
            np.multiply(precision.reshape(len(precision), d * d).take(flat, axis=1), factor, out=out[:, 1 + d :])
            with np.errstate(invalid="ignore"):  # far outliers: a first guess's variance may cancel to below 0; no digits last
                reach = np.abs(off) + np.sqrt(np.diagonal(params.covariances, axis1=1, axis2=2))
            terms = (precision * reach[:, :, None] * reach[:, None, :]).reshape(k, d * d)
        else:
            pull = precision * off
            np.multiply(precision, -0.5, out=out[:, 1 + d :])
            terms = (np.abs(off) * whitener.scales + 1.0) ** 2
        square = np.einsum("kd,kd->k", off, pull)
        out[:, 0] = whitener.log_norm - 0.5 * square
        out[:, 1 : 1 + d] = pull
        return cls(features, params, out, square + np.sqrt(np.einsum("kt,kt->k", terms, terms)))

    def lasts(self, log_weights: np.ndarray | None = None, loss: float = _LOSS) -> bool:
        """Whether the digits last: in each component's statistics, and, weighted by the components, in the log-likelihood."""
        mean, most = self._size
        if log_weights is not None:
            mean = float(np.einsum("...k,...k", self.loss.reshape(log_weights.shape), np.exp(log_weights)).max())
        return mean <= loss and most <= _FAR

    @cached_property
    def _size(self) -> tuple[float, float]:
        """Of the loss, on average and at most: both halves of an HMM's E-step ask."""
        return float(self.loss.mean()), float(self.loss.max())

    def no_sums(self, with_second: bool) -> np.ndarray:
        """Zeros, one for each component and feature that statistics need."""
        k, d = self.params.means.shape
        return np.zeros((k, len(self.features.table) if with_second else 1 + d))

    @property
    def own(self) -> int:
        """How many features have a coefficient for each component: where a matrix is tied, squares have one for all of them."""
        k, d = self.params.means.shape
        return 1 + d if self.params.covariances.ndim == 3 and len(self.params.covariances) < k else len(self.features.table)


@lru_cache(maxsize=64)
def _triangle(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the products stand in a flat matrix (d d), their coefficients as multiples of a precision, and each entry's product."""
    i, j = tril_indices(d)
    largest, smallest = np.maximum(*np.indices((d, d))), np.minimum(*np.indices((d, d)))
    return i * d + j, np.where(i == j, -0.5, -1.0), (largest * (largest + 1) // 2 + smallest).ravel()


def product_pass(
    expansion: Expansion,
    log_weights: np.ndarray,
    block: Block,
    with_second: bool,
    *,
    rows: bool = False,
    responsibilities: bool = False,
) -> Pass:
    """The twin of ``emkit.core.bayes.sliced_pass``, without labels; where ``log_weights`` is (S, K), that of ``grouped_pass``."""
    features, coefficients, own = expansion.features, expansion.coefficients.copy(), expansion.own
    coefficients[:, 0] += np.maximum(log_weights.ravel(), -1e300)  # not -inf, of which BLAS makes NaN
    n, k, linear = block.n, log_weights.size, coefficients[:, :own]
    sums, total = expansion.no_sums(with_second), np.zeros(log_weights.shape[:-1])
    out_rows, out_resp = np.empty(n) if rows else None, np.empty((n, k)) if responsibilities else None
    for part in features.slices(k):
        here = features.table[:, part]
        resp = linear @ here[:own]
        row = _bayes(resp.reshape(*log_weights.shape, -1))
        if own < len(here):
            row += coefficients[0, own:] @ here[own:]
        if block.weights is None:
            total += row.sum(axis=-1)
        else:
            weights = np.asarray(block.weights[part], dtype=np.float64)
            total += np.sum(row[..., weights > 0] * weights[weights > 0], axis=-1)
        if out_rows is not None:
            out_rows[part] = row
        if out_resp is not None:
            out_resp[part] = resp.T
        if not (rows or responsibilities):
            if block.weights is not None:
                resp *= weights
            _add_products(sums, resp, here, own)
    total = total if total.ndim else total[()]
    if rows or responsibilities:
        return Pass(total, rows=out_rows, responsibilities=out_resp)
    stats = features.moments(expansion.params, sums, with_second)
    return Pass(total, stats.counts, stats)


def _add_products(sums: np.ndarray, resp: np.ndarray, here: np.ndarray, own: int) -> None:
    """Responsibilities (K, n) times features; those beyond ``own`` times the rows' weights, into the first row."""
    wanted = sums.shape[1]
    if wanted <= own:
        sums += resp @ here[:wanted].T
    else:
        sums[:, :own] += resp @ here[:own].T
        sums[0, own:] += here[own:] @ resp.sum(axis=0)


def _bayes(joint: np.ndarray) -> np.ndarray:
    """Log joint densities (..., K, n) turned into responsibilities, in place; returns log sums, (..., n)."""
    peak = joint.max(axis=-2)
    joint -= peak[..., None, :]
    np.exp(joint, out=joint)
    if joint.min() < _LEAST:  # subnormal numbers are slow
        joint[joint < _LEAST] = 0.0
    total = joint.sum(axis=-2)
    joint /= total[..., None, :]
    np.log(total, out=total)
    total += peak
    return np.asarray(total)


def product_log_prob(expansion: Expansion, out: np.ndarray | None = None) -> np.ndarray:
    """Log densities of all rows under all components, (n, K); in ``out`` if that is given."""
    table, coefficients, own = expansion.features.table, expansion.coefficients, expansion.own
    k = len(coefficients)
    out = np.empty((table.shape[1], k)) if out is None else out
    for part in expansion.features.slices(k):
        here = table[:, part]
        np.matmul(here[:own].T, coefficients[:, :own].T, out=out[part])
        if own < len(table):
            out[part] += (coefficients[0, own:] @ here[own:])[:, None]
    return out


def product_stats(expansion: Expansion, resp: np.ndarray, with_second: bool) -> GaussianStats:
    """Moments of rows with given responsibilities (n, K)."""
    features, sums = expansion.features, expansion.no_sums(with_second)
    for part in features.slices(len(sums)):
        _add_products(sums, np.asarray(resp[part], dtype=np.float64).T, features.table[:, part], expansion.own)
    return features.moments(expansion.params, sums, with_second)
