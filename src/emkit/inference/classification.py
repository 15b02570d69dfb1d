"""How well a latent class model tells its classes apart: entropy, classification errors, average posteriors."""

from dataclasses import dataclass

import numpy as np

from emkit.core.notebook import Printed


def relative_entropy(posteriors: np.ndarray, weights: np.ndarray) -> float:
    """1 - sum w (-sum_k p log p) / (N log K): 1 where every row's class is certain, 0 where the rows tell nothing.

    Ramaswamy, DeSarbo, Reibstein and Robinson (1993), Marketing Science 12, 103-124. 1 for a single class.
    """
    k = posteriors.shape[1]
    if k == 1:
        return 1.0
    p = np.maximum(posteriors, 1e-300)
    lost = float(weights @ -(posteriors * np.log(p)).sum(axis=1))
    return 1.0 - lost / (float(weights.sum()) * float(np.log(k)))


@dataclass(frozen=True)
class ClassificationTable(Printed):
    """Rows by the class that they are assigned to, and by the class that they belong to as the posteriors say.

    Attributes
    ----------
    counts : array of shape (K, K)
        ``counts[s, t]``: weight of the rows assigned to s, times their posterior of t.
    error : float
        Expected share of rows that are assigned to a wrong class.
    """

    counts: np.ndarray

    @property
    def error(self) -> float:
        """1 - trace / total."""
        return 1.0 - float(np.trace(self.counts)) / float(self.counts.sum())

    @property
    def assigned_given_class(self) -> np.ndarray:
        """P(assigned to s | belongs to t), (K of t, K of s), rows adding up to 1: what three-step methods correct by."""
        total = self.counts.sum(axis=0)
        return np.asarray((self.counts / np.where(total > 0, total, np.nan)).T)

    def __str__(self) -> str:
        k = len(self.counts)
        head = f"{'assigned':>8}" + "".join(f"{f'class {t}':>12}" for t in range(k)) + f"{'total':>12}"
        lines = [head]
        for s, row in enumerate([*self.counts, self.counts.sum(axis=0)]):
            name = f"{s:>8}" if s < k else f"{'total':>8}"
            lines.append(name + "".join(f"{value:12.2f}" for value in [*row, row.sum()]))
        return "\n".join([*lines, f"expected share of classification errors: {self.error:.4f}"])


def modal(posteriors: np.ndarray) -> np.ndarray:
    """Each row's share in each class by modal assignment, (n, K): 1 for the most probable class."""
    return np.asarray(np.eye(posteriors.shape[1])[posteriors.argmax(axis=1)])


def classification_table(posteriors: np.ndarray, weights: np.ndarray, shares: np.ndarray | None = None) -> ClassificationTable:
    """From posteriors (n, K); ``shares`` (n, K): in which class a row is put, by default the most probable one."""
    shares = modal(posteriors) if shares is None else shares
    return ClassificationTable(shares.T @ (weights[:, None] * posteriors))


def average_posteriors(posteriors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean posterior of each class over the rows that are assigned to each, (K, K); NaN for a class that no row is assigned to."""
    counts = classification_table(posteriors, weights).counts
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, np.nan))
