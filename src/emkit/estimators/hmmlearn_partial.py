"""``partial_fit`` in hmmlearn's faces."""

from dataclasses import dataclass
from typing import Any, Self

from emkit.estimators.hmmlearn import HmmlearnFace, second_lengths


@dataclass(kw_only=True, eq=False, repr=False)
class PartialHmmlearnFace(HmmlearnFace):
    """Base of hmmlearn's faces that learn from sequences as they arrive."""

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        states: Any = None,
        forget: float | None = None,
    ) -> Self:
        """Learn from further sequences, as ``HMM.partial_fit``; ``lengths`` may come second, as in ``fit``."""
        begun = "_hmm" in self.__dict__ and "result_" in self._inner().__dict__
        inner = self._inner() if begun else self._ready_inner()
        if begun:
            inner.set_params(**self.__dict__.get("_given_first", {}))  # a model from a file has its settings only
        lengths = second_lengths(X, y, lengths)
        inner.partial_fit(X, lengths=lengths, sample_weight=sample_weight, states=states, forget=forget)
        if "result_" in inner.__dict__:
            self._take_note(inner.result_, inner.n_features_in_)
        return self
