"""``plot``: each estimator's own pictures, and the one that is chosen where none is named."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError

if TYPE_CHECKING:
    from emkit.plots.view import View

_FEW = 4  # columns of a matrix of pairs that is drawn unasked


class Plotted:
    """Base of what can be drawn. You give ``pictures``, the first of which is drawn where there is no better one."""

    pictures: ClassVar[tuple[str, ...]] = ("trace", "starts")
    """Functions of ``emkit.plots``."""
    without_data: ClassVar[tuple[str, ...]] = ("trace", "starts", "transitions", "network")
    label_word: ClassVar[str] = "component"
    """What one value of the hidden label is called."""
    together_word: ClassVar[str] = "group"
    """What rows that hang together are called."""

    def plot(self, X: Any = None, kind: str | None = None, ax: Any = None, **options: Any) -> Any:
        """A picture of the fit, by matplotlib; returns the axes that it is in.

        Parameters
        ----------
        X : data, optional
            As ``predict`` takes them. Some pictures need none.
        kind : str, optional
            The name of a function of ``emkit.plots`` that this estimator has: mixtures "components", "responsibilities",
            "uncertainty", "parallel", "profiles"; hidden Markov models also "states_over_time", "transitions", "pseudo_residuals";
            all "trace" and "starts". Default: what suits model and data.
        ax : matplotlib axes, or array of them, optional
            Default: a figure of its own.
        options
            Of the function: ``columns`` to choose columns, ``lengths`` of sequences, ...

        Raises
        ------
        ParameterError
            For a kind that there is not, and for one that needs data where there are none.
        NotFittedError
        ImportError
            Without matplotlib.
        """
        from emkit import plots

        if kind is None:
            kind = self._best_picture(X, options)
        draw = getattr(plots, one_of(kind, self.pictures, "kind"))
        return draw(self, ax=ax, **options) if kind in self.without_data else draw(self, X, ax=ax, **options)

    def _best_picture(self, X: Any, options: dict[str, Any]) -> str:
        """The kind that suits."""
        return self.pictures[0]

    def _component_names(self, k: int) -> tuple[str, ...]:
        return tuple(f"{self.label_word} {i}" for i in range(k))

    def _numeric_columns(self) -> tuple[int, ...] | None:
        """Numbers of the columns that are numbers, as the family says; None where the data alone tell."""
        return None


class PlottedRows(Plotted):
    """Pictures of mixtures. Whoever inherits it has the methods of ``RowFace``."""

    pictures: ClassVar[tuple[str, ...]] = (
        "components",
        "responsibilities",
        "uncertainty",
        "parallel",
        "profiles",
        "trace",
        "starts",
    )

    def _view(self: Any, X: Any = None, **read: Any) -> "View":
        """What pictures are drawn from: the model, and what it says of rows."""
        from emkit.plots.view import View

        current = self._current()
        model, columns = current.model, self.columns_
        (child,) = model.children
        family, params = model.part(child), child.of(current.params)
        source = None if X is None else self._picture_rows(X, **read)
        resp = None if source is None else self._infer(source, "marginals").marginals
        x = None if source is None else np.asarray(source.joined().x, dtype=np.float64)
        names = self._component_names(model.n_hidden)
        weights = np.asarray(current.params.weights, dtype=np.float64)
        return View(columns, family, params, weights, names, x, resp, self._shapes(), numbers(family, columns))

    def _picture_rows(self: Any, X: Any) -> Any:
        return self._new(X)

    def _numeric_columns(self) -> tuple[int, ...] | None:
        return self._view().numeric

    def _shapes(self: Any) -> tuple[Any, Any]:
        """Family and parameters of the components that have an ellipse."""
        current = self._current()
        (child,) = current.model.children
        return current.model.part(child), child.of(current.params)

    def _best_picture(self: Any, X: Any, options: dict[str, Any]) -> str:
        columns = self._view().numeric
        if "columns" in options or len(columns) == len(self.columns_) <= _FEW:
            return "components"
        return "parallel" if len(columns) == len(self.columns_) else "profiles"


class PlottedSequences(Plotted):
    """Pictures of hidden Markov models. Whoever inherits it has the methods of ``AfterTheFit``."""

    pictures: ClassVar[tuple[str, ...]] = (
        "states_over_time", "transitions", "components", "pseudo_residuals", "responsibilities", "uncertainty", "parallel",
        "profiles", "trace", "starts",
    )  # fmt: skip

    label_word: ClassVar[str] = "state"
    together_word: ClassVar[str] = "sequence"

    def _numeric_columns(self: Any) -> tuple[int, ...] | None:
        return numbers(self._hypothesis()[0].family, self._worker().columns_)

    def _view(self: Any, X: Any = None, lengths: Any = None) -> "View":
        """What pictures are drawn from: the model, and what it says of the steps, in their order."""
        from emkit.plots.view import View

        model, params = self._hypothesis()
        family, emissions = model.family, params.emissions
        columns, names = self._worker().columns_, self._component_names(model.n_states)
        found = x = resp = path = None
        if X is not None:
            found = replace(self._new(X, lengths), position=None)  # in the order of time, whatever rows came in
            x = np.asarray(found.x, dtype=np.float64)
            resp, path = self.predict_proba(found), self.predict(found)
        weights = self._long_run(params) if resp is None or not len(resp) else resp.mean(axis=0)
        return View(
            columns, family, emissions, weights, names, x, resp, (family, emissions), numbers(family, columns),
            None if found is None else np.asarray(found.lengths), path, np.asarray(params.transmat),
        )  # fmt: skip

    def _long_run(self: Any, params: Any) -> np.ndarray:
        """Shares of the states without data: the stationary distribution; of a chain that ends, equal ones."""
        from emkit.models.hmm.stationary import stationary

        k = len(params.startprob)
        return np.full(k, 1.0 / k) if params.endprob is not None else np.asarray(stationary(params.transmat))

    def _best_picture(self: Any, X: Any, options: dict[str, Any]) -> str:
        return "transitions" if X is None else "states_over_time"


class PlottedRegression(Plotted):
    """Pictures of regressions."""

    pictures: ClassVar[tuple[str, ...]] = ("prediction", "trace", "starts")

    def plot(self, X: Any = None, y: Any = None, kind: str | None = None, ax: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """A picture of the fit, by matplotlib; returns the axes that it is in.

        Parameters
        ----------
        X : data, optional
            Inputs.
        y : array, optional
            Targets, drawn as points.
        kind : {"prediction", "trace", "starts"}, optional
            Default: the prediction over one or two inputs (``columns=`` chooses them).
        ax : matplotlib axes, optional
            Default: a figure of its own.
        options
            Of the function of ``emkit.plots``.

        Raises
        ------
        ParameterError, NotFittedError, ImportError
        """
        more = {"y": y} if (kind or self.pictures[0]) == "prediction" else {}
        return super().plot(X, kind, ax, **more, **options)


def rbf_units(network: Any) -> Any:
    """The units of a fitted RBF network, in the columns' own units."""
    from emkit.plots.asking import Units

    centres, widths = network.centers_, np.broadcast_to(network.widths_, network.centers_.shape)

    def share(rows: np.ndarray) -> np.ndarray:
        logs = -0.5 * (((rows[:, None] - centres) / widths) ** 2).sum(axis=2)
        if network.units_ == "normalised":
            logs = logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)
        return np.asarray(np.exp(logs))

    return Units("unit", share, centres, widths)


def numbers(family: Any, columns: Columns) -> tuple[int, ...]:
    """Columns that are numbers, not levels of a category."""
    words: Sequence[str] = family.column_words(len(columns))
    return tuple(
        j for j, (column, word) in enumerate(zip(columns.items, words, strict=True))
        if column.levels is None and word not in ("categorical", "categoricalbygroup", "bernoulli", "given")
    )  # fmt: skip


class PlottedNetwork(Plotted):
    """Pictures of a Bayesian network."""

    pictures: ClassVar[tuple[str, ...]] = ("network", "trace", "starts")

    def _best_picture(self, X: Any, options: dict[str, Any]) -> str:
        return "network"

    def _numeric_columns(self) -> tuple[int, ...] | None:
        return None

    def _view(self, X: Any = None, **read: Any) -> "View":
        raise ParameterError("rows of a network have no single hidden label: draw emkit.plots.network", parameter="estimator")

    @abstractmethod
    def _drawn(self, tables: Any) -> Any:
        """The graph, as ``emkit.plots.network`` draws it."""
