"""From a model file back to an estimator."""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from emkit._names import MODULES, group
from emkit.core.errors import ModelFileError
from emkit.estimators.face import Face
from emkit.io.container import kind_of
from emkit.io.modelfile import load_model
from emkit.io.recordfile import KIND, load_record


def load(path: str | os.PathLike[str], *, classes: Sequence[type] = ()) -> Any:
    """Read a fitted model that ``save`` wrote; predicts with the same bits.

    Parameters
    ----------
    path : path
    classes : sequence of type
        Families, models, priors and estimators of your own that the file may hold. Nothing else is imported because a file says so.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If the file is damaged, truncated, not emkit's, or from a newer emkit.
    """
    if kind_of(path) == KIND:
        return _of_record(path, classes)
    own = {kind.__name__: kind for kind in classes if issubclass(kind, Face)}
    saved = load_model(path, classes)
    name = saved.estimator
    if name not in own and name not in (*group("estimators"), *group("regressors")):
        raise ModelFileError(
            f"{os.fspath(path)!r} holds a {name!r}, which is not part of this emkit; pass the class to load(path, classes=[...]) "
            "if it is yours, or upgrade emkit"
        )
    try:
        return (own[name] if name in own else getattr(import_module(MODULES[name]), name))._from_saved(saved)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{os.fspath(path)!r}: its settings do not make sense to this emkit ({error!r})") from error


def version_of(path: str | os.PathLike[str]) -> str:
    """The emkit version that wrote a model file."""
    return load_record(path)[-1] if kind_of(path) == KIND else load_model(path).version


def _of_record(path: str | os.PathLike[str], classes: Sequence[type]) -> Any:
    """An estimator that is no engine model."""
    name, record, settings, columns, more, _ = load_record(path, classes)
    if name not in group("regressors"):
        raise ModelFileError(f"{os.fspath(path)!r} holds a {name!r}, which is not part of this emkit; upgrade emkit")
    try:
        return getattr(import_module(MODULES[name]), name)._from_record(record, settings, columns, more)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{os.fspath(path)!r}: its settings do not make sense to this emkit ({error!r})") from error
