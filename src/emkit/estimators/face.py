"""What every estimator does, whatever its model: fit, warm start, order of components, criteria, files.

A new one adds ``build``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from emkit.algorithms.starts import fit
from emkit.core.block import Block, Source
from emkit.core.checks import mapping
from emkit.core.columns import Columns
from emkit.core.describe import same_snapshot, snapshot
from emkit.core.errors import ParameterError
from emkit.core.fit import Problem
from emkit.core.model import Infer, Inference, Model
from emkit.core.result import Result, StopReason
from emkit.core.warn import warn
from emkit.data.names import check_columns
from emkit.estimators.errors import HasErrors
from emkit.estimators.partial import NoPartialFit
from emkit.estimators.reporting import Reported
from emkit.estimators.settings import Settings, make_rng
from emkit.estimators.sized import Sized
from emkit.estimators.state import State
from emkit.selection.criteria import penalised

_ADVICE = {
    StopReason.MAX_ITER: "; raise max_iter, or tol if that is close enough",
    StopReason.COLLAPSED: "; use the default prior, fewer components, or a simpler covariance_type",
}
_AGAINST_SLIVERS = (
    "It may say nothing of other data: give a stronger prior, let components share parameters or have fewer (such as "
    "covariance_type='tied' or 'diag'), or take fewer components"
)


def warn_of_light(source: Source) -> None:
    """Warn of weights that make a row next to nothing."""
    if source.total_weight < 0.01 * source.n_rows:
        warn(
            f"sample_weight adds up to {source.total_weight:.3g} for {source.n_rows} rows; a weight says how many rows a row "
            "stands for, so a prior worth about one row now outweighs the data. Multiply the weights, or give prior=None"
        )


@dataclass(frozen=True)
class Job:
    """What a fit is to do: ``source`` is the distinct ones of the ``rows``; ``asked`` tells later whether settings were changed."""

    model: Model
    source: Source
    rows: Source
    width: Any
    starts: Any
    before: tuple[float, ...]
    asked: Any


@dataclass(kw_only=True, eq=False, repr=False)
class Face(Reported, HasErrors, Sized, State, Settings):
    """Base of the estimators. You implement ``build`` and ``_for_fit``; ``RowFace`` and ``HMM`` read data."""

    partial_fit = NoPartialFit("it goes through all rows again and again; fit them together")

    def _with_values(self, model: Model) -> Model:
        """The model with the starting and fixed values of the settings, each given to whoever declares it."""
        return model.configured(mapping(self.fixed, "fixed"), self._starting_values())

    # --- fitting ------------------------------------------------------------------------------------------------------

    def _read_for_fit(self, X: Any, **fit_params: Any) -> tuple[Source, Any]:
        """``_for_fit`` with arguments that come from a user. Raises ParameterError for one that ``fit`` does not have."""
        known = [name for name in signature(self.fit).parameters if name not in ("X", "y")]  # type: ignore[attr-defined]
        for name in fit_params:
            if name not in known:
                has = ", ".join(known) or "nothing but X"
                raise ParameterError(f"{type(self).__name__}.fit has no {name!r}; it has {has}", parameter=name)
        return self._for_fit(X, **fit_params)  # type: ignore[attr-defined,no-any-return]

    def _fit(self, source: Source, width: Any) -> Self:
        """Fit, and only then take on the new state: a fit that is refused leaves the earlier one as it was."""
        if self._searches():
            return self._search(source, width)
        job = self._prepare(source, width)
        executor = self._executor_of(job.source)
        with executor.session():  # whoever has the rows keeps them until components are ordered
            result = fit(
                job.model,
                job.source,
                executor=executor,
                algorithm=self.algorithm,
                starts=job.starts,
                tol=self.tol,
                max_iter=self.max_iter,
                monitors=self._monitors(),
                rng=make_rng(self.random_state),
                checkpoint=self._store(),
                before=job.before,
            )
            return self._take_on(job, result)

    def _prepare(self, source: Source, width: Any, distinct: Source | None = None) -> Job:
        """What the settings ask for, checked: model, and where it starts from. ``distinct``: ``source.distinct()``, if known."""
        warn_of_light(source)
        if not (self.order_by is None or callable(self.order_by) or (isinstance(self.order_by, str) and self.order_by == "auto")):
            raise ParameterError(f"order_by={self.order_by!r}: give 'auto', None or a function", parameter="order_by")
        model = self.build(source.columns)
        asked = snapshot((model, source.columns))
        starts: Any = self.n_init
        if not isinstance(starts, str | int | np.integer):  # ``fit`` takes starts themselves, too
            raise ParameterError(f"n_init={starts!r}: give 'auto' or a number of starts", parameter="n_init")
        before: tuple[float, ...] = ()
        if self.warm_start and self._unchanged(asked):
            current = self._current()
            starts, before = [current.params], current.trace
        elif model.is_started and (starts == "auto" or (isinstance(starts, int) and starts > 1)):
            starts = 1
        return Job(model, source.distinct() if distinct is None else distinct, source, width, starts, before, asked)

    def _take_on(self, job: Job, result: Result) -> Self:
        """The result of a job as the estimator's own; warns where it is not what the user would assume."""
        result = replace(self._ordered(result, job.source), n_rows=job.rows.n_rows)
        self._adopt(result, job.rows.columns, job.width)
        self._left_out = job.rows.left_out()
        self._asked = job.asked
        self._report(result)
        return self

    def _unchanged(self, asked: Any) -> bool:
        """Whether there is a fit of just this model to just these columns, which a further fit can start from."""
        return same_snapshot(self.__dict__.get("_asked"), asked)

    def _ordered(self, result: Result, source: Source) -> Result:
        """Components in a reproducible order; the log-likelihood is taken anew, since sums in another order differ in last bits."""
        model, k = result.model, result.model.n_hidden
        if self.order_by is None or k is None or k == 1:
            return result
        told_apart = model.has_values or source.labelled or self.warm_start
        if callable(self.order_by):
            child = model.children[0]
            key = np.asarray(self.order_by(model.part(child), child.of(result.params)), dtype=np.float64)
            if key.shape != (k,) or np.isnan(key).any():
                raise ParameterError(f"order_by must return {k} numbers, one for each; it returned {key!r}", parameter="order_by")
        else:
            moments = model.moments(result.params)
            if told_apart or moments is None:
                return result
            key = moments[0][:, 0]
        order = np.argsort(key, kind="stable")
        if np.array_equal(order, np.arange(k)):
            return result
        model, params = model.permuted(order), model.permute(result.params, order)
        step = Problem(model, source, self._executor_of(source)).evaluate(params)
        result = replace(
            result, model=model, params=params, log_likelihood=step.log_likelihood, log_prior=step.log_prior, stats=step.stats
        )
        return replace(result, slivers=model.slivers(params, step.stats)) if result.slivers else result

    def _report(self, result: Result) -> None:
        """Warn when the fit did not end the way the user would assume."""
        if (result.converged or result.reason is StopReason.PASSES) and result.slivers:
            warn(f"a sliver: {'; '.join(map(str, result.slivers))}. {_AGAINST_SLIVERS}")
        if (
            result.reason is StopReason.PASSES
            or result.converged
            or (result.tolerance == 0 and result.reason is StopReason.MAX_ITER)
        ):
            return
        still = f"; about {result.remaining:.2g} nats still to gain" if np.isfinite(result.remaining) else ""
        advice = _ADVICE.get(result.reason, "")
        if result.reason is StopReason.COLLAPSED and result.model.is_posterior:
            advice = "; look for outliers, and at the priors that are given"
        text = f"{result.reason.value} (after {result.n_iter} iterations{still}){advice}"
        warn(text, ConvergenceWarning)

    def _worker(self) -> "Face":
        """The estimator that does the work, for what is no fit of its own."""
        return self

    # --- what the last fit came to ------------------------------------------------------------------------------------

    @property
    def model_(self) -> Model:
        """The resolved model: defaults that depend on data made concrete."""
        return self._fitted().model

    @property
    def converged_(self) -> bool:
        """Whether the stop rule was met."""
        return self._fitted().converged

    @property
    def n_iter_(self) -> int:
        """Iterations of the best start."""
        return self._fitted().n_iter

    def _fitted(self) -> Result:
        """The result of the fit itself, as a property needs it. Raises AttributeError before a fit."""
        if "result_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object is not fitted yet")
        return self.result_

    def _criterion(self, price: float, log_likelihood: float) -> float:
        current = self._current()
        return penalised(log_likelihood, current.model.n_free(current.params), price)

    def _of_the_fit(self) -> tuple[float, float]:
        """Log-likelihood and weight of the data of the fit. Raises ParameterError if parameters were set since."""
        current = self._current()
        if current.reason is StopReason.SET_BY_HAND:
            raise ParameterError("parameters were set by hand, so the fit says nothing of them; give the data: X")
        return current.log_likelihood, current.total_weight

    def summary(self, errors: bool = False) -> str:
        """The fit in words and numbers, as text for a person to read; ``errors``: with what ``standard_errors`` found last."""
        from emkit.estimators.summary import summary

        current = self._current()
        return "\n".join([summary(self, current), *(self._errors_in_words(current) if errors else [])])

    def criteria(self: Any) -> dict[str, float]:
        """Numbers to compare fits by, with their names: AIC and BIC, lower is better."""
        return {"aic": self.aic(), "bic": self.bic()}

    def _value_in_words(self, result: Result) -> list[str]:
        """Lines of the summary that say what the fit is worth."""
        from emkit.estimators.summary import criteria

        return criteria(self, result)

    def _in_words(self, result: Result) -> str:
        """What was fitted, as the summary begins."""
        return result.model.in_words

    def _labels_in_words(self, result: Result) -> list[str]:
        """Lines of the summary about each component or state."""
        from emkit.estimators.summary import labels

        return labels(self, result.model, result.params)

    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name, as they are now."""
        current = self._current()
        shown: dict[str, np.ndarray] = current.model.shown(current.params)
        return shown

    def _columns_by_moments(self) -> list[int]:
        """Columns of which a summary gives means and standard deviations."""
        return list(range(self._n_columns()))

    def _more_in_words(self, result: Result) -> list[str]:
        """Lines that a summary ends with."""
        return []

    # --- what a program such as the command line asks -----------------------------------------------------------------

    def takes_texts(self) -> bool:
        """Whether columns of text or categories can be fitted."""
        support = self.build(None).support
        return support is not None and "category" in support.kinds

    def forecast_table(self, X: Any, horizon: int) -> Any:
        """What comes after the end of each sequence. Raises ParameterError where rows are independent."""
        raise ParameterError(f"a {type(self).__name__} takes rows as independent, so there is nothing to forecast; an HMM does it")

    def predict_to(self, X: Any, out: Any, *, prefix: str = "", on_error: str = "stop") -> int:
        """Predictions of a stream, written to a folder. Raises ParameterError where rows must be in memory."""
        raise ParameterError(f"a {type(self).__name__} reads its rows into memory; predict them some at a time")

    # --- reading ------------------------------------------------------------------------------------------------------

    def _check_columns(self, columns: Any) -> None:
        """Compare the columns of new data with those of the fit."""
        names = columns.names if columns.named else None
        fitted = self.__dict__.get("feature_names_in_")
        if "result_" in self.__dict__:
            known = None if fitted is None else tuple(str(name) for name in fitted)
            check_columns(names, len(columns), known, self.n_features_in_, self._name())
        elif len(columns) != self._n_columns():
            check_columns(None, len(columns), None, self._n_columns(), self._name())

    def _emitted(self, x: Any) -> np.ndarray:
        """Sampled rows as data come: counts and symbols are integers, numbers have the width of the data of the fit."""
        support = self._current().model.support
        whole = support is not None and support.whole and not np.isnan(x).any()
        return np.asarray(x).astype(np.int64 if whole else self.__dict__.get("_width", np.float64), copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "density_estimator"
        tags.input_tags.allow_nan = True
        try:
            support = self.build(None).support
        except ParameterError:  # fit says what is wrong with the settings
            support = None
        if support is not None:
            tags.input_tags.positive_only = not support.signed
            tags.input_tags.categorical = support.whole
        return tags

    def _infer(self, source: Source, want: str) -> Inference:
        """What the current parameters say of the rows, block by block into one array."""
        current = self._current()
        task = Infer(current.model, current.params, want)
        out: np.ndarray | None = None
        if want == "marginals":
            out = np.empty((source.n_rows, current.model.n_hidden or 1))
        elif want == "mode":
            out = np.empty(source.n_rows, dtype=np.int64)
        if source.in_memory:
            blocks = list(source)
            begins = np.cumsum([0, *(block.n for block in blocks)])
            first = {block.start: i for i, block in enumerate(blocks)}

            def one(block: Block) -> np.ndarray:
                i = first[block.start]
                return task(block, None if out is None else out[begins[i] : begins[i + 1]]).log_likelihood

            each = list(self._executor_near(source).map(one, source))
        else:
            each, at = [], 0
            for found in self._executor().map(task, source):
                here = found.marginals if want == "marginals" else found.mode
                if out is not None and here is not None:
                    out[at : at + len(here)] = here
                    at += len(here)
                each.append(found.log_likelihood)
        return Inference(np.concatenate(each), out if want == "marginals" else None, out if want == "mode" else None)

    # --- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as it is now to one ``.safetensors`` file; ``emkit.load`` reads it.

        The file replaces an older one only when it is complete.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        OSError
            If the file cannot be written; an older one survives.
        """
        self.save_as(path, self)

    def save_as(self, path: str | os.PathLike[str], face: BaseEstimator) -> None:
        """``save`` for the estimator that this one is inside of."""
        from emkit.io.modelfile import save_model

        settings = face.get_params(deep=False)
        save_model(
            path,
            self._current(),
            estimator=type(face).__name__,
            settings={name: None if name in ("monitors", "checkpoint", "executor") else value for name, value in settings.items()},
            columns=self.columns_,
            width=np.dtype(self.__dict__.get("_width", np.float64)).name,
            as_asked=self._unchanged(self._asks_for(self.columns_)),
            arriving=self._arrays_to_go_on(),
        )

    def _arrays_to_go_on(self) -> dict[str, np.ndarray]:
        """What a file keeps beside the parameters, so that ``partial_fit`` can go on."""
        return {}

    def _go_on_from(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take it up again."""

    def _asks_for(self, columns: Columns) -> Any:
        """What the settings ask for, to be compared; None if they ask for nothing that can be."""
        try:
            return snapshot((self.build(columns), columns))
        except ParameterError:
            return None

    @classmethod
    def _from_saved(cls, saved: Any) -> Self:
        face = cls(**saved.settings)
        face._take_up(saved)
        return face

    def _take_up(self, saved: Any) -> None:
        """What a file holds beside the settings."""
        self._adopt(saved.result, saved.columns, np.dtype(saved.width).type)
        if saved.as_asked:
            self._asked = self._asks_for(saved.columns)
        self._go_on_from(saved.arriving)
