"""The distribution of inputs of which some are missing: a mixture of Gaussians, as many as the BIC asks for."""

from typing import Any

import numpy as np

from emkit.algorithms.starts import fit
from emkit.data.rows import ArraySource
from emkit.execute.threads import Threads
from emkit.families.gaussian.conditional import matrices
from emkit.families.gaussian.family import Gaussian
from emkit.models.mixture import FiniteMixture
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.scaling import by_rank

_SIZES = (1, 3)
_ROWS = 4000  # that the distribution is learnt from
_GRID = 2.0**30  # steps of a column's range: EM then sees the same bits in any unit
_STEPS, _TOL = 40, 0.5  # iterations and nats: an aid to a regression need not be exact


def inputs_of(x: np.ndarray, weights: np.ndarray | None) -> Inputs | None:
    """Of rows (n, d), NaN where a cell is missing; None where none is. Columns that have one value are put beside it."""
    if not np.isnan(x).any():
        return None
    used = np.arange(len(x)) if weights is None else np.flatnonzero(weights > 0)
    if len(used) > _ROWS:
        used = used[np.linspace(0, len(used) - 1, _ROWS).astype(np.intp)]
    rows, mass = x[used], None if weights is None else weights[used]
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    varied = np.flatnonzero(high - low > 1e-12 * np.maximum(np.abs(low), np.abs(high)))
    d = x.shape[1]
    if not len(varied):
        return Inputs(np.ones(1), low[None], np.eye(d)[None])
    varied = varied[by_rank(_lean(rows[:, varied], mass, low[varied], high[varied]))]
    middle, size = 0.5 * (low + high)[varied], (high - low)[varied]  # units of columns do not matter, to the last digits
    scaled = np.rint((rows[:, varied] - middle) / size * _GRID) / _GRID
    source = ArraySource(np.ascontiguousarray(scaled), mass, checked=True).distinct()
    best: tuple[float, Any] | None = None
    for k in _SIZES:
        if k > 1 and source.total_weight < 10 * k * len(varied):
            break
        model = FiniteMixture(Gaussian("full"), k)
        how: Any = {"executor": Threads(1), "starts": 1, "tol": _TOL, "max_iter": _STEPS, "rng": np.random.default_rng(0)}
        found = fit(model, source, **how)
        bic = found.n_free * np.log(source.total_weight) - 2.0 * found.log_likelihood
        if best is None or bic < best[0]:
            best = bic, found.params
    assert best is not None
    mixture = best[1]
    params = matrices(mixture.components)
    k = len(mixture.weights)
    means, covariances = np.tile(low, (k, 1)), np.tile(np.eye(d), (k, 1, 1))
    means[:, varied] = params.means * size + middle
    covariances[:, varied[:, None], varied] = params.covariances * np.outer(size, size)
    return Inputs(np.asarray(mixture.weights), means, covariances)


def _lean(x: np.ndarray, weights: np.ndarray | None, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where the mean of each column's observed cells is between its ends, (d,): columns are taken in this order, not the user's."""
    mass = ~np.isnan(x) * (1.0 if weights is None else weights[:, None])
    return np.asarray((mass * np.nan_to_num((x - low) / (high - low))).sum(axis=0) / mass.sum(axis=0))
