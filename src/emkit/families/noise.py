"""A further component that takes up noise: uniform over the range of the data (Banfield and Raftery 1993)."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.child import Child
from emkit.core.errors import DataError, ParameterError
from emkit.core.family import Family
from emkit.core.records import Stats
from emkit.families.over_another import OverAnother

_SHARE = 0.1  # of every row, that a first guess gives to the noise


@dataclass(frozen=True)
class NoiseStats(Stats):
    """``components``: the family's Stats. The noise has nothing to learn."""

    components: Any


def _without_noise(order: np.ndarray) -> np.ndarray:
    """The order of the family's components that goes with one of all. Raises ParameterError if the noise moves."""
    if order[-1] != len(order) - 1:
        raise ParameterError("the noise is the last component and cannot be relabelled")
    return order[:-1]


def _ranges(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and largest cells of each column, (d,), of rows that have a weight."""
    low, high = np.full(source.n_features, np.inf), np.full(source.n_features, -np.inf)
    for block in source:
        x = np.asarray(block.x, dtype=np.float64)
        weights = block.row_weights
        x = x if weights is None else x[weights > 0]
        low, high = (
            np.fmin(low, np.fmin.reduce(x, axis=0, initial=np.inf)),
            np.fmax(high, np.fmax.reduce(x, axis=0, initial=-np.inf)),
        )
    return low, high


@dataclass(frozen=True)
class WithNoise(OverAnother):
    """The components of a family, and after them one of constant density: rows that belong to no group.

    Banfield and Raftery (1993), Biometrics 49, 803-821; mclust's noise component. Its density is one over the volume of the data's
    bounding box within the box, and 0 outside; of a row with missing cells it is that over the observed columns.

    Parameters
    ----------
    family : Family
        Of real numbers, such as ``Gaussian``.
    volume : float, optional
        The volume of the region that noise comes from, such as that of the data's convex hull; the density is then one over it
        everywhere.
    low, high : array (d,), optional
        The box; by default it is that of the data, filled in by ``resolve``.
    """

    family: Family
    volume: float | None = None
    low: Any = field(default=None, repr=False)
    high: Any = field(default=None, repr=False)

    parameters = ()
    children = (Child("components", "family", lambda k: k - 1, _without_noise),)

    def __post_init__(self) -> None:
        given = self.volume
        if given is not None and not (isinstance(given, int | float | np.number) and 0 < given < np.inf):
            raise ParameterError(f"noise={given!r}: give True, or the volume that noise comes from, above 0", parameter="noise")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Of normal distributions, with the data's box and with a volume."""
        from emkit.families.gaussian.family import Gaussian

        return [cls(Gaussian("full")), cls(Gaussian("diag", None), 150.0)]

    # --- the family, and what is resolved -----------------------------------------------------------------------------

    @property
    def hierarchical(self) -> bool:  # type: ignore[override]
        """As the family has it."""
        return self.family.hierarchical

    def ready(self, source: Source, k: int) -> Self:
        """Resolves the family, and finds the box.

        Raises
        ------
        DataError
            For a constant column: the box then has no volume.
        """
        if k < 2:
            raise ParameterError("noise comes beside at least one other component", parameter="n_components")
        low, high = _ranges(source) if self.low is None else (self.low, self.high)
        flat = np.flatnonzero(~(np.asarray(high) > np.asarray(low)))
        if len(flat):
            name = source.columns[int(flat[0])].name
            raise DataError(f"{source.columns.called(int(flat[0]))} is constant: noise over its range has no volume", column=name)
        return replace(self, family=self.family.resolve(source, k - 1), low=np.asarray(low), high=np.asarray(high))

    def seeded(self, k: int) -> int:
        """Groups of rows are guessed for the family's components alone."""
        return self.family.seeded(k - 1)

    def apportioned(self, resp: np.ndarray) -> np.ndarray:
        """A tenth of every row is noise at first."""
        return np.column_stack([(1.0 - _SHARE) * self.family.apportioned(resp), np.full(len(resp), _SHARE)])

    def embed(self, x: Any) -> np.ndarray | None:
        """As the family has it."""
        return self.family.embed(x)

    def anchor(self, k: int, d: int) -> Any:
        """The family's."""
        return self.Params(self.family.anchor(k - 1, d))

    # --- densities ----------------------------------------------------------------------------------------------------

    def _box(self) -> tuple[np.ndarray, np.ndarray]:
        """Its lower and upper ends, scaled about its middle to the given volume."""
        if self.low is None:
            raise ParameterError("the noise has no range before a fit; give low and high", parameter="noise")
        if self.volume is None:
            return self.low, self.high
        middle, half = 0.5 * (self.high + self.low), 0.5 * (self.high - self.low)
        half = half * np.exp((np.log(self.volume) - np.log(2.0 * half).sum()) / len(half))
        return middle - half, middle + half

    def _noise(self, x: np.ndarray) -> np.ndarray:
        """Log density of each row, (n,)."""
        low, high = self._box()
        seen = ~np.isnan(x)
        density = -(seen @ np.log(high - low))
        if self.volume is not None:
            return np.asarray(density)
        inside = (~seen | ((x >= low) & (x <= high))).all(axis=1)
        return np.where(inside, density, -np.inf)

    def log_prob(self, params: Any, x: Any) -> Any:
        """The family's, and the noise's."""
        return np.column_stack([self.family.log_prob(params.components, x), self._noise(np.asarray(x, dtype=np.float64))])

    def stats(self, params: Any, x: Any, resp: Any) -> NoiseStats:
        """The family's, of the rows' shares that are not noise."""
        return NoiseStats(self.family.stats(params.components, x, resp[:, :-1]))

    def m_step(self, stats: NoiseStats, params: Any) -> Any:
        """The family's."""
        return self.Params(self.family.update(stats.components, params.components))

    def first_guess(self, stats: NoiseStats) -> Any:
        """The family's."""
        return self.Params(self.family.start(stats.components))

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> Any:
        """The family's, of the rows' shares that are not noise."""
        return self.Params(self.family.from_partition(x, resp[:, :-1], rng))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noise lies anywhere in the box."""
        low, high = self._box()
        x, own = rng.uniform(low, high, size=(len(component), len(low))), np.asarray(component) < self._count(params)
        x[own] = self.family.sample(params.components, component[own], rng)
        return np.asarray(x)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """As the family fills them in, given that the row is not noise; in the middle of the box if it is nothing else."""
        own = resp[:, :-1].sum(axis=1)
        some = own > 0
        out = np.array(x, dtype=np.float64)
        out[some] = self.family.filled(params.components, out[some], resp[some, :-1] / own[some, None])
        if not some.all():
            low, high = self._box()
            out[~some] = np.where(np.isnan(out[~some]), 0.5 * (low + high), out[~some])
        return out

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family draws them; those of noise lie anywhere in the box."""
        out, component = np.array(x, dtype=np.float64), np.asarray(component)
        own = component < self._count(params)
        out[own] = self.family.drawn(params.components, out[own], component[own], rng)
        if not own.all():
            noise = rng.uniform(*self._box(), size=out[~own].shape)
            out[~own] = np.where(np.isnan(out[~own]), noise, out[~own])
        return out

    def _count(self, params: Any) -> int:
        """Components beside the noise."""
        first = next(p for p in self.family.parameters if p.axes)
        return int(self.family.own(params.components)[first.name].shape[first.axes[0]])

    # --- the rest is the family's -------------------------------------------------------------------------------------

    def q(self, stats: NoiseStats, params: Any) -> float | None:
        """The family's; the noise adds a constant."""
        return self.family.q(stats.components, params.components)

    def gradient(self, stats: NoiseStats, params: Any) -> dict[str, np.ndarray]:
        """It has no parameters of its own."""
        return {}

    def curvature(self, stats: NoiseStats, params: Any) -> dict[str, np.ndarray]:
        """It has no parameters of its own."""
        return {}

    def narrowest(self, params: Any) -> np.ndarray | None:
        """As the family has it; NaN for the noise."""
        found = self.family.narrowest(params.components)
        return None if found is None else np.concatenate([found, np.full((1, found.shape[1]), np.nan)])

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """As the family says; the noise is none."""
        return self.family.slivers(params.components, counts[:-1])

    @property
    def in_words(self) -> str:
        """As "full Gaussian with noise"."""
        return f"{self.family.in_words} with noise"

    def mixture_in_words(self, k: int) -> str:
        """As the family's, "and uniform noise"."""
        return f"{self.family.mixture_in_words(k - 1)}, and uniform noise"
