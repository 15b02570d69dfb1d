"""Uniform columns: noise spread evenly over a range, with nothing to estimate."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import numbers
from emkit.core.errors import DataError, ParameterError
from emkit.core.parameters import Parameter, Real
from emkit.core.support import Reals
from emkit.families.columnwise import Columnwise, Terms


@dataclass(frozen=True)
class Uniform(Columnwise):
    """Independent uniform columns, the same in every component; no parameter is free. A missing cell contributes nothing.

    Parameters
    ----------
    lower, upper : float or sequence of floats (d,), optional
        Ends of the range of each column. None: the smallest and the largest cell of the data. A cell beyond has probability 0.
    """

    lower: Any = None
    upper: Any = None

    parameters = (Parameter("lows", "K d", Real()), Parameter("highs", "K d", Real()))
    support = Reals()

    @classmethod
    def examples(cls) -> list[Self]:
        """Over the data's range, and a given one."""
        return [cls(), cls(-20.0, [20.0, 30.0])]

    def resolve(self, source: Source, k: int) -> Self:
        """Raises ParameterError, besides, for ends given as fixed or starting values: they are held at its bounds."""
        given = [*self.start_values, *(self.fixed if self.seen is None else ())]  # once resolved it holds its ends itself
        if given:
            bound = {"lows": "lower", "highs": "upper"}[given[0]]
            raise ParameterError(f"{given[0]} of a Uniform family cannot be fixed or started: give {bound}", parameter=given[0])
        return super().resolve(source, k)

    def ready(self, source: Source, k: int) -> Self:
        """Holds the ends of the range. Raises DataError for a column without one, ParameterError for ends that are none."""
        summary, d, ends = source.summary, source.n_features, []
        for name, given, own in (("lower", self.lower, summary.low), ("upper", self.upper, summary.high)):
            value = own if given is None else numbers(given, name, parameter=name)
            if value.shape not in ((), (d,)):
                raise ParameterError(
                    f"{name} has shape {value.shape}; give a number, or one for each of {d} columns", parameter=name
                )
            ends.append(np.broadcast_to(value, (d,)))
        for j in np.flatnonzero(~(ends[0] < ends[1])).tolist():
            what = f"{source.columns.called(j)}: a uniform distribution from {ends[0][j]:g} to {ends[1][j]:g} has no width"
            raise DataError(f"{what}; give lower and upper", column=source.columns[j].name)
        held = {name: np.broadcast_to(end, (k, d)).copy() for name, end in zip(self.names, ends, strict=True)}
        return replace(self, fixed=held, start_values={})

    def without_data(self, values: Any, d: int) -> Self:
        """Held at the values that were set."""
        return replace(self, fixed={name: np.asarray(values[name], dtype=np.float64) for name in self.names}, start_values={})

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """Minus the log width; -inf beyond."""
        return np.where((x >= params.lows) & (x <= params.highs), -np.log(params.highs - params.lows), -np.inf)

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """None."""
        return ()

    def m_step(self, stats: Terms, params: Any) -> Any:
        """As before."""
        return params

    def q(self, stats: Terms, params: Any) -> float:
        """Of so many rows."""
        return float(-(stats.mass * np.log(params.highs - params.lows)).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Nothing is free."""
        return {"lows": np.zeros_like(params.lows), "highs": np.zeros_like(params.highs)}

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Nothing is free."""
        return self.gradient(stats, params)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        return rng.uniform(params.lows[component], params.highs[component])

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """The middle, and the squared width over 12."""
        return 0.5 * (params.lows + params.highs), (params.highs - params.lows) ** 2 / 12.0

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """A straight line."""
        low, high = params.lows[:, 0], params.highs[:, 0]
        value = np.clip((high - x if upper else x - low) / (high - low), 0.0, 1.0)
        return value, value
