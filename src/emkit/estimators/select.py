"""``select``: which of several models, and how many components."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from emkit.core.checks import count, number, one_of
from emkit.core.errors import EmkitError, ParameterError
from emkit.core.monitor import Monitor, Monitors
from emkit.core.warn import once
from emkit.estimators.face import Face, Job
from emkit.estimators.grid import Cell, cells
from emkit.estimators.progress import progress
from emkit.estimators.selection import Selection
from emkit.estimators.settings import make_rng
from emkit.execute.threads import Threads
from emkit.selection.candidates import BY, Candidate
from emkit.selection.search_file import SearchFile
from emkit.selection.sweep import Plan, Workers, sweep
from emkit.selection.workers import SMALL, Alone, Processes

_PARTS = 5  # of cross-validation


def select(
    estimator: Any,
    X: Any,
    *,
    grid: Any = None,
    by: str = "bic",
    cv: int | None = None,
    drop: bool = True,
    n_jobs: int | None = None,
    time_limit: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    random_state: Any = None,
    verbose: int = 0,
    monitors: Sequence[Monitor] | None = None,
    **fit_params: Any,
) -> Selection:
    """Fit every model of a grid, and choose one by a criterion.

    Every candidate is fitted from starts of its own, as ``fit`` does it, and then tried again from its neighbours' optima:
    components of the next smaller one split in two, two of the next larger one merged, the optimum of a covariance shape that is
    a special case of its own. So a richer model is hardly ever reported with a lower likelihood than one that it contains.

    Parameters
    ----------
    estimator : estimator, or list of estimators
        Unfitted. Candidates are clones of it with other settings; its random_state is the source of theirs.
    X : array or data frame
        As ``fit`` takes it.
    grid : mapping, optional
        Values to try by the name of the setting, e.g. ``{"n_components": range(1, 10), "covariance_type": "all"}``; "all" are
        mclust's 14 covariance shapes. For a list of estimators, one for all or a list of them. Default: 1 to 9 components.
    by : {"bic", "icl", "aic", "sabic", "caic", "cv", "cheeseman_stutz"}
        What the choice goes by: see ``emkit.Criteria``, and for "cv" the log-likelihood of parts of the data that were held out.
    cv : int, optional
        Number of parts, each held out once; rows, or whole sequences. Default: 5 with ``by="cv"``, or as many as there are, if
        fewer; otherwise none.
    drop : bool
        Leave a line, the candidates that differ only in the number of components, once two in a row are more than 10 worse than
        its best on the scale of BIC (any worse, where its best is that much behind the best of all); or once it lies so far behind
        that it would not catch up even if each further component gained as much as the better of its last two. False fits all.
    n_jobs : int, optional
        With small data, the number of processes that share the candidates; by default this one does all. With large data, the
        number of threads of each fit; by default as many as there are cores. The table does not depend on it.
    time_limit : float, optional
        Seconds, after which the table is returned as far as it is done.
    checkpoint : path, optional
        A file to save progress to. If it is there, the search is taken up again, with the same outcome as if it had never been cut
        off.
    random_state : int, Generator or None
        Default: the estimator's.
    verbose : int
        Whether to print a line for each candidate on stderr.
    monitors : list of Monitor, optional
        Told of each candidate by ``say``; may end the search.
    **fit_params
        What ``fit`` takes besides X: ``lengths``, ``sample_weight``, ``labels``, ``states``, ``groups``.

    Returns
    -------
    Selection
        A table of all candidates, those that could not be fitted included, and the chosen estimator, fitted. An optimum that is a
        sliver is marked, and chosen only if there is no other. After Ctrl-C or at the time limit it holds what was found so far.

    Raises
    ------
    ParameterError
        For an empty grid, an unknown setting or criterion.
    DataError
        If no candidate can read the data. One that reads them and cannot be fitted is in the table, with the reason.
    KeyboardInterrupt
        Only if it comes before any fit.

    References
    ----------
    Fraley and Raftery (2002), J. Am. Stat. Assoc. 97, 611-631. Scrucca, Fop, Murphy and Raftery (2016), R Journal 8, 289-317.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import GaussianMixture, select
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(5, 1, (100, 2))])
    >>> found = select(GaussianMixture(), X, grid={"n_components": range(1, 5), "covariance_type": ["EII", "VVV"]}, random_state=0)
    >>> found.best_params_
    {'n_components': 2, 'covariance_type': 'EII'}
    """
    one_of(by, tuple(BY), "by")
    if cv is not None:
        count(cv, "cv", 2)
    if checkpoint is not None and not isinstance(checkpoint, str | os.PathLike):
        raise ParameterError(f"checkpoint={checkpoint!r}: give the path of a file", parameter="checkpoint")
    monitors = _monitors(monitors)
    if time_limit is not None:
        number(time_limit, "time_limit", "a number of seconds")
    everything = cells(estimator, grid)
    with once():
        jobs, candidates = _candidates(everything, X, fit_params)
    folds = _folds(cv, by, candidates)
    watch = Monitors([*monitors, *([progress()] if verbose else [])])
    journal = None if checkpoint is None else SearchFile(checkpoint)
    plan = Plan(by, bool(drop), folds, _entropy(random_state, everything[0].estimator, journal))
    if journal is not None:
        journal.begin(candidates, plan)
    watch.begin()
    found = sweep(candidates, plan, _workers(n_jobs, candidates, watch, time_limit), watch, journal)
    return Selection(X, everything, jobs, found, by)


def _monitors(given: Any) -> list[Monitor]:
    if given is not None and not (isinstance(given, Iterable) and all(isinstance(one, Monitor) for one in given)):
        raise ParameterError(f"monitors={given!r}: give a list of emkit.Monitor", parameter="monitors")
    return list(given or ())


def _folds(cv: int | None, by: str, candidates: Sequence[Candidate]) -> int:
    """The number of parts for cross-validation, 0 for none. Raises ParameterError where there are fewer rows, or sequences."""
    if cv is None and by != "cv":
        return 0
    units = max(one.source.joined().units for one in candidates if one.source is not None)
    folds = min(_PARTS, max(units, 2)) if cv is None else int(cv)
    if folds > units:
        what = "a single sequence cannot be parted" if units == 1 else f"there are {units} rows or sequences to hold out"
        raise ParameterError(f"cv={folds}: {what}; give at most as many parts, or choose by bic", parameter="cv")
    return folds


def _entropy(random_state: Any, first: Face, journal: SearchFile | None) -> tuple[int, ...]:
    given = first.random_state if random_state is None else random_state
    known = None if journal is None or given is not None else journal.entropy()
    return known or tuple(int(part) for part in make_rng(given).integers(0, 2**32, size=4))


def _workers(n_jobs: int | None, candidates: Sequence[Candidate], watch: Monitor, time_limit: float | None) -> Workers:
    threads = Threads(n_jobs)
    first = next(c.source for c in candidates if c.source is not None)
    small = first.n_rows * first.n_features <= SMALL
    if n_jobs is None or threads.n_jobs == 1 or not small:
        return Alone(threads, watch, time_limit)
    return Processes(threads.n_jobs, watch, time_limit)


def _candidates(everything: Sequence[Cell], X: Any, fit_params: dict[str, Any]) -> tuple[list[Job | None], list[Candidate]]:
    """The job of each cell, None where data or settings forbid it. Cells that read the data alike share them."""
    read: dict[str, Any] = {}
    jobs: list[Job | None] = []
    candidates: list[Candidate] = []
    first: EmkitError | None = None
    for cell in everything:
        job, refused = None, ""
        try:
            job = _job(cell, X, fit_params, read)
        except EmkitError as error:
            first, refused = first or error, " ".join(str(error).split())
        jobs.append(job)
        candidates.append(_candidate(cell, job, refused))
    if first is not None and all(job is None for job in jobs):
        raise first
    return jobs, candidates


def _job(cell: Cell, X: Any, fit_params: dict[str, Any], read: dict[str, Any]) -> Job:
    estimator = cell.estimator
    named = any(fit_params.get(name) is not None for name in ("labels", "states"))  # read by their number
    key = repr([type(estimator).__name__, *(getattr(estimator, name) for name in estimator.reading_settings), named and cell.size])
    if key not in read:
        source, width = estimator._read_for_fit(X, **fit_params)
        read[key] = source, source.distinct(), width
    rows, distinct, width = read[key]
    return estimator._prepare(rows, width, distinct)


def _candidate(cell: Cell, job: Job | None, refused: str) -> Candidate:
    e = cell.estimator
    about = Candidate(cell.name, cell.line, cell.size, refused=refused, algorithm=e.algorithm, tol=e.tol, max_iter=e.max_iter)
    return about if job is None else replace(about, model=job.model, source=job.source, rows=job.rows, starts=job.starts)
