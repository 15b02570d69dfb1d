"""Gaussian E-steps on small data as two matrix products, over the features 1, x, x_i x_j of each row, taken about a pivot.

A log density is linear in the features, and so are the moments: with the features of a block at hand, an E-step is the product of coefficients and
features, Bayes' rule, and the product of responsibilities and features. They are made once for a block and kept as long as it.

Two numbers that nearly cancel lose digits, so this is done only while no component is narrow beside its distance from the pivot, the
columns' means: see ``Features.last``. The other passes take differences from each component's own mean and lose nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from emkit.core.bayes import Pass
from emkit.core.block import Block
from emkit.families.gaussian.params import GaussianParams, GaussianStats

_MOST = 2**21  # numbers kept for all the blocks of a source: 16 MB
# The largest square of a distance from the pivot in standard deviations: a row's log density then has an error of 1e-11, and a sum of them
# one that is small beside what ``Problem.rounding`` allows for.
_FAR = 1e5
_PRODUCT = 2**18  # multiplications of one product: BLAS does not split smaller ones among threads, and a slice stays in cache
_LEAST = float(np.exp(-300.0))  # smaller responsibilities are zero, as in ``emkit.core.bayes.posterior``


@dataclass(frozen=True)
class Features:
    """The features of n rows, feature by feature, (1 + d + squares, n): ones, x - pivot, and squares or products of these.

    ``squares``: d (d + 1) / 2 products where covariances are matrices, the lower triangle row by row; d squares for variances; their sum for a
    single variance. ``usable`` is False where a cell is missing, or too large to square.
    """

    table: np.ndarray
    pivot: np.ndarray
    usable: bool

    @classmethod
    def of(cls, params: GaussianParams, block: Block) -> Self | None:
        """Those of a block's rows, made when they are first asked for; None where they would take too much memory, or digits would not last."""
        d, form = params.means.shape[1], params.covariances.shape
        matrix, pooled = len(form) == 3, form[-1] == 1
        if (1 + d + squares(params)) * max(block.n, block.source_rows) > _MOST or block.missing or not isinstance(block.x, np.ndarray):
            return None
        key = f"gaussian features {matrix} {pooled}"
        found: Self | None = block.kept.get(key)
        if found is None:
            found = block.kept[key] = cls.made(block.x, matrix, pooled)
        return found if found.last(params) else None

    @classmethod
    def made(cls, x: np.ndarray, matrix: bool, pooled: bool) -> Self:
        """From rows (n, d)."""
        n, d = x.shape
        i, j = np.tril_indices(d) if matrix else (np.arange(d), np.arange(d))
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

    def last(self, params: GaussianParams) -> bool:
        """Whether the digits last: no component is farther from the pivot, in its own standard deviations, than the root of ``_FAR``.

        What correlated columns cancel counts too: distances are added up as if all went the same way. Rows far away do not: what they lose is small
        beside their own log density.
        """
        if not self.usable:
            return False
        off, whitener = np.abs(params.means - self.pivot), params.whitener
        if whitener.scales is not None:
            reach = off * whitener.scales
        else:
            sd = np.sqrt(np.diagonal(params.covariances, axis1=1, axis2=2))
            reach = np.matmul(np.abs(whitener.matrices), (off + sd)[:, :, None])[:, :, 0]  # type: ignore[arg-type]
        return float(np.max(np.sum(reach * reach, axis=1))) <= _FAR

    def coefficients(self, params: GaussianParams, log_weights: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Of the features in each component's log density plus log weight: of 1 and x (K, 1 + d), and of the squares (K or 1, squares)."""
        k, d = params.means.shape
        whitener, off = params.whitener, params.means - self.pivot
        precision = whitener.precisions()
        if precision.ndim == 3:
            pull = np.matmul(precision, off[:, :, None])[:, :, 0]
            i, j = np.tril_indices(d)
            quadratic = precision[:, i, j]
            quadratic[:, i == j] *= 0.5
            quadratic = -quadratic
        else:
            pull = precision * off
            quadratic = np.broadcast_to(-0.5 * precision, (k, precision.shape[1]))
        linear = np.empty((k, 1 + d))
        linear[:, 0] = whitener.log_norm + log_weights - 0.5 * np.sum(off * pull, axis=1)
        linear[:, 1:] = pull
        return linear, quadratic

    def moments(self, params: GaussianParams, sums: np.ndarray, with_second: bool) -> GaussianStats:
        """Statistics about the means from responsibilities times features, (K, 1 + d + squares); squares of all components in the first row if tied."""
        k, d = params.means.shape
        off = params.means - self.pivot
        counts, about_pivot = sums[:, 0], sums[:, 1 : 1 + d]
        first = about_pivot - counts[:, None] * off
        if not with_second:
            return GaussianStats(counts, first, None, params.means)
        second, form = sums[:, 1 + d :], params.covariances.shape
        if len(form) == 2:
            cross = (about_pivot + first) * off
            second = second - (cross if form[1] == d else cross.sum(axis=1, keepdims=True))
            return GaussianStats(counts, first, second, params.means)
        i, j = np.tril_indices(d)
        cross = about_pivot[:, i] * off[:, j] + off[:, i] * first[:, j]
        second = second - cross if form[0] == k else second[:1] - cross.sum(axis=0)
        out = np.empty(form)
        out[:, i, j] = second
        out[:, j, i] = second
        return GaussianStats(counts, first, out, params.means)

    def slices(self, k: int) -> Iterator[slice]:
        """Rows in slices: a function of their number, that of features and that of components."""
        width, n = self.table.shape
        rows = max(512, _PRODUCT // (k * width))
        return (slice(begin, min(begin + rows, n)) for begin in range(0, n, rows))


def squares(params: GaussianParams) -> int:
    """How many features of second order there are."""
    form = params.covariances.shape
    return form[1] * (form[1] + 1) // 2 if len(form) == 3 else form[1]


def product_pass(
    features: Features,
    params: GaussianParams,
    log_weights: np.ndarray,
    block: Block,
    with_second: bool,
    *,
    rows: bool = False,
    responsibilities: bool = False,
) -> Pass:
    """The twin of ``emkit.core.bayes.sliced_pass``, without labels."""
    k, table = len(log_weights), features.table
    linear, quadratic = features.coefficients(params, log_weights)
    tied = len(quadratic) < k
    whole = linear if tied else np.hstack([linear, quadratic])
    n, width = block.n, whole.shape[1]
    sums, total = np.zeros((k, len(table) if with_second else linear.shape[1])), 0.0
    out_rows, out_resp = np.empty(n) if rows else None, np.empty((n, k)) if responsibilities else None
    for part in features.slices(k):
        here = table[:, part]
        resp = whole @ here[:width]
        row = _bayes(resp)
        if tied:
            row += quadratic[0] @ here[width:]
        weights = None if block.weights is None else np.asarray(block.weights[part], dtype=np.float64)
        total += float(row.sum() if weights is None else np.sum(row[weights > 0] * weights[weights > 0]))
        if out_rows is not None:
            out_rows[part] = row
        if out_resp is not None:
            out_resp[part] = resp.T
        if not (rows or responsibilities):
            if weights is not None:
                resp *= weights
            _add_products(sums, resp, here, width)
    if rows or responsibilities:
        return Pass(total, rows=out_rows, responsibilities=out_resp)
    stats = features.moments(params, sums, with_second)
    return Pass(total, stats.counts, stats)


def _add_products(sums: np.ndarray, resp: np.ndarray, here: np.ndarray, width: int) -> None:
    """Responsibilities (K, n) times features; where covariances are tied, those beyond ``width`` times the rows' weights, into the first row."""
    wanted = sums.shape[1]
    sums[:, :width] += resp @ here[: min(width, wanted)].T
    if wanted > width:
        sums[0, width:] += here[width:] @ resp.sum(axis=0)


def _bayes(joint: np.ndarray) -> np.ndarray:
    """Log joint densities (K, n) turned into responsibilities, in place; returns log sums, (n,)."""
    peak = joint.max(axis=0)
    joint -= peak
    np.exp(joint, out=joint)
    if joint.min() < _LEAST:  # subnormal numbers are slow
        joint[joint < _LEAST] = 0.0
    total = joint.sum(axis=0)
    joint /= total
    np.log(total, out=total)
    total += peak
    return np.asarray(total)


def product_log_prob(features: Features, params: GaussianParams, out: np.ndarray | None = None) -> np.ndarray:
    """Log densities of all rows under all components, (n, K); in ``out`` if that is given."""
    table, (linear, quadratic) = features.table, features.coefficients(params)
    k, d = params.means.shape
    out = np.empty((table.shape[1], k)) if out is None else out
    for part in features.slices(k):
        here = table[:, part]
        if len(quadratic) < k:
            out[part] = here[: 1 + d].T @ linear.T + (quadratic[0] @ here[1 + d :])[:, None]
        else:
            out[part] = here.T @ np.hstack([linear, quadratic]).T
    return out


def product_stats(features: Features, params: GaussianParams, resp: np.ndarray, with_second: bool) -> GaussianStats:
    """Moments of rows with given responsibilities (n, K)."""
    k, d = params.means.shape
    form = params.covariances.shape
    tied = len(form) == 3 and form[0] < k
    width = 1 + d if tied or not with_second else len(features.table)
    sums = np.zeros((k, len(features.table) if with_second else width))
    for part in features.slices(k):
        _add_products(sums, np.asarray(resp[part], dtype=np.float64).T, features.table[:, part], width)
    return features.moments(params, sums, with_second)
