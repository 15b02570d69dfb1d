"""Distributions as queries to a network give them: over the states of named variables, and of a variable that is a number."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from emkit.data.frames import pandas


@dataclass(frozen=True)
class Distribution:
    """Probabilities of all combinations of the states of some variables.

    Attributes
    ----------
    names : tuple of str
    states : tuple of tuples
        Of each variable.
    values : array
        With an axis for each variable; all of it adds up to 1.

    ``d["yes"]``, or ``d["yes", "no"]`` for two variables, is the probability of these states.
    """

    names: tuple[str, ...]
    states: tuple[tuple[Any, ...], ...]
    values: np.ndarray

    def __getitem__(self, states: Any) -> float:
        wanted = states if isinstance(states, tuple) and len(self.names) > 1 else (states,)
        if len(wanted) != len(self.names):
            raise KeyError(f"give a state for each of {', '.join(self.names)}")
        at = []
        for name, state, known in zip(self.names, wanted, self.states, strict=True):
            if state not in known:
                raise KeyError(f"{name} has the states {', '.join(map(repr, known))}, not {state!r}")
            at.append(known.index(state))
        return float(self.values[tuple(at)])

    def __iter__(self) -> Iterator[Any]:
        """The states, or combinations of them, in order."""
        return iter(self.states[0] if len(self.names) == 1 else product(*self.states))

    def to_dict(self) -> dict[Any, float]:
        """Probabilities by state, or by combination of states."""
        return dict(zip(self, self.values.ravel().tolist(), strict=True))

    def parts(self) -> dict[str, Any]:
        """States and probabilities as lists."""
        return {"states": [list(states) for states in self.states], "probabilities": self.values.tolist()}

    def frame(self) -> Any:
        """A pandas frame: a column for each variable, and "probability"."""
        rows = list(product(*self.states))
        columns = {name: [row[i] for row in rows] for i, name in enumerate(self.names)}
        return pandas().DataFrame({**columns, "probability": self.values.ravel()})

    def __str__(self) -> str:
        rows = [tuple(map(str, row)) for row in product(*self.states)]
        wide = [max(len(name), *(len(row[i]) for row in rows)) for i, name in enumerate(self.names)]
        lines = ["  ".join([*(name.ljust(w) for name, w in zip(self.names, wide, strict=True)), "probability"])]
        for row, p in zip(rows, self.values.ravel(), strict=True):
            lines.append("  ".join([*(cell.ljust(w) for cell, w in zip(row, wide, strict=True)), f"{p:.6f}"]))
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True)
class NormalMixture:
    """The distribution of a number: normal in each of some cases.

    Attributes
    ----------
    name : str
    weights : array (K,)
        Probabilities of the cases; they add up to 1.
    means, variances : arrays (K,)
        Of the number in each case, in its column's unit and its square.
    """

    name: str
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The variable."""
        return (self.name,)

    @property
    def mean(self) -> float:
        """Expected value."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.weights @ (self.variances + (self.means - self.mean) ** 2)))

    def cdf(self, value: Any) -> Any:
        """Probability of at most ``value``, a number or an array of them."""
        from scipy.special import ndtr

        away = np.asarray(value, dtype=np.float64)[..., None] - self.means
        spread = np.sqrt(self.variances)
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.where(spread > 0, ndtr(away / spread), away >= 0)
        return (below @ self.weights)[()]

    def parts(self) -> dict[str, Any]:
        """Mean, standard deviation, and the cases, as numbers and lists."""
        cases = {name: getattr(self, name).tolist() for name in ("weights", "means", "variances")}
        return {"mean": self.mean, "sd": self.sd, **cases}

    def __str__(self) -> str:
        wide = max(len(self.name), 4)
        cases = f", in {len(self.weights)} cases" if len(self.weights) > 1 else ""
        return f"{self.name:<{wide}}  mean {self.mean:.6g}, sd {self.sd:.6g}{cases}"

    __repr__ = __str__
