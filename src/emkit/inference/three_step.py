"""Three-step latent class analysis: rows are put into classes, and the errors of that are allowed for in what follows.

Bolck, Croon and Hagenaars (2004), Political Analysis 12, 3-27; Vermunt (2010), Political Analysis 18, 450-469; Bakk, Tekle and
Vermunt (2013), Sociological Methodology 43, 272-311.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.checks import one_of
from emkit.core.errors import DataError, ParameterError
from emkit.core.notebook import Printed
from emkit.core.warn import warn
from emkit.data.tables import is_table, read_table
from emkit.inference.class_regression import Assigned, CovariateEffects, regress
from emkit.inference.classification import classification_table, modal
from emkit.inference.distal import OutcomeByClass, outcome_by_class

_SINGULAR = 1e-8


@dataclass(frozen=True)
class ThreeStep(Printed):
    """What a three-step analysis found.

    Attributes
    ----------
    effects : CovariateEffects or None
        Of the covariates on the class.
    outcome : OutcomeByClass or None
        The distal outcome in each class.
    errors : array of shape (K, K)
        P(put into s | class t), (t, s).
    correction, assignment : str
    """

    effects: CovariateEffects | None
    outcome: OutcomeByClass | None
    errors: np.ndarray
    correction: str | None
    assignment: str

    def __str__(self) -> str:
        how = "no correction" if self.correction is None else f"{self.correction} correction"
        parts = [f"three-step, {self.assignment} assignment, {how}"]
        parts += [str(part) for part in (self.effects, self.outcome) if part is not None]
        return "\n\n".join(parts)


def three_step(
    posteriors: np.ndarray, weights: np.ndarray, covariates: Any, outcome: Any, correction: str | None, assignment: str
) -> ThreeStep:
    """Steps two and three, from posteriors (n, K); see ``LatentClass.three_step``."""
    one_of(assignment, ("modal", "proportional"), "assignment")
    if correction is not None:
        one_of(correction, ("ML", "BCH"), "correction")
    if covariates is None and outcome is None:
        raise ParameterError("give covariates=..., outcome=... or both", parameter="covariates")
    if posteriors.shape[1] < 2:
        raise ParameterError("with a single class there is nothing that it could depend on", parameter="n_classes")
    assigned, errors = _assign(np.asarray(posteriors, dtype=np.float64), weights, correction, assignment)
    effects = found = None
    if covariates is not None:
        z, names = read_covariates(covariates, len(posteriors))
        complete = _complete(z, "covariates")
        effects = regress(assigned.take(complete), z[complete], names, int((~complete).sum()))
    if outcome is not None:
        values, levels = read_outcome(outcome, len(posteriors))
        complete = _complete(values[:, None], "an outcome")
        found = outcome_by_class(assigned.take(complete), values[complete], levels, int((~complete).sum()))
    return ThreeStep(effects, found, errors, correction, assignment)


def _assign(posteriors: np.ndarray, weights: np.ndarray, correction: str | None, assignment: str) -> tuple[Assigned, np.ndarray]:
    """Step two, and how step three is to make use of it."""
    shares = modal(posteriors) if assignment == "modal" else posteriors
    table = classification_table(posteriors, weights, shares)
    empty = np.flatnonzero(table.counts.sum(axis=1) <= 0)
    if len(empty):
        raise ParameterError(
            f"no row is put into class {empty[0]}; say assignment='proportional', or take fewer classes", parameter="assignment"
        )
    errors = table.assigned_given_class
    if correction is None:
        return Assigned(shares, None, shares, weights), errors
    if correction == "ML":
        return Assigned(shares, errors, None, weights), errors
    if np.linalg.svd(errors, compute_uv=False)[-1] < _SINGULAR:
        raise ParameterError(
            "classes cannot be told apart, so that BCH weights do not exist; take fewer classes", parameter="correction"
        )
    return Assigned(shares, None, shares @ np.linalg.inv(errors), weights), errors


def _complete(z: np.ndarray, what: str) -> np.ndarray:
    complete: np.ndarray = ~np.isnan(z).any(axis=1)
    if not complete.any():
        raise DataError(f"no row has {what}")
    lacking = int((~complete).sum())
    if lacking:
        warn(f"{lacking} of {len(z)} rows lack {what} and are left out of that step")
    return complete


def read_covariates(covariates: Any, rows: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Covariates as numbers (n, q), and their names; columns with levels become indicators of all but the first."""
    if not is_table(covariates):
        if hasattr(covariates, "to_frame"):
            covariates = covariates.to_frame()
        elif np.ndim(covariates) == 1:
            covariates = np.asarray(covariates)[:, None]
    table = read_table(covariates, every_column=False)
    if len(table.x) != rows:
        raise DataError(f"covariates have {len(table.x)} rows, X has {rows}")
    parts, names = [], []
    for j, column in enumerate(table.columns.items):
        cells = np.asarray(table.x[:, j], dtype=np.float64)
        name = column.name if table.columns.named else f"z{j}"
        if column.levels is None:
            parts.append(cells)
            names.append(name)
            continue
        for code, level in enumerate(column.levels[1:], 1):
            parts.append(np.where(np.isnan(cells), np.nan, cells == code))
            names.append(f"{name}={level}")
    if not parts:
        raise DataError("the covariates have one level each; leave them out")
    return np.column_stack(parts), tuple(names)


def read_outcome(outcome: Any, rows: int) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """An outcome as numbers (n,) with the levels that they stand for; None for plain numbers."""
    if is_table(outcome):
        raise DataError("outcome: give one column, such as data['income']")
    frame = outcome.to_frame() if hasattr(outcome, "to_frame") else None
    if frame is None:
        array = np.asarray(outcome)
        if array.ndim != 1:
            raise DataError(f"outcome has shape {array.shape}, expected ({rows},)")
        frame = array[:, None]
    table = read_table(frame, every_column=False)
    if len(table.x) != rows:
        raise DataError(f"outcome has {len(table.x)} entries, X has {rows} rows")
    column = table.columns[0]
    levels = (False, True) if column.kind == "binary" else column.levels
    return np.asarray(table.x[:, 0], dtype=np.float64), levels
