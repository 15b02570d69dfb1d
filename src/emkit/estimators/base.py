"""What every scikit-learn face shares: reading data, random states, weights, files."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from emkit.core.errors import ParameterError
from emkit.core.monitor import Monitor, PrintProgress
from emkit.core.result import Result, StopReason
from emkit.data.rows import ArraySource
from emkit.data.tables import as_frame, read_matrix
from emkit.data.validate import check_weights
from emkit.execute.threads import Threads


def make_rng(random_state: Any) -> np.random.Generator:
    """A Generator from None, an int, a RandomState or a Generator."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**31 - 1, size=4))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"random_state={random_state!r}: give a nonnegative integer, a Generator, a RandomState or None"
        ) from error


class Face(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators."""

    result_: Result
    n_features_in_: int

    _adopt: Callable[[Result], None]
    """Each face's own: set the fitted attributes from a result."""

    def _matrix_source(self, X: Any, sample_weight: Any, *, reset: bool, min_rows: int = 1) -> ArraySource:
        """Validated rows; with ``reset`` remembers the columns, without it compares them with what was fitted."""
        # A column with nothing in it cannot be learnt from; in new rows it is merely missing.
        matrix, names = read_matrix(X, min_rows=min_rows, every_column=reset)
        validate_data(self, as_frame(X) if names is not None else matrix, reset=reset, skip_check_array=True)
        return ArraySource(matrix, check_weights(sample_weight, len(matrix)), names, checked=True)

    def _checkpoint(self) -> Any:
        """What the user gave: a Checkpoint, or a path for one."""
        given = getattr(self, "checkpoint", None)
        if isinstance(given, str | os.PathLike):
            from emkit.io.checkpoint import Checkpoint

            return Checkpoint(given)
        return given

    def _executor(self) -> Threads:
        return Threads(getattr(self, "n_jobs", None))

    def _monitors(self) -> list[Monitor]:
        given: Sequence[Monitor] = getattr(self, "monitors", None) or ()
        for monitor in given:
            if not isinstance(monitor, Monitor):
                raise ParameterError(f"monitors holds {monitor!r}, which is not an emkit.Monitor")
        loud = getattr(self, "verbose", 0)
        return [*given, *([PrintProgress(getattr(self, "verbose_interval", 10))] if loud else [])]

    def _report(self, result: Result) -> None:
        """Warn when the fit did not end the way the user would assume."""
        if result.converged or (result.tolerance == 0 and result.reason is StopReason.MAX_ITER):
            return
        advice = {
            StopReason.MAX_ITER: "raise max_iter, or tol if that is close enough",
            StopReason.COLLAPSED: "use the default prior, fewer components, or a simpler covariance_type",
        }.get(result.reason, "")
        still = f"; about {result.remaining:.2g} nats still to gain" if np.isfinite(result.remaining) else ""
        warnings.warn(
            f"{result.reason.value} (after {result.n_iter} iterations{still})" + (f"; {advice}" if advice else ""),
            ConvergenceWarning,
            stacklevel=4,  # the line that called fit
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one ``.safetensors`` file; ``emkit.load`` reads it.

        The file replaces an older one only when it is complete.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        OSError
            If the file cannot be written; an older one survives.
        """
        from emkit.io.modelfile import save_model

        check_is_fitted(self, "result_")
        kept = {name: None if name in ("monitors", "checkpoint") else value for name, value in self.get_params(deep=False).items()}
        names = getattr(self, "feature_names_in_", None)
        save_model(
            path,
            self.result_,
            estimator=type(self).__name__,
            settings=kept,
            columns=None if names is None else tuple(str(name) for name in names),
            n_features=int(self.n_features_in_),
        )

    @classmethod
    def _from_saved(cls, saved: Any) -> Self:
        face = cls(**saved.settings)
        face.n_features_in_ = saved.n_features
        if saved.columns is not None:
            face.feature_names_in_ = np.array(saved.columns, dtype=object)
        face._adopt(saved.result)
        return face
