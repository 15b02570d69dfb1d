"""From a model file back to an estimator."""

import os
from typing import Any

from emkit.core.errors import ModelFileError
from emkit.io.modelfile import load_model


def load(path: str | os.PathLike[str]) -> Any:
    """Read a fitted model that ``save`` wrote; predicts with the same bits.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If the file is damaged, truncated, not emkit's, or from a newer emkit.
    """
    from emkit.estimators.gaussian_mixture import GaussianMixture

    known = {"GaussianMixture": GaussianMixture}
    saved = load_model(path)
    if saved.estimator not in known:
        raise ModelFileError(f"{os.fspath(path)!r} holds a {saved.estimator!r}, which this emkit does not know; upgrade emkit")
    return known[saved.estimator]._from_saved(saved)
