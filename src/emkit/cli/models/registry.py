"""Which models the command line knows, and what it asks of each."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from emkit.cli.exits import Refusal

_MODELS = {"gaussian-mixture": "emkit.cli.models.gaussian_mixture"}
"""Name on the command line, and the module that defines ``MODEL``."""


class ModelCommands(Protocol):
    """What a model's file provides."""

    name: str
    """As ``--model`` has it."""
    estimator: str
    """Name of the estimator's class, as model files have it."""

    def build(self, settings: Mapping[str, Any]) -> Any:
        """An unfitted estimator. ``settings`` are its own parameters; those not given are absent."""
        ...

    def added_columns(self, fitted: Any, rows: Any) -> dict[str, np.ndarray]:
        """What ``predict`` adds to the rows, by column name, in order."""
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


def open_model(path: str | os.PathLike[str]) -> tuple[Any, ModelCommands, str]:
    """A model file as a fitted estimator, its commands, and the emkit version that wrote it."""
    from emkit.estimators.loading import load
    from emkit.io.modelfile import load_model

    fitted = load(path)
    found = type(fitted).__name__
    for name in _MODELS:
        model = find_model(name)
        if model.estimator == found:
            return fitted, model, load_model(path).version
    raise Refusal(f"{os.fspath(path)!r} holds a {found}, which the command line cannot use yet; emkit.load reads it in Python")
