"""Checkpoints of a fit: what to take up again after a crash, a time limit or Ctrl-C, bit for bit."""

import os
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from emkit.algorithms.carry_on import Progress, Waiting
from emkit.core.block import Source
from emkit.core.describe import describe, same_description
from emkit.core.errors import ModelFileError, ParameterError
from emkit.core.model import Model
from emkit.core.result import Run, Start, StopReason
from emkit.io.container import check_folder, read, write


class Checkpoint:
    """Saves a fit's progress to a file, atomically, and takes it up again if the file is there.

    Parameters
    ----------
    path : path
        The file. Delete it to start afresh.
    every : int, optional
        Save after this number of iterations.
    seconds : float, optional
        Save when this time has passed since the last save. If neither is given, it is 60 seconds.

    Raises
    ------
    ModelFileError
        When a fit begins and the file belongs to other data or another model, or is damaged.
    OSError
        Likewise, if its folder is not there.
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int | None = None, seconds: float | None = None):
        if every is not None and every < 1:
            raise ParameterError(f"every={every!r}: give a number of iterations, at least 1")
        self.path = Path(path)
        self.every = every
        self.seconds = 60.0 if every is None and seconds is None else seconds
        self._count = 0
        self._last = time.monotonic()

    def __str__(self) -> str:
        return f"checkpoint {str(self.path)!r}"

    def due(self) -> bool:
        """Counts an iteration; True when it is time to save."""
        self._count += 1
        by_count = self.every is not None and self._count >= self.every
        by_time = self.seconds is not None and time.monotonic() - self._last >= self.seconds
        return by_count or by_time

    def save(self, model: Model, source: Source, progress: Progress) -> None:
        """Write the progress."""
        arrays: dict[str, np.ndarray] = {}
        for i, waiting in enumerate(progress.queue):
            arrays.update(waiting.params.flatten(f"queue.{i}."))
            arrays[f"queue.{i}.trace"] = np.asarray(waiting.trace, dtype=np.float64)
            arrays.update({f"queue.{i}.carried.{name}": np.asarray(value) for name, value in waiting.carried.items()})
        header: dict[str, Any] = {
            "kind": "checkpoint",
            "fit": _fingerprint(model, source),
            "queue": [[waiting.index, waiting.limit, waiting.value] for waiting in progress.queue],
            "most": progress.most,
            "starts": [start.row() for start in progress.starts],
            "best": None,
        }
        best = progress.best
        if best is not None:
            arrays.update(best.params.flatten("best."))
            arrays["best.trace"] = np.asarray(best.trace)
            arrays["best.values"] = np.array([best.log_likelihood, best.log_prior, best.remaining])
            header["best"] = {"n_iter": best.n_iter, "reason": best.reason.name}
        write(self.path, header, arrays)
        self._count, self._last = 0, time.monotonic()

    def load(self, model: Model, source: Source) -> Progress | None:
        """The progress in the file; None if there is no file."""
        self._count, self._last = 0, time.monotonic()
        if not self.path.exists():
            check_folder(self.path)
            return None
        header, arrays = read(self.path, "checkpoint")
        _refuse_other(header["fit"], _fingerprint(model, source), self.path)
        like = model.null(model.n_hidden or 1, source.n_features)
        queue = [
            Waiting(
                index,
                like.replace_arrays(arrays, f"queue.{i}."),
                tuple(arrays[f"queue.{i}.trace"].tolist()),
                limit,
                value,
                _under(arrays, f"queue.{i}.carried."),
            )
            for i, (index, limit, value) in enumerate(header["queue"])
        ]
        starts = [Start.of_row(row) for row in header["starts"]]
        best = None
        if header["best"] is not None:
            log_likelihood, log_prior, remaining = arrays["best.values"].tolist()
            best = Run(
                like.replace_arrays(arrays, "best."),
                log_likelihood,
                log_prior,
                header["best"]["n_iter"],
                StopReason[header["best"]["reason"]],
                tuple(arrays["best.trace"].tolist()),
                remaining,
            )
        return Progress(starts, queue, best, header["most"])


def _under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _fingerprint(model: Model, source: Source) -> dict[str, Any]:
    """What must agree for a checkpoint to belong to a fit; the resolved model carries the columns' means and variances."""
    arrays: dict[str, np.ndarray] = {}
    description = describe(model, arrays, "model")
    digest = sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return {
        "model": [description, digest.hexdigest()],
        "n_rows": source.n_rows,
        "n_features": source.n_features,
        "total_weight": source.total_weight,
    }


def _refuse_other(found: dict[str, Any], expected: dict[str, Any], path: Path) -> None:
    different = [key for key in expected if not same_description(found.get(key), expected[key])]
    if different:
        what = ", ".join(
            f"{key} was {found.get(key)!r}, is {expected[key]!r}" if key != "model" else "another model, or other data"
            for key in different
        )
        raise ModelFileError(f"checkpoint {str(path)!r} belongs to another fit ({what}); delete it to start afresh")
