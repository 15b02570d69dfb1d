"""Forward-backward in NumPy for few long sequences: products of matrices in a tree, not one step after another.

The forward vectors of all sequences, laid end to end, are v <- (v A) * b, and begin anew with the start distribution at each first step. The
backward ones, times the emissions, are the same from the other end, with A transposed. So both are made at once, in chunks of a few steps: the
product of each chunk's matrices, all chunks side by side; products of the first 1, 2, 3, ... chunks by doubling (Hillis and Steele 1986, Comm. ACM
29, 1170-1183); then the vectors inside of all chunks side by side. Every number is a sum of positive terms, so nothing cancels.
"""

from dataclasses import dataclass

import numpy as np

from emkit.models.hmm.recursions import CLIP, LOST, Counts, expected_transitions, reachable
from emkit.models.hmm.steps import first_rows

# A product whose largest entry is smaller, beside those of its factors, has lost what it was made of: the step-by-step recursions do it then.
_SMALL, _LARGE = 1e-150, 1e90


def forward_backward_scan(
    log_b: np.ndarray,
    lengths: np.ndarray,
    weights: np.ndarray,
    startprob: np.ndarray,
    transmat: np.ndarray,
    endprob: np.ndarray | None,
) -> Counts | None:
    """The twin of ``recursions.forward_backward``; None, and ``log_b`` as it was, where numbers differ too much for it."""
    n, k = log_b.shape
    firsts = first_rows(lengths)
    lasts = firsts + lengths - 1
    can_be_in = reachable(startprob, transmat)
    edge = can_be_in * (np.ones(k) if endprob is None else endprob)
    peak = log_b.max(axis=1)
    if not np.isfinite(peak).all():
        return None
    b = log_b - peak[:, None]
    least = float(b.min())
    if least < CLIP:
        b = np.where(b > CLIP, np.exp(np.maximum(b, CLIP)), 0.0)
    else:
        np.exp(b, out=b)
    chain = _Chain(np.stack([transmat, (transmat * can_be_in[:, None]).T]), np.stack([startprob, edge]), (firsts, n - 1 - lasts[::-1]))
    found = chain.vectors(b, least)
    if found is None:
        return None
    alpha, w = found[0], found[1][::-1]
    alpha = np.where(alpha > LOST, alpha, 0.0)
    reached = np.empty_like(alpha)
    reached[1:] = alpha[:-1] @ transmat
    reached[firsts] = startprob
    scale = np.einsum("nk,nk->n", reached, b)
    beta = np.empty_like(alpha)
    beta[:-1] = w[1:] @ chain.matrices[1]
    beta[lasts] = edge
    meet = np.einsum("nk,nk->n", alpha, beta)
    ending = np.ones(len(lengths)) if endprob is None else alpha[lasts] @ endprob
    smallest = min(float(scale.min()), float(ending.min()))
    if not (smallest > _SMALL and float(meet.min()) > _SMALL):
        return None
    beta /= meet[:, None]
    if not float(beta.max()) < _LARGE * smallest:
        return None
    logs = np.log(scale)
    logs += peak
    totals = np.add.reduceat(logs, firsts) + np.log(ending)
    onward = np.repeat(weights, lengths) / meet
    onward[lasts] = 0.0
    pairs = (alpha[:-1] * onward[:-1, None]).T @ w[1:]
    np.multiply(alpha, beta, out=log_b)
    log_b *= np.repeat(weights, lengths)[:, None]
    return Counts(log_b[firsts].sum(axis=0), expected_transitions(transmat, pairs), log_b[lasts].sum(axis=0), totals)


@dataclass(frozen=True)
class _Chain:
    """Two recursions v <- (v matrix) * b, forward and from the other end: matrices (2, K, K), what they begin with (2, K), and at which rows."""

    matrices: np.ndarray
    begin: np.ndarray
    anew: tuple[np.ndarray, np.ndarray]

    def vectors(self, b: np.ndarray, least: float) -> np.ndarray | None:
        """All vectors, (2, n, K), each adding up to 1, those of the second recursion from its own beginning; None if too much is lost.

        ``b`` (n, K): emissions, of which the largest of each row is 1; ``least``: the logarithm of the smallest.
        """
        n, k = b.shape
        size = 4 if n < 400 else 8 if n < 4000 else 16
        count = -(-n // size)
        every = max(1, min(size, int(-200.0 / least))) if least < 0 else size
        steps = np.ones((2, count * size, k))
        steps[0, :n], steps[1, :n] = b, b[::-1]
        steps = steps.reshape(2, count, size, k)
        where = [self._rows(size, s) for s in range(size)]
        products = self._products(steps, where, every)
        before = None if products is None else _prefixes(products)
        if before is None:
            return None
        out = np.empty((2, count, size, k))
        now = before
        for s in range(size):
            now = np.matmul(now, self.matrices)
            self._begin(now, where[s])
            now *= steps[:, :, s]
            if (s + 1) % every == 0:
                now /= np.maximum(now.sum(axis=2, keepdims=True), 1e-300)
            out[:, :, s] = now
        found = out.reshape(2, count * size, k)[:, :n]
        total = found.sum(axis=2, keepdims=True)
        if not float(total.min()) > _SMALL:
            return None
        found /= total
        return found

    def _rows(self, size: int, s: int) -> tuple[np.ndarray, np.ndarray]:
        """The chunks in which a sequence begins at step ``s``, for both recursions."""
        return tuple(rows[rows % size == s] // size for rows in self.anew)  # type: ignore[return-value]

    def _begin(self, vectors: np.ndarray, where: tuple[np.ndarray, np.ndarray]) -> None:
        """Begin anew: vectors (2, chunks, K) or matrices (2, chunks, K, K), which then forget what was before."""
        for direction in (0, 1):
            if len(where[direction]):
                vectors[direction, where[direction]] = self.begin[direction]

    def _products(self, steps: np.ndarray, where: list[tuple[np.ndarray, np.ndarray]], every: int) -> np.ndarray | None:
        """Each chunk's product of matrices, (2, chunks, K, K), the largest entry 1; None if too much is lost."""
        _, count, size, k = steps.shape
        out = np.broadcast_to(self.matrices[:, None], (2, count, k, k)).copy()
        least = 1.0
        for s in range(size):
            if s > 0:
                out = np.matmul(out.reshape(2, count * k, k), self.matrices).reshape(2, count, k, k)
            self._begin(out, where[s])
            out *= steps[:, :, s, None, :]
            if (s + 1) % every == 0 or s == size - 1:
                most = out.max(axis=(2, 3), keepdims=True)
                least = min(least, float(most.min()))
                if not least > _SMALL:
                    return None
                out /= most
        return out


def _prefixes(products: np.ndarray) -> np.ndarray | None:
    """For each chunk the vector it begins with, (2, chunks, K): a row of the product of all chunks before. None if too much is lost."""
    _, count, k, _ = products.shape
    x = np.ascontiguousarray(np.moveaxis(products, (2, 3), (0, 1)))  # (K, K, 2, chunks)
    off = 1
    while off < count - 1:
        new = (x[:, :, None, :, :-off] * x[None, :, :, :, off:]).sum(axis=1)
        most = new.max(axis=(0, 1))
        if not float(most.min()) > _SMALL:
            return None
        new /= most
        x = np.concatenate([x[..., :off], new], axis=3)
        off *= 2
    before = np.ones((2, count, k))
    before[:, 1:] = np.moveaxis(x[0, :, :, :-1], 0, 2)  # every product begins with a start: its rows are all the same
    return before
