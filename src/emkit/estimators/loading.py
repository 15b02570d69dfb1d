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
    from emkit.estimators.hmm import HMM
    from emkit.estimators.hmm_faces import GMMHMM, CategoricalHMM, GaussianHMM, PoissonHMM

    known: dict[str, Any] = {
        face.__name__: face for face in (GaussianMixture, HMM, GaussianHMM, CategoricalHMM, PoissonHMM, GMMHMM)
    }
    saved = load_model(path)
    if saved.estimator not in known:
        raise ModelFileError(f"{os.fspath(path)!r} holds a {saved.estimator!r}, which this emkit does not know; upgrade emkit")
    try:
        return known[saved.estimator]._from_saved(saved)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{os.fspath(path)!r}: its settings do not make sense to this emkit ({error!r})") from error
