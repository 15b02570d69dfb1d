"""A search over models on disk: what is done of it, to be taken up again bit for bit."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.describe import describe, same_description
from emkit.core.errors import ModelFileError
from emkit.core.result import Result, Start, StopReason
from emkit.core.slivers import Sliver
from emkit.io.container import check_folder, read, write
from emkit.selection.candidates import Candidate, Outcome
from emkit.selection.sweep import Plan
from emkit.selection.tasks import Task

_EVERY = 2.0  # seconds between two writes, at least


class SearchFile:
    """Outcomes of tasks, by the tasks' keys.

    Parameters
    ----------
    path : path
        The file. If it is there, the search is taken up from it; delete it to start afresh.

    Raises
    ------
    ModelFileError
        From ``begin``, if the file belongs to another search or other data, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._header: dict[str, Any] = {}
        self._done: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._last = time.monotonic()
        self._unsaved = False

    def entropy(self) -> tuple[int, ...] | None:
        """What the random numbers of the search in the file come from; None if there is no file."""
        return tuple(read(self.path, "search")[0]["plan"]["entropy"]) if self.path.exists() else None

    def begin(self, candidates: Sequence[Candidate], plan: Plan) -> None:
        """Compare the file with the search that is to be done, or begin a new one."""
        self._header = {
            "kind": "search",
            "plan": {**asdict(plan), "entropy": list(plan.entropy)},
            "candidates": [[c.name, _digest(c)] for c in candidates],
        }
        if not self.path.exists():
            check_folder(self.path)
            return
        header, self._arrays = read(self.path, "search")
        for key, what in (("plan", "other settings"), ("candidates", "other candidates, or other data")):
            if not same_description(header[key], self._header[key]):
                raise ModelFileError(f"checkpoint {str(self.path)!r} belongs to another search ({what}); delete it to start afresh")
        self._done = header["tasks"]

    def known(self, task: Task) -> Outcome | None:
        """See ``emkit.selection.sweep.Journal``."""
        found = self._done.get(task.key)
        if found is None:
            return None
        about = {"criteria": found["criteria"], "seconds": found["seconds"], "note": found["note"]}
        if found["result"] is None:
            return Outcome(None, **about)
        candidate, row, prefix = task.candidate, found["result"], f"{task.key}."
        model = candidate.model.resolve(candidate.source)
        like = model.null(model.n_hidden or 1, candidate.source.n_features)
        starts = [Start.of_row(start) for start in row["starts"]]
        log_likelihood, log_prior, remaining, total_weight, tolerance = self._arrays[f"{prefix}values"].tolist()
        result = Result(
            model, like.replace_arrays(self._arrays, f"{prefix}params."), log_likelihood, log_prior, row["n_iter"],
            StopReason[row["reason"]], tuple(self._arrays[f"{prefix}trace"].tolist()), remaining, tuple(starts), row["n_rows"],
            total_weight, tolerance, tuple(Sliver(**sliver) for sliver in row["slivers"]),
        )  # fmt: skip
        return Outcome(result, **about)

    def keep(self, task: Task, outcome: Outcome) -> None:
        """See ``emkit.selection.sweep.Journal``."""
        row: dict[str, Any] | None = None
        result = outcome.result
        if result is not None:
            prefix = f"{task.key}."
            self._arrays.update(result.params.flatten(f"{prefix}params."))
            self._arrays[f"{prefix}trace"] = np.asarray(result.trace, dtype=np.float64)
            values = [result.log_likelihood, result.log_prior, result.remaining, result.total_weight, result.tolerance]
            self._arrays[f"{prefix}values"] = np.array(values, dtype=np.float64)
            row = {
                "n_iter": result.n_iter,
                "reason": result.reason.name,
                "n_rows": result.n_rows,
                "starts": [start.row() for start in result.starts],
                "slivers": [asdict(sliver) for sliver in result.slivers],
            }
        criteria = {name: float(value) for name, value in outcome.criteria.items()}
        self._done[task.key] = {"result": row, "criteria": criteria, "seconds": outcome.seconds, "note": outcome.note}
        self._unsaved = True
        if time.monotonic() - self._last >= _EVERY:
            self.flush()

    def flush(self) -> None:
        """Write it, if there is anything new."""
        if self._unsaved:
            write(self.path, {**self._header, "tasks": self._done}, self._arrays)
            self._last, self._unsaved = time.monotonic(), False


def _digest(candidate: Candidate) -> str:
    """Of the model and the data that a candidate is about."""
    if candidate.model is None:
        return candidate.refused
    arrays: dict[str, np.ndarray] = {}
    about = [describe(candidate.model, arrays, "model"), candidate.tol, candidate.max_iter, repr(candidate.starts)]
    total = hashlib.sha256(repr([about, repr(candidate.algorithm)]).encode())
    for name in sorted(arrays):
        total.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    total.update(_of_data(candidate.source))
    return total.hexdigest()


def _of_data(source: Source) -> bytes:
    summary = source.summary
    sizes = np.array([source.n_rows, source.n_features, source.total_weight], dtype=np.float64)
    return b"".join(np.ascontiguousarray(part).tobytes() for part in (sizes, summary.mean, summary.variance, summary.spread))
