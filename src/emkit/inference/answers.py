"""Answers to categorical items, and what a latent class model says of them: the form in which statistics of fit are computed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp


@dataclass(frozen=True)
class Answers:
    """Rows of answers.

    Attributes
    ----------
    items : float array of shape (n, d)
        Numbers of levels, NaN where an answer is missing.
    group : int array of shape (n,)
        Each row's group; all 0 where there is one.
    weights : array of shape (n,)
    """

    items: np.ndarray
    group: np.ndarray
    weights: np.ndarray

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.items)

    @cached_property
    def total(self) -> float:
        """Their weight."""
        return float(self.weights.sum())

    @cached_property
    def complete(self) -> np.ndarray:
        """Rows in which no answer is missing, booleans (n,)."""
        return np.asarray(~np.isnan(self.items).any(axis=1))

    def take(self, rows: np.ndarray) -> "Answers":
        """Some rows."""
        return Answers(self.items[rows], self.group[rows], self.weights[rows])

    @cached_property
    def patterns(self) -> "Answers":
        """Each pattern that occurs once, with the weight of all its rows."""
        whole = np.column_stack([self.group, np.where(np.isnan(self.items), -1.0, self.items)]).astype(np.int64)
        distinct, which = np.unique(whole, axis=0, return_inverse=True)
        items = np.where(distinct[:, 1:] < 0, np.nan, distinct[:, 1:].astype(np.float64))
        return Answers(items, distinct[:, 0], np.bincount(which.ravel(), weights=self.weights, minlength=len(distinct)))

    @property
    def are_counts(self) -> bool:
        """Whether every weight is a whole number, which is taken as how many equal rows a row stands for."""
        return bool((self.weights == np.round(self.weights)).all())


@dataclass(frozen=True)
class Measurement:
    """A latent class model in one form, with groups or without.

    Attributes
    ----------
    joint : array of shape (G, K)
        Probability of each group and class; all of them add up to 1.
    probs : array of shape (G, K, d, L)
        Probability of each level of each item, given group and class.
    sizes : int array of shape (d,)
        Levels of each item.
    n_free : int
        Free parameters, those of the group's own distribution among them.
    """

    joint: np.ndarray
    probs: np.ndarray
    sizes: np.ndarray
    n_free: int

    @property
    def n_cells(self) -> int:
        """Cells of the table of all groups and complete patterns."""
        cells = len(self.joint)
        for size in self.sizes:
            cells *= int(size)
        return cells

    def log_joint(self, answers: Answers) -> np.ndarray:
        """Log P(group, class, observed answers) of each row, (n, K)."""
        with np.errstate(divide="ignore"):
            out = np.log(self.joint)[answers.group]
            logs = np.log(self.probs)
        for j in range(answers.items.shape[1]):
            seen = ~np.isnan(answers.items[:, j])
            code = answers.items[seen, j].astype(np.intp)
            out[seen] += logs[answers.group[seen], :, j, code]
        return out

    def log_prob(self, answers: Answers) -> np.ndarray:
        """Log P(group, observed answers) of each row, (n,)."""
        return np.asarray(logsumexp(self.log_joint(answers), axis=1))
