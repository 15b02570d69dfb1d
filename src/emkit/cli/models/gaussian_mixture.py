"""``--model gaussian-mixture``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.cli.exits import Refusal
from emkit.cli.models.registry import NOT_SETTINGS, Ahead, ModelCommands


class GaussianMixtureCommands:
    """Gaussian mixtures on the command line."""

    name = "gaussian-mixture"
    estimators: tuple[str, ...] = ("GaussianMixture",)

    def known_settings(self) -> set[str]:
        """All but those of one run."""
        from emkit.estimators.gaussian_mixture import GaussianMixture

        return set(GaussianMixture().get_params(deep=False)) - NOT_SETTINGS - {"n_components"}

    def build(self, components: int | None, settings: Mapping[str, Any]) -> Any:
        """Refuses a missing number of components."""
        from emkit.estimators.gaussian_mixture import GaussianMixture

        if components is None:
            raise Refusal("say how many components the mixture has, e.g. -k 3")
        return GaussianMixture(components, **settings)

    def keys(self, estimator: Any) -> dict[str, str]:
        """None: rows are independent."""
        return {}

    def fit(self, estimator: Any, rows: Any, weights: np.ndarray | None, labels: np.ndarray | None) -> None:
        """Refuses labels."""
        if labels is not None:
            raise Refusal("--labels gives the known states of an hmm; a gaussian-mixture has none")
        estimator.fit(rows, sample_weight=weights)

    def added_columns(self, fitted: Any, rows: Any) -> dict[str, np.ndarray]:
        """``label``, the most probable component, and its responsibilities ``p0`` to ``p{K-1}``."""
        responsibilities = fitted.predict_proba(rows)
        added = {"label": responsibilities.argmax(axis=1)}
        return added | {f"p{k}": responsibilities[:, k] for k in range(responsibilities.shape[1])}

    def forecast(self, fitted: Any, rows: Any, horizon: int) -> Ahead:
        """Refuses."""
        raise Refusal("a gaussian-mixture takes rows as independent, so there is nothing to forecast; forecast needs an hmm")

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
