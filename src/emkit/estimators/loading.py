"""From a model file back to an estimator."""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from emkit._names import NAMES
from emkit.core.errors import ModelFileError
from emkit.io.modelfile import load_model


def load(path: str | os.PathLike[str], *, classes: Sequence[type] = ()) -> Any:
    """Read a fitted model that ``save`` wrote; predicts with the same bits.

    Parameters
    ----------
    path : path
    classes : sequence of type
        Families, models and priors of your own that the file may hold. Nothing else is imported because a file says so.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If the file is damaged, truncated, not emkit's, or from a newer emkit.
    """
    known = {name: module for group, name, module in NAMES if group == "estimators"}
    saved = load_model(path, classes)
    if saved.estimator not in known:
        raise ModelFileError(f"{os.fspath(path)!r} holds a {saved.estimator!r}, which this emkit does not know; upgrade emkit")
    try:
        return getattr(import_module(known[saved.estimator]), saved.estimator)._from_saved(saved)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{os.fspath(path)!r}: its settings do not make sense to this emkit ({error!r})") from error
