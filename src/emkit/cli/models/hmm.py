"""``--model hmm``."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from emkit.cli.exits import Refusal
from emkit.cli.models.registry import NOT_SETTINGS, Ahead, ModelCommands

_WORDS = (
    ("gaps='missing'", "--gaps missing"),
    ("gaps='ignore'", "--gaps ignore"),
    (": x.argmax(axis=1).reshape(-1, 1), or say n_categories=2", ", or say --set n_categories=2"),
)
"""Advice in the library's messages, and how the command line says it."""


class HMMCommands:
    """Hidden Markov models on the command line."""

    name = "hmm"
    estimators: tuple[str, ...] = ("HMM", "GaussianHMM", "CategoricalHMM", "PoissonHMM", "GMMHMM")

    def known_settings(self) -> set[str]:
        """All but those of one run."""
        from emkit.estimators.hmm import HMM

        return set(HMM().get_params(deep=False)) - NOT_SETTINGS - {"n_states"}

    def build(self, components: int | None, settings: Mapping[str, Any]) -> Any:
        """Refuses a missing number of states, and one column for two purposes."""
        from emkit.estimators.hmm import HMM

        if components is None:
            raise Refusal("say how many states the hmm has, e.g. -k 3")
        estimator = HMM(components, **settings)
        if estimator.sequence is not None and estimator.sequence == estimator.order:
            raise Refusal(f"--sequence and --order both name {estimator.sequence!r}; a row's place needs a column of its own")
        if "gaps" in settings and estimator.order is None:
            raise Refusal("--gaps says what jumps in the order column mean; name that column with --order")
        return estimator

    def keys(self, estimator: Any) -> dict[str, str]:
        """The sequence and the order column, if there are any."""
        found = {role: getattr(estimator, role) for role in ("sequence", "order")}
        return {role: str(name) for role, name in found.items() if name is not None}

    def fit(self, estimator: Any, rows: Any, weights: np.ndarray | None, labels: np.ndarray | None) -> None:
        """A sequence has one weight, the same in all its rows."""
        _check_cells(estimator, rows)
        sequence_weights = None if weights is None else _one_each(weights, _codes(estimator, rows), rows, estimator.sequence)
        with _plain_words(estimator, rows):
            estimator.fit(rows, sample_weight=sequence_weights, states=labels)

    def added_columns(self, fitted: Any, rows: Any) -> dict[str, np.ndarray]:
        """``state`` along the most probable path, and the smoothed probabilities ``p0`` to ``p{K-1}``."""
        _check_cells(fitted, rows)
        with _plain_words(fitted, rows):
            added = {"state": fitted.decode(rows, algorithm="viterbi")[1]}
            probabilities = fitted.predict_proba(rows)
        return added | {f"p{k}": probabilities[:, k] for k in range(probabilities.shape[1])}

    def forecast(self, fitted: Any, rows: Any, horizon: int) -> Ahead:
        """``step``, ``survival`` if there is an end state, state probabilities, and moments of each column."""
        from emkit.cli.outcome import columns

        _check_cells(fitted, rows)
        with _plain_words(fitted, rows):
            filtered = fitted.filter(rows)
        last, places = _last_rows(fitted, rows, horizon)
        parts = [fitted.forecast_from(filtered[row], horizon) for row in last]
        survival = np.concatenate([part.survival for part in parts])
        states, mean, sd = (np.concatenate([getattr(part, name) for part in parts]) for name in ("states", "mean", "sd"))
        # After a certain end there are no states.
        states, mean, sd = (np.where(survival[:, None] > 0, values, np.nan) for values in (states, mean, sd))
        found: dict[str, Any] = {"step": np.tile(np.arange(1, horizon + 1), len(last))}
        if fitted.endprob_ is not None:
            found["survival"] = survival
        found |= {f"p{k}": states[:, k] for k in range(states.shape[1])}
        for j, name in enumerate(columns(fitted) or [f"x{j}" for j in range(mean.shape[1])]):
            found |= {f"mean_{name}": mean[:, j], f"sd_{name}": sd[:, j]}
        return Ahead(last, places, found)

    def criteria(self, fitted: Any) -> dict[str, float]:
        """AIC and BIC of the fit."""
        return {"aic": fitted.aic(), "bic": fitted.bic()}

    def parameters(self, fitted: Any) -> dict[str, Any]:
        """The chain, and what states emit."""
        names = ("startprob", "transmat", "endprob", "weights", "means", "covariances", "rates", "probs")
        found = {name: getattr(fitted, f"{name}_", None) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def text(self, fitted: Any) -> str:
        """The estimator's own summary."""
        return str(fitted.summary())


@contextmanager
def _plain_words(estimator: Any, rows: Any) -> Iterator[None]:
    """The library's errors in the words of someone who sees columns and options: sequences by their key, settings as options."""
    from emkit.core.errors import DataError, ImpossibleSequenceError

    try:
        yield
    except ImpossibleSequenceError as error:
        text = str(error)
        if estimator.sequence is None:
            text = text.replace("sequence 0 has", "the sequence has")
        else:
            key = rows[estimator.sequence][int(_first_rows(_codes(estimator, rows))[error.sequence])].as_py()
            text = text.replace(f"sequence {error.sequence} ", f"sequence {key!r} ", 1)
        raise Refusal(text) from error
    except DataError as error:
        text = str(error)
        for theirs, ours in _WORDS:
            text = text.replace(theirs, ours)
        raise Refusal(text) from error


_CELLS = {"poisson": "a count 0, 1, 2, ...", "categorical": "a symbol 0, 1, 2, ...", "bernoulli": "0 or 1"}


def _check_cells(estimator: Any, rows: Any) -> None:
    """Refuse cells that the states cannot emit, by their row in the file: the library checks them in the order of the steps."""
    expected = _CELLS.get(estimator.emission) if isinstance(estimator.emission, str) else None
    if expected is None:
        return
    most = 1.0 if estimator.emission == "bernoulli" else np.inf
    if estimator.emission == "categorical" and hasattr(estimator, "probs_"):
        most = estimator.probs_.shape[-1] - 1.0
        expected = f"a symbol 0 to {most:g}, as in the fit"
    keys = (estimator.sequence, estimator.order)
    data = {j: rows[:, j] for j in range(rows.shape[1])} if isinstance(rows, np.ndarray) else None
    for name in data or [n for n in rows.column_names if n not in keys]:
        x = data[name] if data else rows[name].cast("float64").to_numpy()
        bad = np.isfinite(x) & ((x != np.floor(x)) | (x < 0) | (x > most))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise Refusal(f"column {name!r} row {row} is {x[row]:g}; a state emits {expected}")


def _codes(estimator: Any, rows: Any) -> np.ndarray:
    """The number of each row's sequence, numbered as they first appear, (n,)."""
    if estimator.sequence is None:
        return np.zeros(len(rows), dtype=np.int64)
    column = rows[estimator.sequence].combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(column.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _first_rows(codes: np.ndarray) -> np.ndarray:
    return np.asarray(np.unique(codes, return_index=True)[1])


def _one_each(weights: np.ndarray, codes: np.ndarray, rows: Any, sequence: str | None) -> np.ndarray:
    found = weights[_first_rows(codes)]
    bad = weights != found[codes]
    if bad.any():  # NaN, an empty cell, differs from itself
        row = int(np.flatnonzero(bad)[0])
        who = "the sequence" if sequence is None else f"sequence {rows[sequence][row].as_py()!r}"
        if np.isnan(weights[row]):
            raise Refusal(f"--weights: {who} has no weight in row {row}")
        raise Refusal(
            f"--weights: a sequence has one weight, the same in all its rows; {who} has {found[codes[row]]:g} and {weights[row]:g} (row {row})"
        )
    return np.asarray(found)


def _last_rows(fitted: Any, rows: Any, horizon: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The row of each sequence's last step; and the places of the steps after it, if places are whole numbers and count steps."""
    from pyarrow import types

    codes = _codes(fitted, rows)
    if fitted.order is None:
        by = np.lexsort((np.arange(len(codes)), codes))
    else:
        place = rows[fitted.order].to_numpy()
        by = np.lexsort((place, codes))
    last = by[np.cumsum(np.bincount(codes)) - 1]
    if fitted.order is None or fitted.gaps == "ignore" or not types.is_integer(rows[fitted.order].type):
        return last, None
    return last, (place[last][:, None].astype(np.int64) + np.arange(1, horizon + 1)).ravel()


MODEL: ModelCommands = HMMCommands()
