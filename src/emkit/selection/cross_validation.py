"""Cross-validation: how probable a model finds rows, or whole sequences, that it was not fitted to."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.algorithms.carry_on import HALTED
from emkit.algorithms.starts import fit
from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.checks import count
from emkit.core.errors import DataError, EmkitError
from emkit.core.executor import Executor
from emkit.core.model import Infer, Model
from emkit.core.result import StopReason


class CutOff(Exception):
    """The fit of a fold was asked to stop."""


@dataclass(frozen=True)
class CrossValidated:
    """Log-likelihoods of what was held out.

    Attributes
    ----------
    folds : array (R, F)
        Of each fold of each repetition, nats, weights multiplied in: -inf where the candidate could not be fitted, or gives
        something that was held out probability zero.
    weights : array (R, F)
        The weight of the rows that were held out.
    reasons : tuple of str
        Why a fold is -inf, one sentence for each such fold.
    """

    folds: np.ndarray
    weights: np.ndarray
    reasons: tuple[str, ...] = ()

    @property
    def log_likelihood(self) -> float:
        """Of all data, each row held out once; the mean of the repetitions. Higher is better."""
        return float(self.folds.sum(axis=1).mean())

    @property
    def per_row(self) -> float:
        """The same for a row of weight 1."""
        return self.log_likelihood / float(self.weights.sum(axis=1).mean())


def parted(units: int, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each unit, (units,): at random, of sizes equal up to one.

    Raises
    ------
    DataError
        If there are fewer units than folds.
    """
    if count(folds, "folds", 2) > units:
        raise DataError(
            f"{folds} folds of {units} row(s) or sequence(s): each fold holds at least one, so give at most {units} folds; a "
            "single sequence cannot be cross-validated, cut it into several",
            parameter="folds",
        )
    found: np.ndarray = rng.permutation(np.arange(units) % folds)
    return found


def cross_validated(
    model: Model,
    source: BlockSource,
    *,
    folds: int = 5,
    repeats: int = 1,
    executor: Executor,
    rng: np.random.Generator,
    **how: Any,
) -> CrossValidated:
    """The log-likelihood of each part of the data under the model fitted to the others.

    Parts are of rows, or of whole sequences. They are the first thing that ``rng`` draws and depend on nothing else but the number
    of rows or sequences, so that candidates that are given generators of one seed are compared on the same parts.

    A row with a weight is in one part, whatever its weight; give data whose equal rows were not merged.

    Parameters
    ----------
    model : Model
        Unresolved: what it takes from the data, such as the scale of a prior, it takes from the parts that it is fitted to.
    source : BlockSource
    folds, repeats : int
        Parts, at least 2; and how often the data are parted anew.
    executor : Executor
    rng : numpy Generator
    **how
        For ``fit``. Its default starts anew on each fold: what is compared is then all that a fit does. A fit that started from the
        optimum of all the data would be quicker, and choose among optima by what was to be held out.

    Raises
    ------
    DataError
        If there are fewer rows or sequences than folds.
    KeyboardInterrupt, CutOff
        Also if the fit of a fold was interrupted, or asked to stop by a monitor: some folds alone cannot be compared.

    References
    ----------
    Smyth (2000), Model selection for probabilistic clustering using cross-validated likelihood, Statistics and Computing 10, 63-72.
    """
    units = source.joined().units
    places = [parted(units, folds, rng) for _ in range(count(repeats, "repeats"))]
    each, weights, reasons = np.zeros((repeats, folds)), np.zeros((repeats, folds)), []
    for r, place in enumerate(places):
        for f, own in enumerate(rng.spawn(folds)):
            kept, held = source.take(np.flatnonzero(place != f)), source.take(np.flatnonzero(place == f))
            weights[r, f] = held.total_weight
            try:
                each[r, f] = _held_out(model, kept, held, executor, own, how)
            except (EmkitError, np.linalg.LinAlgError) as error:
                each[r, f] = -np.inf
                reasons.append(f"fold {f}{f' of repetition {r}' if repeats > 1 else ''}: {error}")
    return CrossValidated(each, weights, tuple(reasons))


def _held_out(
    model: Model, kept: BlockSource, held: BlockSource, executor: Executor, rng: np.random.Generator, how: dict[str, Any]
) -> float:
    """Weighted log-likelihood of ``held`` under the fit to ``kept``. Raises DataError if something there is impossible."""
    result = fit(model, kept.distinct(), executor=executor, rng=rng, **how)
    if result.reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    if result.reason in HALTED:
        raise CutOff
    infer = Infer(result.model, result.params, "log_likelihood")

    def one(block: Block) -> float:
        found = infer(block).log_likelihood
        weights = np.ones(len(found)) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        counted = weights > 0
        if not (found[counted] > -np.inf).all():
            unit = int(np.flatnonzero(counted & ~(found > -np.inf))[0])
            what = "row" if block.lengths is None else "sequence"
            raise DataError(f"{what} {block.start + unit} of those held out has probability zero under the fit to the others")
        return float(weights[counted] @ found[counted])

    return float(sum(executor.map(one, held)))
