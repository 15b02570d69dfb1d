"""The contract of a variational family: distributions over the parameters of an ordinary one."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.family import Family


class VariationalFamily(Family):
    """A family whose Params are posterior distributions over those of an ordinary family, ``plain``.

    Its ``log_prob`` is the expectation E[log p(x)] under the posterior, its M-step adds statistics to the prior, and its log prior
    is minus the Kullback-Leibler divergence of the posterior from the prior: so the objective of EM is the lower bound of the log
    evidence (Beal 2003, section 2.3).
    """

    is_posterior: ClassVar[bool] = True

    @property
    def separable(self) -> bool:
        """False: once it is resolved, its prior has a place for each component."""
        return False

    @property
    @abstractmethod
    def plain(self) -> Family:
        """The ordinary family."""

    @abstractmethod
    def at_the_mean(self, params: Any) -> Any:
        """Params of the ordinary family: a point that stands for the posterior."""

    @abstractmethod
    def shown_priors(self) -> dict[str, np.ndarray]:
        """The prior's values by name, once it is resolved, in the shapes in which the posterior's are shown."""

    def check(self, source: Source) -> None:
        """As the ordinary family."""
        self.plain.check(source)

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """As the ordinary family."""
        return self.plain.draw(rng, n, d)

    def first_guess(self, stats: Any) -> Any:
        """The posterior that these statistics make of the prior."""
        return self.m_step(stats, None)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows of the ordinary family, at the point that stands for the posterior."""
        return self.plain.sample(self.at_the_mean(params), component, rng)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of the ordinary family, at the point that stands for the posterior."""
        return self.plain.moments(self.at_the_mean(params))

    def narrowest(self, params: Any) -> np.ndarray | None:
        """As ``moments``."""
        return self.plain.narrowest(self.at_the_mean(params))

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """By the ordinary family, at the point that stands for the posterior."""
        return self.plain.filled(self.at_the_mean(params), x, resp)

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """By the ordinary family, at the point that stands for the posterior."""
        return self.plain.drawn(self.at_the_mean(params), x, component, rng)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """That of the ordinary family, at the point that stands for the posterior."""
        return self.plain.cdf(self.at_the_mean(params), x, upper=upper)
