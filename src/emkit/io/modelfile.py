"""Model files: a fitted model in one .safetensors file, its configuration as JSON in the metadata. No pickle."""

import os
from dataclasses import dataclass
from typing import Any

from emkit._version import __version__
from emkit.core.errors import ModelFileError
from emkit.core.result import Result, Run, Start, StopReason
from emkit.io.container import read, write
from emkit.models.registry import model_from_description


@dataclass(frozen=True)
class Saved:
    """What a model file holds."""

    estimator: str
    settings: dict[str, Any]
    columns: tuple[str, ...] | None
    n_features: int
    result: Result
    version: str


def save_model(
    path: str | os.PathLike[str],
    result: Result,
    *,
    estimator: str,
    settings: dict[str, Any],
    columns: tuple[str, ...] | None,
    n_features: int,
) -> None:
    """Write a fitted model; atomically. Raises OSError if that fails, and then the old file survives."""
    header = {
        "kind": "model",
        "emkit_version": __version__,
        "estimator": estimator,
        "settings": settings,
        "columns": None if columns is None else list(columns),
        "n_features": n_features,
        "model": result.model.describe(),
        "result": {
            "log_likelihood": result.log_likelihood,
            "log_prior": result.log_prior,
            "n_iter": result.n_iter,
            "reason": result.reason.name,
            "trace": list(result.trace),
            "remaining": result.remaining,
            "n_rows": result.n_rows,
            "total_weight": result.total_weight,
            "tolerance": result.tolerance,
            "starts": [
                [s.index, s.kind, s.short_objective, s.objective, s.n_iter, s.reason.name if s.reason else None]
                for s in result.starts
            ],
        },
    }
    write(path, header, result.params.flatten())


def load_model(path: str | os.PathLike[str]) -> Saved:
    """Read a model file.

    Raises
    ------
    FileNotFoundError, ModelFileError
        Saying what is wrong with the file.
    """
    header, arrays = read(path, "model")
    try:
        model = model_from_description(header["model"])
        params = model.null_params(int(header["n_features"])).replace_arrays(arrays)
        kept = header["result"]
        starts = tuple(
            Start(index, kind, short, value, n_iter, StopReason[reason] if reason else None)
            for index, kind, short, value, n_iter, reason in kept["starts"]
        )
        run = Run(
            params, kept["log_likelihood"], kept["log_prior"], kept["n_iter"],
            StopReason[kept["reason"]], tuple(kept["trace"]), kept["remaining"],
        )  # fmt: skip
        result = Result(
            model, params, run.log_likelihood, run.log_prior, run.n_iter, run.reason, run.trace,
            run.remaining, starts, kept["n_rows"], kept["total_weight"], kept["tolerance"],
        )  # fmt: skip
        return Saved(
            header["estimator"],
            dict(header["settings"]),
            None if header["columns"] is None else tuple(header["columns"]),
            int(header["n_features"]),
            result,
            str(header.get("emkit_version", "?")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{os.fspath(path)!r}: its description does not make sense ({error!r})") from error
