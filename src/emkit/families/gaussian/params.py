"""A Gaussian family's parameters and its moments: what the NumPy code, the compiled code and the missing-cell code share."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from emkit.core.records import Params, Stats
from emkit.families.gaussian.shapes import Whitener, whiten


@dataclass(frozen=True)
class GaussianParams(Params):
    """K normal distributions over d columns.

    ``covariances`` is kept in a form whose shape tells its type: (K, 1) spherical, (K, d) diag, (1, 1) tied-spherical,
    (1, d) tied-diag, (K, d, d) full, (1, d, d) tied; two-dimensional ones hold variances. ``means`` is (K, d).
    """

    means: np.ndarray
    covariances: np.ndarray

    @cached_property
    def whitener(self) -> Whitener:
        """What turns a centred row into independent standard normals; computed once for each hypothesis."""
        return whiten(self.covariances, self.means.shape[1])

    @cached_property
    def float32(self) -> tuple[np.ndarray, np.ndarray]:
        """Means in two float32 parts whose sum is the float64 mean to 48 bits, each (K, d)."""
        head = self.means.astype(np.float32)
        return head, (self.means - head).astype(np.float32)


@dataclass(frozen=True)
class GaussianStats(Stats):
    """Weighted moments about a pivot: each component's mean at the time.

    ``counts`` (K,); ``first`` (K, d) = sum r (x - pivot); ``second`` = sum r (x - pivot)(x - pivot)^T: (K, d, d), summed over k to
    (1, d, d) when tied; diagonals only (K, d); their sum (K, 1) when spherical; None where covariances are fixed.
    """

    counts: np.ndarray
    first: np.ndarray
    second: np.ndarray | None
    pivot: np.ndarray = field(metadata={"additive": False})

    def aligned(self, to: "GaussianStats") -> "GaussianStats":
        """About the pivot of ``to``."""
        return self if self.pivot is to.pivot or np.array_equal(self.pivot, to.pivot) else self.about(to.pivot)

    def about(self, pivot: np.ndarray) -> "GaussianStats":
        """The same moments about another pivot."""
        if pivot is self.pivot:
            return self
        shift = self.pivot - pivot
        first = self.first + self.counts[:, None] * shift
        if self.second is None:
            return GaussianStats(self.counts, first, None, pivot)
        # first shift' + shift first' + counts shift shift', as half of it and its transpose
        half = products(self.first + 0.5 * self.counts[:, None] * shift, shift, self.second.shape)
        other = np.swapaxes(half, 1, 2) if half.ndim == 3 else half
        return GaussianStats(self.counts, first, self.second + (half + other), pivot)


def products(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """a_k b_k^T for each k, reduced to the form of second moments that ``shape`` has. a, b: (K, d)."""
    if len(shape) == 2:
        out = a * b
        return out if shape[1] == out.shape[1] else out.sum(axis=1, keepdims=True)
    outer = a[:, :, None] * b[:, None, :]
    return outer if shape[0] == len(a) else outer.sum(axis=0, keepdims=True)


def moments_of_columns(
    params: GaussianParams, counts: np.ndarray, mass: np.ndarray, first: np.ndarray, second: np.ndarray, with_second: bool
) -> GaussianStats:
    """Stats of uncorrelated columns from sums over observed cells, (K, d) each: expected rows, of x - mean and of its square."""
    form, (k, d) = params.covariances.shape, params.means.shape
    if not with_second:
        return GaussianStats(counts, first, None, params.means)
    whole = second + (counts[:, None] - mass) * params.covariances.reshape(form[0], -1)
    if len(form) == 3:
        whole = whole.reshape(k, d, 1)
        whole = whole.sum(axis=0, keepdims=True) if form[0] == 1 else whole
    elif form[1] == 1:
        whole = whole.sum(axis=1, keepdims=True)
    return GaussianStats(counts, first, whole, params.means)
