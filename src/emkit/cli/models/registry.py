"""Which models the command line knows, and what it asks of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from emkit.cli.exits import Refusal

_MODELS = {"gaussian-mixture": "emkit.cli.models.gaussian_mixture", "hmm": "emkit.cli.models.hmm"}
"""Name on the command line, and the module that defines ``MODEL``."""


NOT_SETTINGS = frozenset({"monitors", "checkpoint", "verbose", "verbose_interval", "warm_start"})
"""Parameters of estimators that the command line sets itself, or that have no meaning there."""


@dataclass(frozen=True)
class Ahead:
    """Forecasts, sequence after sequence, each 1 to ``horizon`` steps ahead."""

    rows: np.ndarray
    """For each sequence the row that is its last step, (S,)."""
    places: np.ndarray | None
    """Values of the order column at the forecast steps, (S * horizon,); None if there is none, or steps are not whole numbers."""
    columns: dict[str, Any]
    """By name, (S * horizon,) each."""


class ModelCommands(Protocol):
    """What a model's file provides."""

    name: str
    """As ``--model`` has it."""
    estimators: tuple[str, ...]
    """Names of the estimators' classes, as model files have them."""

    def known_settings(self) -> set[str]:
        """Names of the estimator's parameters that the command line may set; ``-k`` is not among them."""
        ...

    def build(self, components: int | None, settings: Mapping[str, Any]) -> Any:
        """An unfitted estimator. ``components`` is ``-k``; ``settings`` that were not given are absent, those given are known."""
        ...

    def keys(self, estimator: Any) -> dict[str, str]:
        """Columns that are not data but say which sequence a row belongs to, and its place: by the setting that names them."""
        ...

    def fit(self, estimator: Any, rows: Any, weights: np.ndarray | None, labels: np.ndarray | None) -> None:
        """Fit to a table of the data and key columns; ``weights`` and ``labels`` have one entry for each row, or are None."""
        ...

    def added_columns(self, fitted: Any, rows: Any) -> dict[str, np.ndarray]:
        """What ``predict`` adds to the rows, by column name, in order."""
        ...

    def forecast(self, fitted: Any, rows: Any, horizon: int) -> "Ahead":
        """What comes after the end of each sequence."""
        ...

    def criteria(self, fitted: Any) -> dict[str, float]:
        """Numbers for comparing fits, by name."""
        ...

    def parameters(self, fitted: Any) -> dict[str, Any]:
        """The fitted parameters, by name."""
        ...

    def text(self, fitted: Any) -> str:
        """The fit in words and numbers."""
        ...


def model_names() -> tuple[str, ...]:
    """What ``--model`` accepts."""
    return tuple(_MODELS)


def find_model(name: str) -> ModelCommands:
    """The model of that name; refuses an unknown one."""
    if name not in _MODELS:
        raise Refusal(f"--model {name!r} is unknown; choose one of: {', '.join(_MODELS)}")
    model: ModelCommands = import_module(_MODELS[name]).MODEL
    return model


def check_settings(kind: ModelCommands, settings: Mapping[str, Any]) -> None:
    """Refuse settings that the model's estimator does not have; says which model has them."""
    known = kind.known_settings()
    unknown = sorted(set(settings) - known)
    if unknown:
        other = next((f" (--model {name} does)" for name in _MODELS if set(unknown) <= find_model(name).known_settings()), "")
        raise Refusal(f"{kind.name} has no setting {', '.join(map(repr, unknown))}{other}; it has: {', '.join(sorted(known))}")


def set_gaps(fitted: Any, kind: ModelCommands, gaps: str | None) -> None:
    """Let jumps in the order column of new data mean something else than they did in the fit; None changes nothing."""
    if gaps is None:
        return
    if "order" not in kind.keys(fitted):
        raise Refusal("--gaps says what jumps in an order column mean; this model was fitted without one")
    fitted.set_params(gaps=gaps)


def open_model(path: str | os.PathLike[str]) -> tuple[Any, ModelCommands, str]:
    """A model file as a fitted estimator, its commands, and the emkit version that wrote it."""
    from emkit.estimators.loading import load
    from emkit.io.modelfile import load_model

    fitted = load(path)
    found = type(fitted).__name__
    for name in _MODELS:
        model = find_model(name)
        if found in model.estimators:
            return fitted, model, load_model(path).version
    raise Refusal(f"{os.fspath(path)!r} holds a {found}, which the command line cannot use yet; emkit.load reads it in Python")
