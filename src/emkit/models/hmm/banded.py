"""Forward-backward in NumPy for few long sequences, as a triangular system of equations and its transpose.

The forward vectors of all sequences, one below the other, solve (I - L) x = e: L leads from each step to the next, its blocks are
transposed transition matrices times emissions, and e holds the start distribution at each first step. The backward vectors solve
the transposed system (the adjoint of a linear recursion, as in Griewank and Walther 2008, Evaluating Derivatives, section 3.2).
The matrix is triangular and has 2 K bands, and BLAS has a routine for that: it takes one step after another, as one would by hand,
in compiled code that is loaded anyway. Every number is a sum of positive terms, so nothing cancels.

Nothing is rescaled on the way, so long sequences are cut into stretches, each of which begins with a vector that adds up to 1.
Several hypotheses are so many systems one below the other: one call solves them all.
"""

import math

import numpy as np

from emkit.models.hmm.recursions import CLIP, Counts, reachable
from emkit.models.hmm.steps import first_rows

_SMALL, _LARGE = 1e-250, 1e250  # what a step's vector may add up to, unscaled
_LOST = 1e-9  # posteriors that miss 1 by more have lost something on the way
_FEW = 8  # states up to which work is done state by state: NumPy is slow where the last axis is short


def forward_backward_banded(
    log_b: np.ndarray,
    lengths: np.ndarray,
    weights: np.ndarray,
    startprob: np.ndarray,
    transmat: np.ndarray,
    endprob: np.ndarray | None,
) -> Counts | None:
    """The twin of ``recursions.forward_backward``; None, and ``log_b`` as it was, where numbers differ too much for it."""
    can_be_in = reachable(startprob, transmat)
    if not can_be_in.all():  # from a state that cannot be reached nothing needs to be known
        transmat, endprob = transmat * can_be_in[:, None], can_be_in * (1.0 if endprob is None else endprob)
    edge = np.ones(len(startprob)) if endprob is None else endprob
    found = forward_backward_together(log_b[None], lengths, weights, startprob[None], transmat[None], edge[None])
    return None if found is None else Counts(*(array[0] for array in found))


def forward_backward_together(
    log_b: np.ndarray, lengths: np.ndarray, weights: np.ndarray, startprob: np.ndarray, transmat: np.ndarray, edge: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Several hypotheses: overwrites ``log_b`` (H, n, K) with posteriors times weights.

    Parameters
    ----------
    lengths, weights : arrays of shape (S,)
    startprob, transmat, edge : arrays of shape (H, K), (H, K, K), (H, K)
        ``edge``: end probabilities, or ones.

    Returns
    -------
    Expected starts (H, K), transitions (H, K, K) and ends (H, K), and log-likelihoods (H, S); None, and ``log_b`` as it was, where
    numbers differ too much.
    """
    peak = _largest(log_b)
    if not np.isfinite(peak).all():
        return None
    b = log_b - peak[:, :, None]
    if float(b.min()) < CLIP:
        b[b < CLIP] = -np.inf
    np.exp(b, out=b)
    k, firsts = log_b.shape[2], first_rows(lengths)
    # Evidence that says nothing shrinks a vector K times at a step, the best evidence not at all: so it stays at about its size.
    lasts, growth = firsts + lengths - 1, math.sqrt(k)
    begin = startprob[:, None] * b[:, firsts]
    b[:, firsts] = 0.0  # nothing leads to a first step
    for steps in (int(900.0 / math.log(k + 1.0)), int(150.0 / math.log(k + 1.0)), 16):
        system = _System(b, transmat * growth, steps)
        with np.errstate(all="ignore"):
            solved = system.solved(firsts, lasts, weights, begin, edge)
        if solved is not None:
            break
    else:
        return None
    gamma, pairs, log_likelihoods = solved
    log_b[:] = gamma
    log_likelihoods += np.add.reduceat(peak, firsts, axis=1) - math.log(growth) * (lengths - 1)
    return gamma[:, firsts].sum(axis=1), system.matrix * pairs, gamma[:, lasts].sum(axis=1), log_likelihoods


class _System:
    """Emissions (H, n, K), zero at first steps, and transitions (H, K, K), in stretches of about so many steps.

    Arrays in stretches are (stretches, H, steps, K), the last one filled up with zeros.
    """

    def __init__(self, emissions: np.ndarray, matrix: np.ndarray, about: int):
        self.emissions, self.matrix = emissions, matrix
        self.n = emissions.shape[1]
        self.stretches = -(-self.n // about)
        self.steps = -(-self.n // self.stretches)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """An array (H, n, K) in stretches."""
        if self.stretches == 1:
            return values[None]
        h, _, k = values.shape
        whole = np.zeros((h, self.stretches * self.steps, k))
        whole[:, : self.n] = values
        return np.ascontiguousarray(whole.reshape(h, self.stretches, self.steps, k).swapaxes(0, 1))

    def joined(self, pieces: np.ndarray) -> np.ndarray:
        """Inverse of ``cut``."""
        _, h, _, k = pieces.shape
        return pieces.swapaxes(0, 1).reshape(h, -1, k)[:, : self.n]

    def bands(self, b: np.ndarray) -> np.ndarray:
        """The triangle I - L of each stretch as BLAS has it, (stretches, H steps K, 2 K): columns, from the diagonal on."""
        stretches, h, steps, k = b.shape
        out = np.zeros((stretches, h * steps * k, 2 * k))
        # From state i at one step to state j at the next: K + j - i below the diagonal, in column i of the step.
        step = 16 * k * k
        strides = (h * steps * step, steps * step, step, 16 * k - 8, 8)
        blocks: np.ndarray = np.ndarray((stretches, h, steps - 1, k, k), np.float64, out, 8 * k, strides)
        matrix = -self.matrix
        if k > _FEW:
            np.multiply(matrix[:, None], b[:, :, 1:, None, :], out=blocks)
            return out
        for i, j in np.ndindex(k, k):
            np.multiply(matrix[:, i, j, None], b[:, :, 1:, j], out=blocks[..., i, j])
        return out

    def solved(
        self, firsts: np.ndarray, lasts: np.ndarray, weights: np.ndarray, begin: np.ndarray, edge: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Posteriors times weights (H, n, K), what times the matrix is expected transitions (H, K, K), and log-likelihoods (H, S).

        ``begin`` (H, S, K): the vectors of first steps. None if too much is lost.
        """
        b = self.cut(self.emissions)
        bands = self.bands(b)
        at, to = divmod(firsts, self.steps), divmod(lasts, self.steps)
        right = np.zeros_like(b)
        right[at[0], :, at[1]] = begin.swapaxes(0, 1)
        x, sums = self._forward(bands, b, right)
        ending = (x[to[0], :, to[1]] * edge).sum(axis=2)  # (S, H)
        right[:] = 0.0
        right[to[0], :, to[1]] = edge * (weights[:, None] / ending)[:, :, None]
        y = self._backward(bands, b, right, sums)
        ones = np.ones(b.shape[3])
        gamma, totals = self.joined(x * y), self.joined((x @ ones)[..., None])
        wanted = weights[0] if len(weights) == 1 else np.repeat(weights, lasts - firsts + 1)
        lost = float((np.abs(gamma @ ones - wanted) - _LOST * wanted).max())
        if not (lost <= 0.0 and float(totals.min()) > _SMALL and float(totals.max()) < _LARGE):
            return None
        logs = np.cumsum(np.log(sums), axis=0)
        log_likelihoods = np.log(ending) + logs[to[0]] - logs[at[0]]
        y *= b
        pairs = np.matmul(x[:, :, :-1].swapaxes(2, 3), y[:, :, 1:]).sum(axis=0)
        if self.stretches > 1:
            pairs += np.einsum("chi,chj->hij", x[:-1, :, -1] / sums[1:, :, None], y[1:, :, 0])
        return gamma, pairs, log_likelihoods.T

    def _forward(self, bands: np.ndarray, b: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forward vectors, and what the last one before each stretch adds up to, by which it is divided, (stretches, H)."""
        from scipy.linalg.blas import dtbsv

        x, sums = np.empty_like(b), np.ones(b.shape[:2])
        for c in range(self.stretches):
            if c > 0:
                last = x[c - 1, :, -1]
                sums[c] = last.sum(axis=1)
                right[c, :, 0] += np.matmul((last / sums[c][:, None])[:, None], self.matrix)[:, 0] * b[c, :, 0]
            x[c] = dtbsv(bands.shape[2] - 1, bands[c].T, right[c].ravel(), lower=1, diag=1).reshape(x[c].shape)
        return x, sums

    def _backward(self, bands: np.ndarray, b: np.ndarray, right: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Backward vectors, in the units that make their products with forward vectors the same at every step."""
        from scipy.linalg.blas import dtbsv

        y = np.empty_like(b)
        for c in range(self.stretches - 1, -1, -1):
            if c < self.stretches - 1:
                onward = (b[c + 1, :, 0] * y[c + 1, :, 0]) / sums[c + 1][:, None]
                right[c, :, -1] += np.matmul(self.matrix, onward[:, :, None])[:, :, 0]
            y[c] = dtbsv(bands.shape[2] - 1, bands[c].T, right[c].ravel(), lower=1, trans=1, diag=1).reshape(y[c].shape)
        return y


def _largest(log_b: np.ndarray) -> np.ndarray:
    """Maxima over the last axis."""
    k = log_b.shape[-1]
    if k > _FEW:
        return np.asarray(log_b.max(axis=-1))
    out = log_b[..., 0].copy()
    for j in range(1, k):
        np.maximum(out, log_b[..., j], out=out)
    return out
