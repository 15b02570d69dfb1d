"""What a search over models tries, and what became of each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emkit.core.result import Result, StopReason

FROM_NEIGHBOURS = frozenset({"nested", "split", "doubled", "merged", "left out"})
"""Kinds of starts that come from the optima of other candidates."""
BY = {"aic": 1.0, "bic": 1.0, "sabic": 1.0, "caic": 1.0, "icl": 1.0, "cheeseman_stutz": -2.0, "cv": -2.0}
"""Criteria, and what they are multiplied by, so that lower is better and a difference of 2 is a nat."""


@dataclass(frozen=True)
class Candidate:
    """A model to be tried.

    Attributes
    ----------
    name : str
        Tells it from all others: seeds are made from it, and checkpoints know it by it.
    line : str
        What it has in common with candidates that differ only in the number of components.
    size : int or None
        That number.
    model, source : Model, Source
        None if there is none, and ``refused`` says why.
    rows : Source
        The same data, equal rows not merged: what parts are held out of.
    starts, algorithm, tol, max_iter
        As ``emkit.fit`` takes them.
    """

    name: str
    line: str
    size: int | None
    model: Any = field(default=None, repr=False)
    source: Any = field(default=None, repr=False)
    rows: Any = field(default=None, repr=False)
    starts: Any = "auto"
    algorithm: Any = "auto"
    tol: float = 1e-3
    max_iter: int = 1000
    refused: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate.

    Attributes
    ----------
    result : Result or None
        None if it could not be fitted, or was not tried.
    criteria : mapping
        "log_likelihood", "n_free", "aic", "bic", "sabic", "caic", "icl", "smallest" (weight of the smallest label), where asked
        also "cheeseman_stutz", "cv" (mean log-likelihood of an observation that was held out) and "cv_se".
    seconds : float
        Spent on it.
    note : str
        Why there is no result, or what is to be said of it.
    cut : bool
        Whether it was asked to stop before it was through, so that it is not to be kept for another time.
    """

    result: Result | None = None
    criteria: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""
    cut: bool = False

    @property
    def fitted(self) -> bool:
        """Whether there is a fit that can be used."""
        return self.result is not None and self.result.reason is not StopReason.COLLAPSED

    @property
    def regular(self) -> bool:
        """Whether it is a fit without a sliver."""
        return self.result is not None and self.fitted and not self.result.slivers

    def value(self, by: str, n: float = 1.0) -> float:
        """The criterion, made such that lower is better; inf without a fit. ``n`` observations, for the cross-validated mean."""
        if not self.fitted or by not in self.criteria:
            return math.inf
        found = BY[by] * self.criteria[by] * (n if by == "cv" else 1.0)
        return math.inf if math.isnan(found) else found

    @property
    def share_at_best(self) -> float:
        """Share of the candidate's own finished starts that reached its optimum; 0 if only a neighbour's led there."""
        return math.nan if self.result is None else share_at_best(self.result)


def share_at_best(result: Result) -> float:
    """Of the starts that are not from neighbours, and were carried on to the end, those that reached the result's optimum."""
    own = [s.objective for s in result.starts if s.objective is not None and s.kind not in FROM_NEIGHBOURS]
    close = max(10.0 * result.tolerance, 1e-9 * abs(result.objective))
    return sum(abs(result.objective - value) <= close for value in own) / len(own) if own else math.nan


@dataclass(frozen=True)
class Found:
    """A search, finished or not.

    Attributes
    ----------
    candidates, outcomes : sequences of the same length
    best : int or None
        The candidate that is chosen; None if none could be fitted.
    reason : StopReason or None
        Why the search ended before it was through; None if it was not.
    """

    candidates: Sequence[Candidate]
    outcomes: Sequence[Outcome]
    best: int | None
    reason: StopReason | None = None
