"""Model files: a fitted model in one .safetensors file, its configuration as JSON in the metadata. No pickle."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from emkit._names import NAMES
from emkit._version import __version__
from emkit.core.columns import Column, Columns
from emkit.core.describe import describe, name_of, rebuild
from emkit.core.errors import ModelFileError
from emkit.core.family import Seen
from emkit.core.result import Result, Run, Start, StopReason
from emkit.core.slivers import Sliver
from emkit.families.column_parts import ColumnPart
from emkit.families.ignored import Ignored
from emkit.families.regression.columns import Places
from emkit.families.regression.frame import Frame
from emkit.io.container import read, write
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.linear import Units
from emkit.models.bayesnet.priors import Penalty
from emkit.models.class_logits import ClassUnits
from emkit.models.concomitant_columns import Layout


@dataclass(frozen=True)
class Saved:
    """What a model file holds. ``as_asked``: whether the result is of the settings as they are: they may have changed since.

    ``arriving``: arrays from which ``partial_fit`` goes on, see ``emkit.algorithms.arriving``; none in files of earlier versions.
    """

    estimator: str
    settings: dict[str, Any]
    columns: Columns
    width: str
    result: Result
    version: str
    as_asked: bool
    arriving: dict[str, np.ndarray]


def save_model(
    path: str | os.PathLike[str],
    result: Result,
    *,
    estimator: str,
    settings: Mapping[str, Any],
    columns: Columns,
    width: str = "float64",
    as_asked: bool = True,
    arriving: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a fitted model, see ``Saved``; atomically. Raises OSError if that fails, and then the old file survives."""
    arrays: dict[str, np.ndarray] = {}
    header = {
        "kind": "model",
        "emkit_version": __version__,
        "estimator": estimator,
        "settings": {name: describe(storable(value), arrays, f"settings.{name}") for name, value in settings.items()},
        "columns": schema_of(columns, arrays),
        "width": width,
        "as_asked": as_asked,
        "model": describe(result.model, arrays, "model"),
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
            "slivers": [[s.label, s.index, s.rows, s.weight, s.because] for s in result.slivers],
            "starts": [start.row() for start in result.starts],
        },
    }
    more = {f"arriving.{name}": value for name, value in (arriving or {}).items()}
    write(path, header, {**arrays, **result.params.flatten("params."), **more})


def storable(value: Any) -> Any:
    """A setting as a file can have it: functions and generators belong to one session and are left out."""
    out_of_place = isinstance(value, Callable | np.random.Generator | np.random.RandomState)  # type: ignore[arg-type]
    return None if out_of_place and not hasattr(value, "__dataclass_fields__") else value


def schema_of(columns: Columns, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns as JSON, short where all are alike: data may have a hundred thousand."""
    return {
        "count": len(columns),
        "named": columns.named,
        "names": list(columns.names) if columns.named else None,
        "kinds": _short([column.kind for column in columns.items]),
        "roles": _short([column.role for column in columns.items]),
        "levels": {str(j): describe(c.levels, arrays, f"columns.{j}") for j, c in enumerate(columns.items) if c.levels is not None},
    }


def _short(values: list[str]) -> str | list[str]:
    """One word if all are the same."""
    return values[0] if len(set(values)) == 1 else values


def columns_from(schema: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Columns:
    """Inverse of ``schema_of``."""
    d = int(schema["count"])
    names = schema["names"] or [f"x{j}" for j in range(d)]
    kinds, roles = (value if isinstance(value, list) else [value] * d for value in (schema["kinds"], schema["roles"]))
    levels = {int(j): rebuild(value, arrays, {}) for j, value in schema["levels"].items()}
    items = (Column(names[j], kinds[j], levels.get(j), roles[j]) for j in range(d))
    return Columns(tuple(items), bool(schema["named"]))


_BUILT = ("families", "models", "variational", "priors", "algorithms")  # groups of names that a file may name
_PARTS = (Seen, ColumnPart, Ignored, Places, Frame, Graph, Units, Penalty, ClassUnits, Layout)  # what these are made of
_FORMERLY = {  # what files of earlier versions call some classes
    "emkit.models.mixture:Mixture": "emkit.models.mixture:FiniteMixture",
    "emkit.families.poisson:Gamma": "emkit.families.poisson:GammaPrior",
    "emkit.families.per_column:ColumnPart": "emkit.families.column_parts:ColumnPart",
    "emkit.families.bernoulli:Beta": "emkit.families.bernoulli:BetaPrior",
}


def known_classes(more: Sequence[type] = ()) -> dict[str, type]:
    """Classes that a file may name: emkit's families, models, priors and algorithms (variational ones too), and ``more``."""
    own = [getattr(import_module(module), name) for group, name, module in NAMES if group in _BUILT]
    known = {name_of(kind): kind for kind in (*_PARTS, *own, *more)}
    return known | {former: known[now] for former, now in _FORMERLY.items()}


def load_model(path: str | os.PathLike[str], classes: Sequence[type] = ()) -> Saved:
    """Read a model file. ``classes``: families, models and priors of your own that it may hold.

    Raises
    ------
    FileNotFoundError, ModelFileError
        Saying what is wrong with the file.
    """
    header, arrays = read(path, "model")
    try:
        known = known_classes(classes)
        model = rebuild(header["model"], arrays, known)
        columns = columns_from(header["columns"], arrays)
        params = model.null(model.n_hidden or 1, len(columns)).replace_arrays(arrays, "params.")
        settings = {name: rebuild(value, arrays, known) for name, value in header["settings"].items()}
        kept = header["result"]
        starts = tuple(Start.of_row(row) for row in kept["starts"])
        run = Run(
            params, kept["log_likelihood"], kept["log_prior"], kept["n_iter"],
            StopReason[kept["reason"]], tuple(kept["trace"]), kept["remaining"],
        )  # fmt: skip
        size = {name: kept[name] for name in ("n_rows", "total_weight", "tolerance")}
        slivers = [Sliver(*row) for row in kept.get("slivers", [])]  # files of earlier versions have none
        result = Result.of(model, run, starts, slivers=slivers, **size)
        return Saved(
            header["estimator"],
            settings,
            columns,
            str(header["width"]),
            result,
            str(header.get("emkit_version", "?")),
            bool(header["as_asked"]),
            {name.removeprefix("arriving."): value for name, value in arrays.items() if name.startswith("arriving.")},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelFileError):
            raise ModelFileError(f"{os.fspath(path)!r}: {error}") from error
        raise ModelFileError(f"{os.fspath(path)!r}: its description does not make sense ({error!r})") from error
