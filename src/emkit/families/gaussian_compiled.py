"""Calls the compiled pass of a Gaussian mixture: arrays in the width of the data in, GaussianStats out."""

from typing import TYPE_CHECKING

import numpy as np

from emkit.core.block import Block
from emkit.core.model import Pass
from emkit.kernels.gaussian import DIAG, FULL, SPHERICAL, TIED, mixture_pass

if TYPE_CHECKING:
    from emkit.families.gaussian import GaussianParams, GaussianStats


def compiled_pass(
    params: "GaussianParams",
    log_weights: np.ndarray,
    block: Block,
    with_second: bool,
    *,
    rows: bool = False,
    responsibilities: bool = False,
) -> "Pass[GaussianStats]":
    """The twin of ``emkit.core.model.sliced_pass`` for Gaussians without missing cells."""
    from emkit.families.gaussian import GaussianStats

    x = np.ascontiguousarray(block.x)
    width = x.dtype
    n = x.shape[0]
    k, d = params.means.shape
    whitener = params.whitener
    form = params.covariances.shape
    weights = np.empty(0, width) if block.weights is None else np.ascontiguousarray(block.weights, dtype=width)
    log_norm = (log_weights + whitener.log_norm).astype(width)
    if width == np.float32:
        means, tails = params.float32
    else:
        means, tails = np.ascontiguousarray(params.means), np.empty((k, 0))
    scales, matrices = np.empty((k, 0), width), np.empty((0, 0, 0), width)
    if whitener.matrices is not None and d > 1:
        kind = FULL if form[0] == k else TIED
        matrices = np.ascontiguousarray(whitener.matrices, dtype=width)
    else:
        flat = whitener.scales if whitener.scales is not None else whitener.matrices[:, :, 0]  # type: ignore[index]
        kind = SPHERICAL if flat.shape[1] == 1 else DIAG
        scales = np.ascontiguousarray(np.broadcast_to(flat, (k, flat.shape[1])), dtype=width)
    counts, first = np.zeros(k), np.zeros((k, d))
    second_diag, second_full = np.zeros(scales.shape), np.zeros(matrices.shape)
    row_values = np.empty(n if rows else 0)
    # A size-0 array of responsibilities asks for statistics; `rows` alone needs neither, but takes the cheaper road of the two.
    resp = np.empty((n if responsibilities or rows else 0, k), width)
    log_likelihood = mixture_pass(
        kind, x, weights, log_norm, means, tails, scales, matrices, with_second,
        counts, first, second_diag, second_full, row_values, resp,
    )  # fmt: skip
    if responsibilities or rows:
        if block.weights is not None and responsibilities:
            # The kernel multiplies row weights in; a posterior has none.
            with np.errstate(invalid="ignore", divide="ignore"):
                resp = resp / resp.sum(axis=1, keepdims=True)
        return Pass(log_likelihood, rows=row_values if rows else None, responsibilities=resp if responsibilities else None)
    second: np.ndarray | None = None
    if with_second:
        if kind < TIED:
            second = second_diag.reshape(k, 1, 1) if len(form) == 3 else second_diag
            if len(form) == 3 and form[0] == 1:
                second = second.sum(axis=0, keepdims=True)
        else:
            lower = np.tril(second_full)
            second = lower + np.swapaxes(np.tril(second_full, -1), 1, 2)
    return Pass(log_likelihood, counts, GaussianStats(counts, first, second, params.means))
