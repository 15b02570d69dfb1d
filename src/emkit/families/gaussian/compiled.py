"""Calls the compiled kernels of Gaussians: arrays in the width of the data in, GaussianStats out. No missing cells."""

from functools import lru_cache
from typing import Any

import numpy as np

from emkit.core.bayes import Pass
from emkit.core.block import Block
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.rounding import joint_constants, norm_of_rounded
from emkit.kernels.gaussian import DIAG, FULL, SPHERICAL, TIED, log_prob_rows, mixture_pass, moment_rows


@lru_cache(maxsize=64)
def _lower(d: int) -> np.ndarray:
    """Which entries of a matrix are in its lower triangle; not to be written to."""
    return np.tri(d, dtype=bool)


class Arguments:
    """A hypothesis as the kernels take it: contiguous, in the width of the data; and room for the moments."""

    def __init__(self, params: GaussianParams, width: Any):
        k, d = params.means.shape
        self.params = params
        self.form = params.covariances.shape
        whitener = params.whitener
        if width == np.float32:
            self.means, self.tails = params.float32
        else:
            self.means, self.tails = np.ascontiguousarray(params.means), np.empty((k, 0))
        self.scales, self.matrices = np.empty((k, 0), width), np.empty((0, 0, 0), width)
        if whitener.matrices is not None and d > 1:
            self.kind = FULL if self.form[0] == k else TIED
            self.matrices = np.ascontiguousarray(whitener.matrices, dtype=width)
        else:
            flat = whitener.scales if whitener.scales is not None else whitener.matrices[:, :, 0]  # type: ignore[index]
            self.kind = SPHERICAL if flat.shape[1] == 1 else DIAG
            self.scales = np.ascontiguousarray(np.broadcast_to(flat, (k, flat.shape[1])), dtype=width)
        self.log_norm = np.broadcast_to(whitener.log_norm, (k,))
        if width == np.float32:
            sharp: Any = flat if self.kind < TIED else whitener.matrices
            self.log_norm = norm_of_rounded(self.log_norm, sharp, d if self.kind == SPHERICAL else 1)
        self.counts, self.first = np.zeros(k), np.zeros((k, d))
        self.second_diag, self.second_full = np.zeros(self.scales.shape), np.zeros(self.matrices.shape)

    def stats(self, with_second: bool) -> GaussianStats:
        """What the kernels have added up."""
        second: np.ndarray | None = None
        if with_second and self.kind >= TIED:
            second = np.where(_lower(self.second_full.shape[-1]), self.second_full, np.swapaxes(self.second_full, 1, 2))
        elif with_second:
            second = self.second_diag
            if len(self.form) == 3:  # one column: the kernel knows variances only
                second = second.reshape(-1, 1, 1)
                second = second if self.form[0] > 1 else second.sum(axis=0, keepdims=True)
        return GaussianStats(self.counts, self.first, second, self.params.means)


def compiled_pass(
    params: GaussianParams,
    log_weights: np.ndarray,
    block: Block,
    with_second: bool,
    *,
    rows: bool = False,
    responsibilities: bool = False,
) -> Pass:
    """The twin of ``emkit.core.bayes.sliced_pass``."""
    x = np.ascontiguousarray(block.x)
    width, n = x.dtype, x.shape[0]
    with_rows = rows or responsibilities
    a = Arguments(params, width)
    # Where rows are asked for, the kernel runs unweighted: a posterior has no weight.
    weighted = block.weights is not None and not with_rows
    weights = np.ascontiguousarray(block.weights, dtype=width) if weighted else np.empty(0, width)
    row_values = np.empty(n if with_rows else 0)
    # Room for responsibilities tells the kernel not to accumulate statistics.
    resp = np.empty((n if with_rows else 0, len(a.means)), width)
    log_norm, base = joint_constants(log_weights, a.log_norm, width)
    total = mixture_pass(
        a.kind, x, weights, log_norm, a.means, a.tails, a.scales, a.matrices,
        with_second, a.counts, a.first, a.second_diag, a.second_full, row_values, resp,
    )  # fmt: skip
    if base != 0.0:
        total += base * (float(np.sum(weights, dtype=np.float64)) if weighted else n)
        row_values += base
    if not with_rows:
        return Pass(total, a.counts, a.stats(with_second))
    if block.weights is not None:
        used = np.asarray(block.weights) > 0
        total = float(np.dot(np.asarray(block.weights, dtype=np.float64)[used], row_values[used]))
    return Pass(total, rows=row_values if rows else None, responsibilities=resp if responsibilities else None)


def compiled_log_prob(params: GaussianParams, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Log densities of all rows under all components, (n, K) float64; in ``out`` if that is given."""
    x = np.ascontiguousarray(x)
    a = Arguments(params, x.dtype)
    out = np.empty((len(x), len(a.means))) if out is None else out
    log_prob_rows(a.kind, x, a.log_norm.astype(x.dtype), a.means, a.tails, a.scales, a.matrices, out)
    return out


def compiled_stats(params: GaussianParams, x: np.ndarray, resp: np.ndarray, with_second: bool) -> GaussianStats:
    """Moments of rows with given responsibilities (n, K)."""
    x = np.ascontiguousarray(x)
    a = Arguments(params, x.dtype)
    moment_rows(
        a.kind, x, np.ascontiguousarray(resp, dtype=np.float64), a.means, a.tails,
        with_second, a.counts, a.first, a.second_diag, a.second_full,
    )  # fmt: skip
    return a.stats(with_second)
