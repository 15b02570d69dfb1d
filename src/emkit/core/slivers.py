"""Slivers: optima in which a component lives on a few rows that happen to lie well, and says nothing of other data.

The likelihood of a mixture has many of them, and where variances are free the highest may be one: McLachlan and Peel (2000), Finite
Mixture Models, section 3.10, call them spurious local maximizers. A family says what is degenerate (``Family.slivers``), a model
which of its labels that concerns (``Model.slivers``); the rest follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CLOSE = 1.0
"""Nats: among optima that lie so near the best one, a regular one wins."""
_SMALL = 0.5  # of an equal share of the rows: where all components have few, the data are few, and the user knows
_STARVED = 1e-6  # of an equal share of the rows
_EMPTY = 1e-3  # rows: a component with fewer is out of use


@dataclass(frozen=True)
class Sliver:
    """A component or state that a fit should not be believed in.

    Attributes
    ----------
    label : str
        What the model calls it, "component" or "state".
    index : int
    rows, weight : float
        Expected rows that belong to it, and their share of all.
    because : str
        What is wrong with it, to be read after the rows.
    """

    label: str
    index: int
    rows: float
    weight: float
    because: str

    def __str__(self) -> str:
        return f"{self.label} {self.index} holds {in_rows(self.rows)} (weight {self.weight:.2g}), {self.because}"


def in_rows(rows: float) -> str:
    """As "8 rows", "1.98 rows" or "1 row"."""
    number = f"{rows:.3g}"
    return f"{number} row{'s' * (number != '1')}"


def slivers_of(label: str, counts: np.ndarray, because: dict[int, str]) -> tuple[Sliver, ...]:
    """From expected rows (K,) and what the family says of some components."""
    total = float(counts.sum())
    return tuple(Sliver(label, k, float(counts[k]), float(counts[k]) / total, because[k]) for k in sorted(because))


def starved_in_words(weights: np.ndarray, free: np.ndarray) -> list[str]:
    """Of components whose weight is next to nothing, as online EM may leave one that is far from all rows; ``free``: which are."""
    said = "component {} has starved: its weight is {:.2g}, and its values say nothing"
    return [said.format(k, weights[k]) for k in np.flatnonzero(free & (weights < _STARVED / len(weights)))]


def free_of_each(family: Any, params: Any, k: int) -> np.ndarray:
    """Free parameters that a row tells of, for each of ``k`` components, (k,); what components share is not counted.

    Columns that no declared parameter ties together ("d" once in its letters) are so many observations: their parameters are
    counted for one column.
    """
    free, d, joint = np.zeros(k), 1, False
    values = family.own(params)
    for p in family.parameters:
        if not p.axes:
            continue
        value, letters = values[p.name], p.letters.split()
        held = family.held(p.name, value.shape)
        free += [p.domain.n_free(held) - p.domain.n_free(np.delete(held, i, axis=p.axes[0])) for i in range(k)]
        joint = joint or letters.count("d") > 1
        if "d" in letters:
            d = value.shape[letters.index("d")]
    return free if joint else np.ceil(free / d)


def few_rows(family: Any, params: Any, counts: np.ndarray, pseudo: float = 0.0) -> dict[int, str]:
    """Components with fewer expected rows (``counts`` (K,), with ``pseudo`` from a prior) than free parameters of their own.

    Those with half of an equal share or more are left out: the data are then small as a whole.
    """
    free, small = free_of_each(family, params, len(counts)), _SMALL * counts.sum() / len(counts)
    found = (counts + pseudo < free) & (counts < small) & (counts > _EMPTY)
    return {int(k): f"fewer than its {free[k]:.0f} free parameter{'s' * bool(free[k] > 1)}" for k in np.flatnonzero(found)}


def is_regular(problem: Any, run: Any) -> bool:
    """Whether a run has ended without a sliver. Evaluates its parameters only where their statistics are not at hand."""
    return not slivers_at(problem, run)


def slivers_at(problem: Any, run: Any) -> Sequence[Sliver]:
    """The slivers where a run has ended; none where weights are so small that rows cannot be counted by them."""
    if problem.source.total_weight < 0.01 * problem.source.n_rows:
        return ()
    stats = problem.evaluate(run.params).stats if run.stats is None else run.stats
    return tuple(problem.model.slivers(run.params, stats))


def better(problem: Any, run: Any, best: Any) -> bool:
    """Whether a run is to be preferred to the best so far: the larger objective; within a nat, if both are done, the regular one.

    Taken one after the other, in any order, runs end in the best regular one within a nat of the best, if there is one.
    """
    higher = bool(run.objective > best.objective)
    if not (run.converged and best.converged and abs(run.objective - best.objective) <= CLOSE):
        return higher
    regular = is_regular(problem, run)
    return regular if regular != is_regular(problem, best) else higher
