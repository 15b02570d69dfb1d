"""``--model gaussian-mixture``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.cli.exits import Refusal
from emkit.cli.models.registry import ModelCommands


class GaussianMixtureCommands:
    """Gaussian mixtures on the command line."""

    name = "gaussian-mixture"
    estimator = "GaussianMixture"

    def build(self, settings: Mapping[str, Any]) -> Any:
        """Refuses a missing number of components and settings that the estimator does not have."""
        from emkit.estimators.gaussian_mixture import GaussianMixture

        if "n_components" not in settings:
            raise Refusal("say how many components the mixture has, e.g. -k 3")
        known = set(GaussianMixture().get_params(deep=False)) - {
            "monitors",
            "checkpoint",
            "verbose",
            "verbose_interval",
            "warm_start",
        }
        unknown = sorted(set(settings) - known)
        if unknown:
            raise Refusal(f"{self.name} has no setting {', '.join(map(repr, unknown))}; it has: {', '.join(sorted(known))}")
        return GaussianMixture(**settings)

    def added_columns(self, fitted: Any, rows: Any) -> dict[str, np.ndarray]:
        """``label``, the most probable component, and its responsibilities ``p0`` to ``p{K-1}``."""
        responsibilities = fitted.predict_proba(rows)
        added = {"label": responsibilities.argmax(axis=1)}
        return added | {f"p{k}": responsibilities[:, k] for k in range(responsibilities.shape[1])}

    def criteria(self, fitted: Any) -> dict[str, float]:
        """AIC and BIC of the fit."""
        return {"aic": fitted.aic(), "bic": fitted.bic()}

    def parameters(self, fitted: Any) -> dict[str, Any]:
        """Weights, means and covariances, in scikit-learn's shapes."""
        return {"weights": fitted.weights_, "means": fitted.means_, "covariances": fitted.covariances_}

    def text(self, fitted: Any) -> str:
        """The estimator's own summary."""
        return str(fitted.summary())


MODEL: ModelCommands = GaussianMixtureCommands()
