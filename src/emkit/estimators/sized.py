"""How many components, classes or states: the one setting that every estimator has under a name of its own, or "auto"."""

from typing import Any, ClassVar, Self

from emkit.core.block import Source
from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.model import Model
from emkit.estimators.asked import AskedByPrograms


class Sized(AskedByPrograms):
    """What follows from ``size_setting``, the name of that setting."""

    reading_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that the data are read by: estimators that have them in common can share what was read."""

    def _asked_size(self) -> Any:
        return getattr(self, self.size_setting)

    def _searches(self) -> bool:
        """Whether the number is to be found, unless a fit that goes on from an earlier one has it already."""
        state: Any = self
        searches = self.finds_size and isinstance(size := self._asked_size(), str) and size == "auto"
        return searches and not (state.warm_start and "result_" in state.__dict__)

    def _size(self) -> int:
        """The number: as it was given, or as the last fit found it. Raises ParameterError for what is none."""
        size, fitted = self._asked_size(), self.__dict__.get("result_")
        if isinstance(size, str) and size == "auto":
            return 1 if fitted is None else self._size_of(fitted.model)
        if isinstance(size, str):
            raise ParameterError(
                f"{self.size_setting}={size!r}: give an integer of at least 1, or 'auto'", parameter=self.size_setting
            )
        return count(size, self.size_setting)

    def _size_of(self, model: Model) -> int:
        """The number that a model was made with."""
        return model.n_hidden or 1

    def _search(self, source: Source, width: Any) -> Self:
        """Fit with the number that BIC prefers."""
        from emkit.estimators.auto import search

        search(self, source, width)
        return self
