"""A family of numbers on the scale of their logarithms."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import number
from emkit.core.child import Child
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.mapped_rows import MappedRows
from emkit.core.parameters import Parameter
from emkit.core.records import Params
from emkit.core.support import Support
from emkit.families.measured_prior import Above


@dataclass(frozen=True)
class LogScaleParams(Params):
    """``logs``: the parameters of the family of the logarithms."""

    logs: Any


@dataclass(frozen=True)
class LogScale(Family):
    """Columns whose logarithms, of their distance from ``zero_point``, are as a family has them.

    ``LogScale(Gaussian("full"))`` is the multivariate log-normal distribution. Densities are those of the numbers as they are;
    parameters are those of the logarithms. A missing cell is treated as the family does it.

    Parameters
    ----------
    family : Family
        Of real numbers.
    zero_point : float
        What no number can be below.
    """

    family: Family
    zero_point: float = 0.0

    Params = LogScaleParams
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    children: ClassVar[tuple[Child, ...]] = (Child("logs", "family"),)
    made_of_others = True

    def __post_init__(self) -> None:
        if not isinstance(self.family, Family) or not self.family.support.signed:
            raise ParameterError(
                f"LogScale({self.family!r}): give a family of real numbers, such as Gaussian()", parameter="family"
            )
        number(self.zero_point, "zero_point", "the value that no number can be below", least=-np.inf)
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Of correlated logarithms."""
        from emkit.families.gaussian.family import Gaussian

        return [cls(Gaussian("full")), cls(Gaussian("diag"), -1.0)]

    @property
    def support(self) -> Support:  # type: ignore[override]
        """Numbers above the zero point."""
        return Above(self.zero_point)

    def scaled(self, x: Any) -> np.ndarray:
        """The logarithms."""
        return np.asarray(np.log(np.asarray(x, dtype=np.float64) - self.zero_point))

    def raised(self, y: np.ndarray) -> np.ndarray:
        """Back from the logarithms."""
        return np.asarray(np.exp(y) + self.zero_point)

    def ready(self, source: Source, k: int) -> Self:
        """Resolves the family with the logarithms."""
        return replace(self, family=self.family.resolve(MappedRows(source, self.scaled), k))

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """The family's of the logarithms, less these: the density of x."""
        y = self.scaled(x)
        return np.asarray(self.family.log_prob(params.logs, y) - np.nan_to_num(y).sum(axis=1)[:, None])

    def stats(self, params: Any, x: Any, resp: Any) -> Any:
        """The family's."""
        return self.family.stats(params.logs, self.scaled(x), resp)

    def m_step(self, stats: Any, params: Any) -> Any:
        """The family's."""
        return self.Params(self.family.update(stats, params.logs))

    def first_guess(self, stats: Any) -> Any:
        """The family's."""
        return self.Params(self.family.start(stats))

    def anchor(self, k: int, d: int) -> Any:
        """The family's."""
        return self.Params(self.family.anchor(k, d))

    def q(self, stats: Any, params: Any) -> float | None:
        """The family's."""
        return self.family.q(stats, params.logs)

    def slope(self, stats: Any, params: Any) -> np.ndarray | None:
        """The family's."""
        return self.family.slope(stats, params.logs)

    def information(self, stats: Any, params: Any) -> np.ndarray | None:
        """The family's."""
        return self.family.information(stats, params.logs)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """A best guess of the logarithm."""
        return np.where(np.isnan(x), self.raised(self.family.filled(params.logs, self.scaled(x), resp)), x)

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family draws logarithms."""
        return np.where(np.isnan(x), self.raised(self.family.drawn(params.logs, self.scaled(x), component, rng)), x)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        return self.raised(self.family.sample(params.logs, component, rng))

    def narrowest(self, params: Any) -> np.ndarray | None:
        """The family's of the logarithms, in units of the cells at the mean of these."""
        found, centre = self.family.narrowest(params.logs), self.family.moments(params.logs)
        return None if found is None or centre is None else found * np.exp(2.0 * centre[0])

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """The family's."""
        return self.family.slivers(params.logs, counts)

    @property
    def in_words(self) -> str:
        """As "logarithms gaussian"."""
        return f"log-scale {self.family.in_words}"
