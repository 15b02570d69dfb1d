"""``report``: each estimator's fit as one page for a browser, and its face in a notebook."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError

from emkit.core.columns import Columns
from emkit.core.errors import EmkitError, ParameterError
from emkit.core.model import EStep
from emkit.core.notebook import preformatted
from emkit.data.stream import is_stream
from emkit.estimators.drawn_rows import drawn_rows

if TYPE_CHECKING:
    from emkit.report.subject import Labelled, Subject

_NOT_SHOWN = frozenset({"monitors", "checkpoint", "executor", "verbose", "verbose_interval", "n_jobs"})
_LINES = 24  # of a summary in a notebook
_READ = ("lengths",)
"""What ``fit`` is told that pictures are told, too."""


class Reported:
    """Part of every estimator whose model is the engine's. You need ``_again``, ``_infer``, ``columns_`` and ``summary``."""

    pictures: ClassVar[tuple[str, ...]]

    def report(
        self,
        path: str | os.PathLike[str],
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        level: float = 0.95,
        errors: bool | str = "auto",
        title: str | None = None,
        **fit_params: Any,
    ) -> Path:
        """Write what there is to know of the fit to one HTML file, which needs no network: for a browser, or to print.

        At the top stands what was fitted to what, and whether to trust it; below what sets each component apart, pictures, the
        parameters with intervals, the starts, and what to do about what was found.

        Parameters
        ----------
        path : path
            Of the file; an older one is replaced when the new one is complete.
        X : array, data frame, or path
            The rows of the fit, or others with the same columns. Of more than 50,000 rows in files so many are drawn at random;
            standard errors are of all.
        y : array, optional
            The target, of estimators that have one.
        sample_weight : array, optional
            As in the fit.
        level : float
            Of the intervals.
        errors : bool or "auto"
            Whether parameters have standard errors. "auto": those that ``standard_errors`` found last, or else if they take no
            more than about a second.
        title : str, optional
            Default: the estimator and the number of rows.
        **fit_params
            What else ``fit`` was told: ``lengths``, ``labels``, ``states``, ``groups``, ...

        Returns
        -------
        Path

        Raises
        ------
        NotFittedError
        ParameterError
            For sequences that stay in files, and for settings that cannot be.
        DataError
            For other columns than those of the fit.
        OSError
            If the file cannot be written; an older one survives.
        ImportError
            Without jinja2 or matplotlib.
        """
        from emkit.report.page import check_asked, write_page

        target = check_asked(path, level, errors)
        given = {name: value for name, value in (("y", y), ("sample_weight", sample_weight)) if value is not None}
        subject = self._subject(X, **given, **fit_params)
        return write_page(subject, target, level=level, errors=errors, title=title)

    def _repr_html_inner(self: Any) -> str:
        """scikit-learn's diagram, which notebooks show, and of a fitted estimator a short summary below it."""
        return f"{super()._repr_html_inner()}{_short(self)}"  # type: ignore[misc]

    def _repr_mimebundle_(self: Any, **kwargs: Any) -> dict[str, Any]:
        """What Jupyter asks for first."""
        found: dict[str, Any] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in found:
            found["text/html"] += _short(self)
        return found

    def _subject(self: Any, X: Any, **fit_params: Any) -> "Subject":
        """The fit, and what it says of the rows."""
        from emkit.report.subject import Subject

        worker = self._worker()
        current = worker._current()
        given, told, of_all = X, fit_params, None
        if is_stream(X):  # what is said of rows and what is drawn is of some of them; standard errors are of all
            X, weights, n_rows = drawn_rows(_again(worker, X, fit_params))
            fit_params = fit_params if weights is None else {**fit_params, "sample_weight": weights}
            of_all = n_rows if n_rows > len(X) else None
        source = _again(worker, X, fit_params)
        block = source.joined()
        labels, each = _inferred(self, worker, source)
        last = worker.__dict__.get("_sure")
        return Subject(
            estimator=type(self).__name__,
            in_words=worker._in_words(current),
            columns=worker.columns_,
            kinds=kinds_of(self, worker.columns_),
            x=np.asarray(block.x, dtype=np.float64),
            summary=self.summary(),
            criteria=criteria_of(self, current),
            families=self.column_families(),
            parameters=self.parameters(),
            settings=settings_of(self),
            pictures=ordered(self, X),
            draw=drawing(self, X, fit_params),
            find_errors=lambda: worker.standard_errors(given, **told),
            result=current,
            source=source,
            executor=worker._executor(),
            weights=block.row_weights,
            lengths=None if block.lengths is None else np.asarray(block.lengths),
            together=self.together_word,
            labels=labels,
            log_likelihood=each,
            narrowest=narrowest_of(worker, source),
            total=_total(current.model, block, each) if of_all is None else None,
            of_all=of_all,
            known_errors=last[1] if last is not None and last[0] is current else None,
            notes=[note for note in [self.cut_off()] if note],
            remarks=_remarks(worker, current),
            scores=scores_of(self, X, fit_params),
        )


def _short(face: Any) -> str:
    """The first lines of the summary of a fitted estimator, as HTML; nothing before a fit."""
    try:
        return preformatted(face.summary(), _LINES) if face.__sklearn_is_fitted__() else ""
    except (EmkitError, NotFittedError):  # parameters that were set by hand, and do not fit together: using them says so
        return ""


def _again(worker: Any, X: Any, fit_params: dict[str, Any]) -> Any:
    """The rows. Raises ParameterError for what the estimator's fit is not told."""
    try:
        return worker._again(X, **fit_params)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        name = str(error).rpartition("argument ")[2].strip("'\"")
        raise ParameterError(f"{worker._name()} has no use for {name!r}", parameter=name) from error


def _inferred(face: Any, worker: Any, source: Any) -> tuple["Labelled | None", np.ndarray]:
    """Posteriors of the rows' labels, and the log-likelihood of each unit."""
    from emkit.report.subject import Labelled

    current = worker._current()
    k = current.model.n_hidden
    if k is None:
        return None, worker._infer(source, "log_likelihood").log_likelihood
    found = worker._infer(source, "marginals")
    posteriors = np.nan_to_num(np.asarray(found.marginals, dtype=np.float64))
    return Labelled(face.label_word, face._component_names(k), posteriors), np.asarray(found.log_likelihood)


def narrowest_of(worker: Any, source: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """How narrow densities are on these rows: see ``Model.narrowest``. What is held is as narrow as it was asked to be."""
    current = worker._current()
    model = current.model
    return model.narrowest(current.params, worker._executor().map_reduce(EStep(model, current.params), source)[0])


def _total(model: Any, block: Any, each: np.ndarray) -> float | None:
    """Log-likelihood of all, weights multiplied in; None for a distribution over hypotheses, which reports a bound instead."""
    if model.is_posterior:
        return None
    weights = np.ones(len(each)) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    return float(np.where(weights > 0, each, 0.0) @ weights)


def kinds_of(face: Any, columns: Columns) -> tuple[str, ...]:
    """What cells of each column are, by its levels, and where the family says more by that."""
    told = face.column_families()
    numbers = face._numeric_columns()
    out = []
    for j, column in enumerate(columns.items):
        angle = told.get(column.name) == "vonmises"
        category = column.levels is not None or column.kind in ("category", "binary") or (numbers is not None and j not in numbers)
        out.append("angle" if angle else "category" if category else "number")
    return tuple(out)


def settings_of(face: Any) -> dict[str, str]:
    """Settings that are not the defaults, as they were written."""
    defaults = type(face)().get_params(deep=False)
    given = face.get_params(deep=False)
    changed = {name: repr(value) for name, value in given.items() if repr(value) != repr(defaults[name]) and name not in _NOT_SHOWN}
    return {name: text if len(text) <= 200 else f"{text[:199]}…" for name, text in changed.items()}


def criteria_of(face: Any, current: Any) -> dict[str, str]:
    """What fits are compared by, with its direction; nothing of parameters that were set by hand."""
    if not current.trace:
        return {}
    try:
        return {name.upper() if len(name) == 3 else name: f"{value:.6g}" for name, value in face.criteria().items()}
    except EmkitError:
        return {}


def ordered(face: Any, X: Any) -> list[str]:
    """Kinds of pictures, the one that suits best first."""
    best = face._best_picture(X, {})
    return [best, *(kind for kind in face.pictures if kind != best)]


def drawing(face: Any, X: Any, fit_params: dict[str, Any]) -> Any:
    """From a kind of picture to its axes."""
    read = {name: value for name, value in fit_params.items() if name in _READ}

    def draw(kind: str) -> Any:
        target = {"y": fit_params["y"]} if kind == "prediction" and fit_params.get("y") is not None else {}
        more = {} if kind in face.without_data else {**read, **target}
        return face.plot(X, kind=kind, **more)

    return draw


def scores_of(face: Any, X: Any, fit_params: dict[str, Any]) -> dict[str, float]:
    """How well a target is predicted, if there is one."""
    kind = face.__sklearn_tags__().estimator_type
    name = {"regressor": "R²", "classifier": "share of right classes"}.get(kind or "")
    if name is None or fit_params.get("y") is None:
        return {}
    beside = {key: value for key, value in fit_params.items() if key not in ("y", "sample_weight")}
    if beside:
        return {}
    try:
        return {name: float(face.score(X, fit_params["y"], sample_weight=fit_params.get("sample_weight")))}
    except (EmkitError, ValueError):  # such as several targets of different kinds
        return {}


def _remarks(worker: Any, current: Any) -> list[str]:
    """What a summary notes."""
    model = current.model
    held = model.held_names()
    left_out = worker.__dict__.get("_left_out")
    found = [*([str(left_out)] if left_out else []), *model.remarks(current.params)]
    return [*(f"{text[0].upper()}{text[1:]}." for text in found), *([f"Held at given values: {', '.join(held)}."] if held else [])]
