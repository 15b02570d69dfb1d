"""scikit-learn's way to a picture: ``XDisplay.from_estimator(model, X)``."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from emkit.plots.certainty import uncertainty
from emkit.plots.mixtures import components
from emkit.plots.regressions import prediction
from emkit.plots.states import states_over_time


class Display:
    """A picture that can be drawn again: in other axes, or with other options.

    Attributes
    ----------
    ax_, figure_ : matplotlib axes, or array of them, and Figure
        Of the latest picture.
    """

    draw: ClassVar[Callable[..., Any]]

    def __init__(self, estimator: Any, data: tuple[Any, ...], options: Mapping[str, Any]):
        self.estimator, self.data, self.options = estimator, data, dict(options)

    @classmethod
    def from_estimator(cls, estimator: Any, *data: Any, ax: Any = None, **options: Any) -> Self:
        """Draw what the function of the same name in ``emkit.plots`` draws; ``data`` are X, for regressions X and y."""
        return cls(estimator, data, options).plot(ax)

    def plot(self, ax: Any = None, **options: Any) -> Self:
        """Draw it, with these options beside those given before."""
        self.ax_ = type(self).draw(self.estimator, *self.data, ax=ax, **{**self.options, **options})
        self.figure_ = (self.ax_ if hasattr(self.ax_, "figure") else self.ax_.ravel()[0]).figure
        return self


class ComponentsDisplay(Display):
    """Components of a mixture over the data: see ``emkit.plots.components``."""

    draw = staticmethod(components)


class UncertaintyDisplay(Display):
    """How uncertain components of rows are: see ``emkit.plots.uncertainty``."""

    draw = staticmethod(uncertainty)


class StatesDisplay(Display):
    """States of a hidden Markov model over time: see ``emkit.plots.states_over_time``."""

    draw = staticmethod(states_over_time)


class PredictionDisplay(Display):
    """What a regression predicts: see ``emkit.plots.prediction``."""

    draw = staticmethod(prediction)
