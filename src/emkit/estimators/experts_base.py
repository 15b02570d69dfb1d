"""What mixtures of experts have in common, whether they predict numbers or classes."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.bayes import log_sum_exp, posterior
from emkit.core.block import Source
from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.core.result import Result
from emkit.estimators.face import Job
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.supervised import Supervised
from emkit.families.experts.expert import Expert
from emkit.families.experts.family import Experts
from emkit.families.gaussian.family import Gaussian
from emkit.models.mixture import FiniteMixture

EXPERTS = ("linear", "constant")
_SHOWN = 6  # columns of a summary


@dataclass(eq=False, repr=False)
class MixtureOfExperts(Supervised):
    """Base of the two estimators. You implement ``_expert``, ``_gate_prior`` and ``_target``."""

    finds_size = True
    size_setting = "n_experts"
    label_word = "expert"

    n_experts: Any = "auto"
    expert: str = "linear"
    covariance_type: str = "tied-diag"

    @abstractmethod
    def _expert(self, target: int, columns: Columns | None) -> Expert:
        """The expert's family; ``target`` is the number of its column."""

    @abstractmethod
    def _gate_prior(self) -> Any:
        """The prior of the gate's means and covariances."""

    def build(self, columns: Columns | None) -> FiniteMixture:
        """A FiniteMixture over gate and expert."""
        constant = one_of(self.expert, EXPERTS, "expert") == "constant"
        d = self._width_by_hand() if columns is None else len(columns) - 1
        gate = Gaussian(self.covariance_type, self._gate_prior())
        family = Experts.of(gate, self._expert(d, columns), range(d), target=d, constant=constant)
        weights_prior = self.get_params(deep=False)["weights_prior"]
        return self._with_values(FiniteMixture(family, self._size(), weights_prior, self.init_params))  # type: ignore[return-value]

    def _prepare(self, source: Source, width: Any, distinct: Source | None = None) -> Job:
        k = self._size()
        if source.n_rows < k:
            raise DataError(f"n_experts={k} is more than the {source.n_rows} row(s) of the data: n_samples={source.n_rows}")
        return super()._prepare(source, width, distinct)

    def _width_by_hand(self) -> int:
        """Inputs of parameters that were set by hand."""
        shape = np.shape(self.__dict__.get("_values", {}).get("gate_means", 0.0))
        return shape[1] if len(shape) == 2 else 1

    @property
    def n_experts_(self) -> int:
        """K as it was given, or found."""
        return self._size_of(self.model_)

    # --- the gate -----------------------------------------------------------------------------------------------------

    def _groups(self, X: Any) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
        """For groups of rows: their numbers, the probabilities of the experts given the inputs, and what each predicts."""
        source, current = self._rows(X), self._current()
        model: Any = current.model
        log_weights = current.params.log_weights
        for rows, log_prob, predicted in model.family.predicted(current.params.components, source.x):
            top = log_prob.max(axis=1, keepdims=True)  # taken off first: far away, weights would be lost beside it
            joint = log_prob - np.where(np.isfinite(top), top, 0.0) + log_weights
            found = posterior(joint, log_sum_exp(joint))
            lost = ~(found.sum(axis=1) > 0)  # so far away that no gate has a density there
            found[lost] = current.params.weights
            yield rows, found, predicted

    @answers_lazily(width=lambda face: face._size_of(face._current().model))
    def gate(self, X: Any) -> np.ndarray:
        """Probability of each expert given the observed inputs, (n, K), before the target is known."""
        groups = list(self._groups(X))
        out = np.empty((sum(len(rows) for rows, _, _ in groups), self._size_of(self._current().model)))
        for rows, found, _ in groups:
            out[rows] = found
        return out

    def _units(self) -> Any:
        """Experts as pictures have them: where each is asked."""
        from emkit.plots.asking import Units

        model, params = self._current().model, self._current().params
        found = model.family.gate.family.moments(params.components.parts[0])  # type: ignore[attr-defined]
        d, own = self._n_columns(), list(model.family.gate.columns)  # type: ignore[attr-defined]
        centres, widths = np.zeros((len(found[0]), d)), np.full((len(found[0]), d), np.inf)
        centres[:, own], widths[:, own] = found[0], np.sqrt(found[1])
        return Units("expert", self.gate, centres, widths)

    def responsibilities(self, X: Any, y: Any) -> np.ndarray:
        """Probability of each expert given inputs and target, (n, K)."""
        found = self._infer(self._rows(X, y), "marginals").marginals
        assert found is not None
        return found

    # --- in words -----------------------------------------------------------------------------------------------------

    def _in_words(self, result: Result) -> str:
        k = result.model.n_hidden or 1
        return f"Mixture of {k} {self.expert} expert{'s' * (k > 1)}, {self.covariance_type} gate"

    def _labels_in_words(self, result: Result) -> list[str]:
        """Where each expert is asked, and what it says."""
        model: Any = result.model
        part = model.family.gate
        mean, variance = part.family.moments(result.params.components.parts[0])
        names = [] if model.family.blind else [self.columns_[j].name for j in part.columns]
        more = "   ..." if len(names) > _SHOWN else ""
        lines = ["  " + "   ".join(["expert   weight", *(f"{name[:16]:>16}" for name in names[:_SHOWN])]) + more]
        for k, weight in enumerate(result.params.weights):
            seen = slice(min(len(names), _SHOWN))
            cells = [f"{m:.4g} ({s:.3g})" for m, s in zip(mean[k, seen], np.sqrt(variance[k, seen]), strict=True)]
            lines.append("  " + "   ".join([f"{k:>6}   {weight:.4f}", *(f"{cell:>16}" for cell in cells)]))
        if names:
            lines.append("  where each expert is asked: means of the inputs, standard deviations in brackets")
        return lines

    def _more_in_words(self, result: Result) -> list[str]:
        """Inputs that were left out."""
        model: Any = result.model
        idle = ", ".join(self.columns_[j].name for j in model.family.idle)
        if model.family.blind:
            return [f"  inputs have one value each, which tells nothing: {idle}"]
        return [f"  inputs that have one value are left out: {idle}"] if idle else []

    def _columns_by_moments(self) -> list[int]:
        """Of the gate."""
        return []
