"""The bootstrap of any model: data drawn again, from the rows or from the fitted model, and fitted again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from emkit.algorithms.starts import fit
from emkit.core.block_source import BlockSource
from emkit.core.errors import ParameterError
from emkit.core.executor import Executor
from emkit.core.fit import Algorithm
from emkit.core.model import Infer, Model
from emkit.execute.threads import Threads
from emkit.inference.coordinates import flat_scales, flattened, places_of, unflattened, unturned
from emkit.inference.redraw import Form
from emkit.inference.standard_errors import AT_EDGE, StandardErrors, named

SMALL = 2**20
"""Cells up to which processes share out the replicates; beyond, a single fit has work enough for all threads."""
_AT_END = 1e-6  # of a probability: no observation stands behind it
_VAGUE = 5.0  # times the estimate, as a standard error of what is positive
_BY_PERCENTILES = "so without a standard error; the interval is of percentiles"
_FOR_LABELS = 2000  # units by which the labels of a replicate are told


@dataclass(frozen=True)
class Replicate:
    """Makes one replicate's estimates from a random generator: small enough to be sent to a process."""

    model: Model
    params: Any
    source: BlockSource
    form: Form | None
    settings: dict[str, Any]

    def __call__(self, rng: np.random.Generator, executor: Executor | None = None) -> np.ndarray | None:
        """All entries that users see, (S,), with labels as in the fit; infinite, or 0, where they ran away.

        None where the drawn data could not be fitted.
        """
        source = resampled(self.source, rng) if self.form is None else self.form.draw(self.model, self.params, rng)
        try:
            found = fit(self.model, source, executor=executor or Threads(1), starts=[self.params], rng=rng, **self.settings)
        except ValueError:  # of rows drawn by chance that leave nothing to a component, for one
            return None
        labelled = self._labelled(found.params, source)
        return with_ends(self.model, labelled, flattened(self.model.shown(labelled)))

    def _labelled(self, params: Any, drawn: BlockSource) -> Any:
        """With the labels that agree most with those of the fit on a sample of the drawn data, which both find possible."""
        k = self.model.n_hidden
        if k is None or k < 2 or self.model.has_values:
            return params
        agree = np.zeros((k, k))
        for block in drawn.sample(_FOR_LABELS, np.random.default_rng(0)):
            mine, theirs = (Infer(self.model, p, "marginals")(block).marginals for p in (self.params, params))
            assert mine is not None and theirs is not None
            agree += np.nan_to_num(mine).T @ np.nan_to_num(theirs)
        order = linear_sum_assignment(-agree)[1]
        return params if np.array_equal(order, np.arange(k)) else self.model.permute(params, order)


def bootstrap(
    model: Model,
    params: Any,
    source: BlockSource,
    *,
    parametric: bool,
    times: int,
    executor: Executor,
    rng: np.random.Generator,
    n_jobs: int = 1,
    algorithm: Algorithm | str | None = None,
    tol: float = 1e-3,
    max_iter: int = 1000,
) -> StandardErrors:
    """Standard deviations and quantiles of ``times`` replicates, each fitted from where the fit ended.

    McLachlan and Peel (2000), Finite Mixture Models, section 2.16.

    Parameters
    ----------
    parametric : bool
        Whether data are drawn from the fitted model, with the same cells missing; otherwise units (rows, or whole sequences) are
        drawn from the data with replacement. Weights that are whole numbers say how many units one stands for; others stay with
        their unit.
    n_jobs : int
        Processes, for small data. The outcome does not depend on it.

    Raises
    ------
    ParameterError
        If the model draws no data, or labels are known, and ``parametric``; for a variational fit.
    """
    if model.is_posterior:
        raise ParameterError(f"{model.called} is a distribution over parameters: its own variances say how sure it is")
    if not parametric and (joined := source.joined()).units < 2:
        one = "row" if joined.lengths is None else "sequence"
        raise ParameterError(f"one {one} cannot be drawn from: take method='parametric bootstrap'", parameter="method")
    settings = {"tol": tol, "max_iter": max_iter, **({} if algorithm is None else {"algorithm": algorithm})}
    task = Replicate(model, params, source, Form.of(source) if parametric else None, settings)
    shared = n_jobs > 1 and source.n_rows * source.n_features <= SMALL
    rngs = rng.spawn(times)
    found = list(_elsewhere(task, rngs, n_jobs) if shared else (task(one, executor) for one in rngs))
    good = np.array([one for one in found if one is not None])
    notes = [f"{times - len(good)} of {times} replicates could not be fitted"] if len(good) < times else []
    if len(good) < 2:
        raise ParameterError(f"{notes[0]}: too few to say anything; take method='observed'", parameter="method")
    return _summed_up(model, params, good, "parametric bootstrap" if parametric else "bootstrap", notes)


def _summed_up(model: Model, params: Any, good: np.ndarray, method: str, notes: list[str]) -> StandardErrors:
    """From the estimates of replicates, (times, S); what is fixed, or runs away, has no standard deviation to speak of."""
    shown = {name: np.asarray(value, dtype=np.float64) for name, value in model.shown(params).items()}
    flat, scales, places = flattened(shown), flat_scales(model, shown), places_of(shown)
    good = np.where(scales == "angle", flat + unturned(good - flat, scales), good)
    away = with_ends(model, params, flat) != flat
    lost = ~np.isfinite(good) | ((good == 0.0) & (scales == "log") & (flat != 0.0))
    kept = np.where(lost, flat, good)
    errors = np.where((good == flat).all(axis=0), np.nan, kept.std(axis=0, ddof=1))
    edge = np.isfinite(errors) & (scales == "logit") & ((flat < _AT_END) | (flat > 1.0 - _AT_END))
    edge |= away  # nothing that is drawn leaves an edge
    some = lost.any(axis=0) & ~edge
    vague = (scales == "log") & (errors > _VAGUE * np.abs(flat)) & ~some & ~edge
    notes = [*notes, *named(places, edge, AT_EDGE)]
    most = int(lost[:, some].sum(axis=0).max(initial=0))
    notes += named(places, some, f"at an edge in up to {most} of {len(good)} replicates, {_BY_PERCENTILES}")
    notes += named(places, vague, f"hardly identified, for replicates differ by powers of ten, {_BY_PERCENTILES}")
    each = [unflattened(one, shown) for one in good]
    spread = np.where(lost.any(axis=0), np.nan, kept - kept.mean(axis=0))
    return StandardErrors(
        shown,
        unflattened(np.where(edge | some | vague, np.nan, errors), shown),
        method,
        tuple(notes),
        replicates={name: np.array([one[name] for one in each]) for name in shown},
        without=unflattened(some | vague | (away & ~lost.all(axis=0)), shown),
        _spread=(flat, spread.T / np.sqrt(len(good) - 1.0)),
    )


def with_ends(model: Model, params: Any, flat: np.ndarray) -> np.ndarray:
    """Entries as users see them, ``flat`` (S,), with the end of the range, infinity or 0 or 1, to which one ran away."""
    shown = {name: np.asarray(value, dtype=np.float64) for name, value in model.shown(params).items()}
    found = model.away(params)
    signs = flattened({name: found.get(name, np.zeros(value.shape)) for name, value in shown.items()})
    scales = flat_scales(model, shown)
    low, high = np.where(np.isin(scales, ("log", "logit")), 0.0, -np.inf), np.where(scales == "logit", 1.0, np.inf)
    return np.where(signs > 0, high, np.where(signs < 0, low, flat))


def resampled(source: BlockSource, rng: np.random.Generator) -> BlockSource:
    """As many units as there are, drawn with replacement, as weights of those that were drawn."""
    block = source.joined()
    weights = np.ones(block.units) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    counts = bool((weights == np.round(weights)).all())
    share = weights / weights.sum() if counts else np.full(block.units, 1.0 / block.units)
    drawn = rng.multinomial(int(weights.sum()) if counts else block.units, share).astype(np.float64)
    new = drawn if counts else drawn * weights
    there = np.flatnonzero(new > 0)
    taken = block.take(there)
    return source.of_block(replace(taken, weights=new[there]))


def _elsewhere(task: Replicate, rngs: Sequence[np.random.Generator], processes: int) -> Iterator[np.ndarray | None]:
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=processes)(delayed(_in_process)(task, rng) for rng in rngs)


def _in_process(task: Replicate, rng: np.random.Generator) -> np.ndarray | None:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return task(rng)
