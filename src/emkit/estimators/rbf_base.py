"""What both RBF networks have in common, whether they predict numbers or classes: reading, attributes, files."""

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from emkit.core.checks import count, one_of
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.monitor import Monitors
from emkit.core.result import StopReason
from emkit.data.names import check_columns
from emkit.data.tables import read_table
from emkit.data.validate import check_weights
from emkit.estimators.asked import AskedByPrograms, Predicts
from emkit.estimators.partial import NoPartialFit
from emkit.estimators.plotting import PlottedRegression, rbf_units
from emkit.estimators.rbf_inputs import inputs_of
from emkit.estimators.reporting import Reported, drawing, kinds_of, ordered, scores_of, settings_of
from emkit.estimators.settings import make_rng
from emkit.estimators.targets import column_of_target
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.search import KINDS, STOPPED, Tried, Wanted
from emkit.models.rbf.user_units import Described

WIDTHS, CENTERS = ("columns", "units"), ("metric", "input", "joint")


class RBFNetwork(Reported, Predicts, PlottedRegression, AskedByPrograms, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators. You implement ``_fit_network``, ``_described`` and the predictions."""

    size_setting = "n_units"
    finds_size = True
    has_result = False
    partial_fit = NoPartialFit("its units and widths come from all rows together; fit all rows")
    pictures = ("prediction",)

    n_units: Any
    units: Any
    widths: Any
    centers: Any
    random_state: Any
    monitors: Any

    @abstractmethod
    def _fit_network(self, x: np.ndarray, target: Any, weights: np.ndarray | None, wanted: Wanted, inputs: Inputs | None) -> Any:
        """The network with the units that are wanted; ``inputs`` is their distribution, where cells are missing."""

    @abstractmethod
    def _described(self, network: Any) -> Described:
        """Centres, widths and weights in the user's units."""

    def _fit_rows(self, X: Any, read: Callable[[int, np.ndarray | None], tuple[Any, Any]], sample_weight: Any) -> Any:
        """Fit to rows. From their number and weights ``read`` makes the target, and what else is to be known of it: returned."""
        from threadpoolctl import threadpool_limits

        one_of(self.widths, WIDTHS, "widths")
        one_of(self.units, ("auto", *KINDS), "units")
        table = read_table(X)
        for j, column in enumerate(table.columns.items):
            if column.levels is not None:
                raise DataError(
                    f"{table.columns.called(j)} holds texts or categories, which have no distances: encode it as numbers, such "
                    "as a column of 0 and 1 for each level",
                    column=column.name,
                )
        x = table.x.astype(np.float64, copy=False)
        weights = check_weights(sample_weight, len(x))
        weights = None if weights is None else np.asarray(weights, np.float64)
        target, about = read(len(x), weights)
        watch = Monitors(list(self.monitors or ()))
        watch.begin()
        cut: list[StopReason] = []

        def report(tried: Tried) -> None:
            watch.say(f"{tried.n_units} {tried.units} units: log evidence {tried.log_evidence:.2f}")

        def halted() -> bool:
            asked = watch.asked()
            if asked is not None and not cut:
                cut.append(asked)
            return asked is not None

        rng = np.random.default_rng(make_rng(self.random_state).integers(0, 2**31))
        with threadpool_limits(1, user_api="blas"):  # matrices are small: threads of BLAS would take 50 times the CPU time
            centers, seed = self._centers(x.shape[1]), int(rng.integers(2**62))
            wanted = Wanted(self._size(), self.units, self.widths, centers, seed, halted, report)
            network = self._fit_network(x, target, weights, wanted, inputs_of(x, weights))
        self._take_on(network, table.columns)
        if STOPPED in network.notes and not cut:  # by Ctrl-C
            cut.append(StopReason.INTERRUPTED)
        self._cut_off = cut[0].value if cut else None
        return about

    def _take_on(self, network: Any, columns: Columns) -> None:
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_, self._columns, self._network = len(columns), columns, network
        if columns.named:
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        self.n_units_ = network.units.count
        self.units_ = "linear" if not self.n_units_ else "normalised" if network.units.normalised else "plain"
        self.log_evidence_ = network.log_evidence
        self.candidates_ = [dict(vars(one)) for one in network.table]

    def fit_target(self, X: Any, y: Any, weights: Any) -> Self:
        """``fit`` with a target, a table of one column, and weights."""
        own: Any = self
        found: Self = own.fit(X, column_of_target(y, len(X))[0], sample_weight=weights)
        return found

    def _size(self) -> int | str:
        if isinstance(self.n_units, str):
            return one_of(self.n_units, ("auto",), "n_units")
        return count(self.n_units, "n_units")

    def _centers(self, d: int) -> Any:
        if isinstance(self.centers, str):
            return one_of(self.centers, CENTERS, "centers")
        given = np.asarray(self.centers, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != d or not len(given) or not np.isfinite(given).all():
            raise ParameterError(f"centers: give an array (K, {d}) of finite numbers, or one of {CENTERS}", parameter="centers")
        if not isinstance(self.n_units, str) and self.n_units != len(given):
            raise ParameterError(f"n_units={self.n_units}, but there are {len(given)} centers", parameter="n_units")
        return given

    # --- after the fit ------------------------------------------------------------------------------------------------

    def _fitted(self) -> Any:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "_network")
        return self._network

    def _rows(self, X: Any) -> np.ndarray:
        """New rows, their columns compared with those of the fit."""
        network = self._fitted()
        table = read_table(X, like=self._columns, every_column=False)
        x = table.x.astype(np.float64, copy=False)
        names, known = (columns.names if columns.named else None for columns in (table.columns, self._columns))
        if names is not None and known is not None and set(names) == set(known):  # in any order
            x = x[:, [names.index(name) for name in known]]
        else:
            check_columns(names, len(table.columns), known, self.n_features_in_, type(self).__name__)
        if network.inputs is None and np.isnan(x).any():
            row, j = map(int, np.argwhere(np.isnan(x))[0])
            raise DataError(
                f"{self._columns.called(j)} row {row} is missing (NaN), and in the fit no cell was, so that nothing is known of "
                "how inputs hang together: fit to rows with missing cells, or impute the row",
                column=self._columns[j].name, row=row,
            )  # fmt: skip
        return x

    @property
    def columns_(self) -> Columns:
        """The schema of the inputs."""
        self._fitted()
        return self._columns

    @property
    def centers_(self) -> np.ndarray:
        """Centres in the columns' units, (K, d)."""
        return self._described(self._fitted()).centers

    @property
    def widths_(self) -> np.ndarray:
        """Widths in the columns' units, (d,) or (K, d)."""
        found = self._described(self._fitted())
        return found.widths if self.widths == "columns" else found.factors[:, None] * found.widths

    @property
    def relevance_(self) -> np.ndarray:
        """Share of each column, (d,)."""
        return np.asarray(self._fitted().relevance)

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in self.__dict__

    def cut_off(self) -> str | None:
        """Why the search ended before it was done; None if it did not."""
        self._fitted()
        found: str | None = self._cut_off
        return found

    def standard_errors_of_rows(self, X: Any, weights: Any, labels: Any, **how: Any) -> Any:
        """Raises ParameterError: the weights are integrated out."""
        raise ParameterError("an RBF network's weights are integrated out: predict(X, return_std=True) says how sure it is")

    def parameters(self) -> dict[str, np.ndarray]:
        """What is shown of the network, by name."""
        names = ("centers", "widths", "weights", "linear", "intercept", "relevance")
        return {name: np.asarray(getattr(self, f"{name}_")) for name in names}

    def more_of_fit(self) -> dict[str, Any]:
        """Units, evidence and what was tried."""
        return {
            "n_units": self.n_units_, "units": self.units_, "log_evidence": self.log_evidence_, "candidates": self.candidates_,
            "notes": list(self._fitted().notes),
        }  # fmt: skip

    def _units(self) -> Any:
        return rbf_units(self)

    def _subject(self, X: Any, y: Any = None, sample_weight: Any = None, **more: Any) -> Any:
        """As other estimators', without what the engine says: there is no hidden label, and no likelihood."""
        from emkit.report.subject import Subject

        network, x, cut = self._fitted(), self._rows(X), self.cut_off()
        if more:
            raise ParameterError(f"{type(self).__name__}.fit has no {next(iter(more))!r}", parameter=next(iter(more)))
        fit_params = {"y": y, "sample_weight": sample_weight}
        return Subject(
            estimator=type(self).__name__, in_words=self.summary().splitlines()[0], columns=self._columns,
            kinds=kinds_of(self, self._columns), x=x, summary=self.summary(), parameters=self.parameters(),
            settings=settings_of(self), pictures=ordered(self, X), draw=drawing(self, X, fit_params),
            find_errors=lambda: self.standard_errors_of_rows(X, None, None), candidates=self.candidates_,
            weights=check_weights(sample_weight, len(x)), notes=[cut] if cut else [],
            remarks=[f"{note[0].upper()}{note[1:]}." for note in network.notes], scores=scores_of(self, X, fit_params),
            criteria={"log evidence (higher is better)": f"{self.log_evidence_:.6g}"},
        )  # fmt: skip

    def summary(self) -> str:
        """What was found, in a few lines."""
        network = self._fitted()
        names = list(self._columns.names)
        k, relevance = self.n_units_, self.relevance_
        what = f"{k} {self.units_} unit{'s' * (k > 1)}" if k else "linear model"
        lines = [f"{self._in_words()}: {what}"]
        if np.isfinite(self.log_evidence_):  # there is none of a constant target
            lines.append(f"  log evidence {self.log_evidence_:.2f}")
        lines += [f"  {note}" for note in network.notes]
        for j in np.argsort(-relevance, kind="stable")[:10]:
            width = f", width {self.widths_[..., j].mean():.4g}" if k else ""
            lines.append(f"  {names[j]}: relevance {relevance[j]:.3f}{width}")
        return "\n".join(lines)

    def _in_words(self) -> str:
        return "Radial basis function network"

    # --- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to one ``.safetensors`` file; ``emkit.load`` reads it.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        OSError
            If the file cannot be written; an older one survives.
        """
        from emkit.io.recordfile import save_record

        network = self._fitted()
        settings = {name: value for name, value in self.get_params(deep=False).items() if name != "monitors"}
        save_record(
            path, network, estimator=type(self).__name__, settings=settings, columns=self._columns, more=self._more_to_save()
        )

    def _more_to_save(self) -> dict[str, Any]:
        """What there is besides the network."""
        return {"cut_off": self._cut_off}

    @classmethod
    def _from_record(cls, record: Any, settings: dict[str, Any], columns: Columns, more: dict[str, Any]) -> Self:
        face = cls(**settings)
        face._take_on(record, columns)
        face._cut_off = more["cut_off"]
        face._take_more(more)
        return face

    def _take_more(self, more: dict[str, Any]) -> None:
        """Take back what ``_more_to_save`` gave."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
