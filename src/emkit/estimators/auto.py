"""``n_components="auto"``: the number of components by BIC, as ``select`` finds it, inside of a fit."""

from typing import Any

from sklearn.base import clone

from emkit.core.block import Source
from emkit.core.errors import EmkitError
from emkit.core.monitor import Monitors
from emkit.core.warn import warn
from emkit.estimators.settings import make_rng
from emkit.selection.candidates import Candidate
from emkit.selection.sweep import Plan, sweep
from emkit.selection.workers import Alone

UP_TO = 9
"""Components, classes or states that are tried by default."""


def search(face: Any, source: Source, width: Any) -> None:
    """Fit an estimator with the number of components, from 1 to 9, that BIC prefers.

    Raises
    ------
    DataError, ParameterError
        What a fit with one component raises.
    KeyboardInterrupt
        Only if it comes before any fit.
    """
    jobs, candidates, distinct = [], [], source.distinct()
    for size in range(1, min(UP_TO, source.n_rows) + 1):
        one = clone(face).set_params(**{face.size_setting: size})
        jobs.append(one._prepare(source, width, distinct))
        job = jobs[-1]
        about = {"algorithm": face.algorithm, "tol": face.tol, "max_iter": face.max_iter}
        candidates.append(Candidate(f"{face.size_setting}={size}", "", size, job.model, job.source, job.rows, job.starts, **about))
    candidates[0].model.resolve(candidates[0].source)  # says what is wrong with the data or the settings, if anything is
    watch = Monitors(face._monitors())
    plan = Plan(entropy=tuple(int(part) for part in make_rng(face.random_state).integers(0, 2**32, size=4)))
    watch.begin()
    found = sweep(candidates, plan, Alone(face._executor(), watch), watch)
    if found.best is None:
        raise EmkitError("; ".join(dict.fromkeys(outcome.note for outcome in found.outcomes)))
    if found.reason is not None:
        tried = sum(outcome.result is not None for outcome in found.outcomes)
        warn(f"the search for {face.size_setting} was cut off: {found.reason.value}; {tried} of {len(candidates)} were fitted")
    result = found.outcomes[found.best].result
    assert result is not None
    face._take_on(jobs[found.best], result)
    watch.end(result)
