"""Forward-backward in NumPy for few long sequences: products of matrices in a tree, not one step after another.

The forward vectors of all sequences, laid end to end, are v <- (v A) * b, and begin anew with the start distribution at each first
step. The backward ones, times the emissions, are the same from the other end, with A transposed. So both are made at once, in
chunks of a few steps: the product of each chunk's matrices, all chunks side by side; products of the first 1, 2, 3, ... chunks by
doubling (Hillis and Steele 1986, Comm. ACM 29, 1170-1183); then the vectors inside of all chunks side by side. Every number is a
sum of positive terms, so nothing cancels.
"""

from dataclasses import dataclass

import numpy as np

from emkit.models.hmm.recursions import CLIP, LOST, Counts, expected_transitions, reachable
from emkit.models.hmm.steps import first_rows

# A product whose largest entry is smaller, beside those of its factors, has lost what it was made of: the step-by-step recursions
# do it then.
_SMALL, _LARGE = 1e-150, 1e90
_FEW = 5  # states up to which a product of small matrices is made number by number


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
    b = np.array(log_b.T, order="C")  # one state after another: long rows are what NumPy is fast at
    peak = b.max(axis=0)
    if not np.isfinite(peak).all():
        return None
    b -= peak
    least = float(b.min())
    b = np.exp(b) if least >= CLIP else np.where(b > CLIP, np.exp(np.maximum(b, CLIP)), 0.0)
    anew = firsts, n - 1 - lasts[::-1]
    chain = _Chain(np.stack([transmat.T, transmat * can_be_in[:, None]]), np.stack([startprob, edge]), anew)
    found = chain.vectors(b, least)
    if found is None:
        return None
    alpha, w = found[0], found[1, :, ::-1]
    alpha = np.where(alpha > LOST, alpha, 0.0)
    scale = (chain.one_step(0, alpha) * b).sum(axis=0)
    beta = chain.one_step(1, found[1])[:, ::-1]
    meet = (alpha * beta).sum(axis=0)
    ending = np.ones(len(lengths)) if endprob is None else endprob @ alpha[:, lasts]
    smallest = min(float(scale.min()), float(ending.min()))
    if not (smallest > _SMALL and float(meet.min()) > _SMALL):
        return None
    beta /= meet
    if not float(beta.max()) < _LARGE * smallest:
        return None
    logs = np.log(scale)
    logs += peak
    totals = np.add.reduceat(logs, firsts) + np.log(ending)
    row_weights = np.repeat(weights, lengths)
    onward = row_weights / meet
    onward[lasts] = 0.0
    pairs = (alpha[:, :-1] * onward[:-1]) @ w[:, 1:].T
    alpha *= beta
    alpha *= row_weights
    log_b[:] = alpha.T
    return Counts(alpha[:, firsts].sum(axis=1), expected_transitions(transmat, pairs), alpha[:, lasts].sum(axis=1), totals)


@dataclass(frozen=True)
class _Chain:
    """Two recursions v <- (matrix v) * b, forward and from the other end.

    ``matrices`` (2, K, K), what they begin with (2, K), and at which rows they begin anew.
    """

    matrices: np.ndarray
    begin: np.ndarray
    anew: tuple[np.ndarray, np.ndarray]

    def one_step(self, which: int, vectors: np.ndarray) -> np.ndarray:
        """Where one recursion comes to from each row's vector, before the next emission, (K, n): row t from row t - 1."""
        out = np.empty_like(vectors)
        np.matmul(self.matrices[which], vectors[:, :-1], out=out[:, 1:])
        out[:, self.anew[which]] = self.begin[which][:, None]
        return out

    def vectors(self, b: np.ndarray, least: float) -> np.ndarray | None:
        """All vectors, (2, K, n), each adding up to 1, those of the second recursion from its own beginning; None if too much is
        lost.

        ``b`` (K, n): emissions, of which the largest of each row is 1; ``least``: the logarithm of the smallest.
        """
        k, n = b.shape
        size = _size(n, k)
        count = -(-n // size)
        every = max(1, min(size, int(-200.0 / least))) if least < 0 else size
        steps = np.ones((2, k, count * size))
        steps[0, :, :n], steps[1, :, :n] = b, b[:, ::-1]
        steps = np.array(np.moveaxis(steps.reshape(2, k, count, size), 3, 0), order="C")  # (size, 2, K, chunks)
        where = self._where(size)
        products = self._products(steps, where, every)
        now = None if products is None else _prefixes(products)
        if now is None:
            return None
        out = np.empty_like(steps)
        for s in range(size):
            now = np.matmul(self.matrices, now)
            self._begin(now, where, s)
            now = np.multiply(now, steps[s], out=out[s])
            if (s + 1) % every == 0:
                now /= np.maximum(now.sum(axis=1, keepdims=True), 1e-300)
        found = np.moveaxis(out, 0, 3).reshape(2, k, count * size)[:, :, :n]
        total = found.sum(axis=1, keepdims=True)
        if not float(total.min()) > _SMALL:
            return None
        found /= total
        return found

    def _where(self, size: int) -> dict[int, list[tuple[int, np.ndarray]]]:
        """For each step of a chunk at which some sequence begins: in which recursion, and in which chunks."""
        found: dict[int, list[tuple[int, np.ndarray]]] = {}
        for which, rows in enumerate(self.anew):
            at = rows % size
            for s in set(at.tolist()):
                found.setdefault(s, []).append((which, rows[at == s] // size))
        return found

    def _begin(self, vectors: np.ndarray, where: dict[int, list[tuple[int, np.ndarray]]], s: int) -> None:
        """Begin anew: vectors (2, K, chunks), or matrices (2, K, K, chunks), which then forget what was before."""
        for which, chunks in where.get(s, ()):
            vectors[which][..., chunks] = self.begin[which].reshape((-1,) + (1,) * (vectors.ndim - 2))

    def _products(self, steps: np.ndarray, where: dict[int, list[tuple[int, np.ndarray]]], every: int) -> np.ndarray | None:
        """Each chunk's product of matrices, (2, K to, K from, chunks), the largest entry 1; None if too much is lost."""
        size, _, k, count = steps.shape
        out = np.empty((2, k, k, count))
        out[:] = self.matrices[:, :, :, None]
        for s in range(size):
            if s > 0:
                out = np.matmul(self.matrices, out.reshape(2, k, k * count)).reshape(2, k, k, count)
            self._begin(out, where, s)
            out *= steps[s][:, :, None]
            if (s + 1) % every == 0 or s == size - 1:
                most = out.max(axis=(1, 2), keepdims=True)
                if not float(most.min()) > _SMALL:
                    return None
                out /= most
        return out


def _prefixes(products: np.ndarray) -> np.ndarray | None:
    """The vectors that chunks begin with, (2, K, chunks): columns of products of all chunks before. None if too much is lost."""
    _, k, _, count = products.shape
    x, off = products, 1
    while off < count - 1:
        left, right = x[..., off:], x[..., :-off]
        if k <= _FEW:
            new = (left[:, :, :, None] * right[:, None]).sum(axis=2)
        else:
            new = np.moveaxis(np.matmul(_last_first(left), _last_first(right)), 1, 3)
        most = new.max(axis=(1, 2), keepdims=True)
        if not float(most.min()) > _SMALL:
            return None
        x = np.concatenate([x[..., :off], new / most], axis=3)
        off *= 2
    before = np.ones((2, k, count))
    before[:, :, 1:] = x[:, :, 0, :-1]  # every product begins with a start: its columns are all the same
    return before


def _last_first(x: np.ndarray) -> np.ndarray:
    """Matrices (2, K, K, chunks) as (2, chunks, K, K)."""
    return np.ascontiguousarray(np.moveaxis(x, 3, 1))


def _size(n: int, k: int) -> int:
    """Steps of a chunk."""
    return 8 if n * k < 2500 else 16 if n * k < 15000 else 32
