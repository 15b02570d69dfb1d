"""A mixture as a family: each component is itself a mixture of M parts. An HMM of it is a GMM-HMM."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.bayes import draw_labels, log_sum_exp, posterior
from emkit.core.block import Source
from emkit.core.checks import count
from emkit.core.child import Child
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Simplex
from emkit.core.prior import Dirichlet
from emkit.core.records import Params, Stats
from emkit.core.seeding import seed_labels
from emkit.core.slivers import in_rows
from emkit.families.over_another import OverAnother
from emkit.families.sums import logs_times

_USED = 1e-6  # weight: a part with less has no rows to speak of


@dataclass(frozen=True)
class MixedParams(Params):
    """``weights`` (K, M), rows adding up to 1; ``parts``: the family's Params for K M components, those of component k together."""

    weights: np.ndarray
    parts: Any


@dataclass(frozen=True)
class MixedStats(Stats):
    """``counts`` (K, M) expected rows of each part; ``parts``: the family's Stats."""

    counts: np.ndarray
    parts: Any


@dataclass(frozen=True)
class Mixed(OverAnother):
    """p(x | component k) = sum_m weight_km p(x | part m of component k).

    Parameters
    ----------
    family : Family
        What the parts are. Its parameters have those of component k together.
    n_parts : int
        M >= 1.
    prior : Dirichlet or None
        The prior of the weights of each component.
    fixed, start_values : mapping, optional
        "weights" (K, M).
    """

    family: Family
    n_parts: int
    prior: Dirichlet | None = None

    Params = MixedParams
    parameters = (Parameter("weights", "K M", Simplex(), Dirichlet),)

    def __post_init__(self) -> None:
        count(self.n_parts, "n_mix")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Of normal distributions and of counts; with a prior and fixed values."""
        from emkit.families.gaussian.family import Gaussian
        from emkit.families.poisson import GammaPrior, Poisson

        fixed = {"weights": [[0.3, 0.7], [np.nan, np.nan]]}
        return [
            cls(Gaussian("diag"), 2),
            cls(Gaussian("full", fixed={"covariances": 1.0}), 2, Dirichlet(2.0)),
            cls(Poisson(GammaPrior(2.0, 0.5)), 2, Dirichlet([2.0, 3.0]), fixed=fixed),
        ]

    @property
    def children(self) -> tuple[Child, ...]:  # type: ignore[override]
        """The family of the parts, with K M components."""
        return (Child("parts", "family", lambda k: k * self.n_parts, self._parts_of),)

    def _parts_of(self, order: np.ndarray) -> np.ndarray:
        m = self.n_parts
        return np.asarray((np.asarray(order)[:, None] * m + np.arange(m)).ravel())

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """M parts."""
        return {"K": k, "d": d, "M": self.n_parts}

    def show_part(self, child: Child, name: str, value: np.ndarray) -> np.ndarray:
        """Those of component k together: (K, M, ...)."""
        declared = self.family.parameter(name)
        return value.reshape(-1, self.n_parts, *value.shape[1:]) if declared is not None and declared.axes else value

    def take_part(self, child: Child, name: str, value: Any) -> Any:
        """From (K, M, ...) to (K M, ...), where the parameter differs from component to component."""
        declared, array = self.family.parameter(name), np.asarray(value)
        if declared is None or not declared.axes:
            return value
        return array.reshape(-1, *array.shape[2:]) if array.ndim >= 2 and array.shape[1] == self.n_parts else value

    def ready(self, source: Source, k: int) -> Self:
        """Resolves the family, for K M components."""
        return replace(self, family=self.family.resolve(source, k * self.n_parts))

    def embed(self, x: Any) -> np.ndarray | None:
        """As the family has it."""
        return self.family.embed(x)

    def anchor(self, k: int, d: int) -> Any:
        """Equal weights, and the family's."""
        return self.Params(np.full((k, self.n_parts), 1.0 / self.n_parts), self.family.anchor(k * self.n_parts, d))

    def first_guess(self, stats: MixedStats) -> Any:
        """From statistics of the parts; see ``from_partition`` for how parts come to differ."""
        weights = (stats.counts + 1.0) / (stats.counts.sum(axis=1, keepdims=True) + self.n_parts)
        return self.Params(weights, self.family.start(stats.parts))

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> Any:
        """The rows of each component are seeded into M parts of their own."""
        n, k = resp.shape
        m = self.n_parts
        fine = np.zeros((n, k * m))
        points = self.family.embed(x)
        for j in range(k):
            mass = resp[:, j]
            rows = np.flatnonzero(mass > 0)
            distinct = 0 if points is None or not len(rows) else len(np.unique(points[rows], axis=0))
            kind = "kmeans" if distinct >= m else "random"
            labels = seed_labels(None if points is None else points[rows], len(rows), mass[rows], m, rng, kind)
            fine[rows, j * m : (j + 1) * m] = labels * mass[rows, None]
        counts = fine.sum(axis=0).reshape(k, m)
        weights = (counts + 1.0) / (counts.sum(axis=1, keepdims=True) + m)
        if "weights" in self.start_values:
            weights = np.asarray(self.start_values["weights"])
        return self.put_back(self.Params(weights, self.family.from_partition(x, fine, rng)))

    def _joint(self, params: Any, x: Any) -> np.ndarray:
        """Log weight + log density of every part, (n, K, M)."""
        k, m = params.weights.shape
        with np.errstate(divide="ignore"):
            log_weights = np.log(params.weights)
        parts = np.asarray(self.family.log_prob(params.parts, x), dtype=np.float64)
        return parts.reshape(-1, k, m) + log_weights

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Sum over the parts, (n, K)."""
        return log_sum_exp(self._joint(params, x))

    def stats(self, params: Any, x: Any, resp: Any) -> MixedStats:
        """Responsibilities of components, shared out among their parts."""
        joint = self._joint(params, x)
        n, k, m = joint.shape
        fine = posterior(joint, log_sum_exp(joint)) * np.asarray(resp)[:, :, None]
        return MixedStats(fine.sum(axis=0), self.family.stats(params.parts, x, fine.reshape(n, k * m)))

    def m_step(self, stats: MixedStats, params: Any) -> Any:
        """Weights in closed form; where nothing was counted, as before."""
        counts = stats.counts if self.prior is None else stats.counts + self.prior.pseudo
        weights = simplex.mode(counts, self.held("weights", counts.shape), params.weights)
        return self.Params(weights, self.family.update(stats.parts, params.parts))

    def q(self, stats: MixedStats, params: Any) -> float | None:
        """Of weights and parts."""
        parts = self.family.q(stats.parts, params.parts)
        return None if parts is None else float(logs_times(stats.counts, params.weights).sum()) + parts

    def gradient(self, stats: MixedStats, params: Any) -> dict[str, np.ndarray]:
        """Of weights: counts / weights."""
        return {"weights": simplex.gradient(stats.counts, params.weights)}

    def curvature(self, stats: MixedStats, params: Any) -> dict[str, np.ndarray]:
        """Of weights, from as many rows as were counted."""
        return {"weights": simplex.curvature(stats.counts, params.weights, self.held("weights", params.weights.shape))}

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """Components with a part that the family says is one; the first such part is named."""
        fine, found = counts[:, None] * params.weights, {}
        for part, why in reversed(self.family.slivers(params.parts, fine.ravel()).items()):
            k, m = divmod(part, self.n_parts)
            found[k] = f"its part {m} {in_rows(fine[k, m])}, {why}"
        return found

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Of the mixtures."""
        found = self.family.moments(params.parts)
        if found is None:
            return None
        k, m = params.weights.shape
        mean, variance = (a.reshape(k, m, -1) for a in found)
        overall = np.einsum("km,kmd->kd", params.weights, mean)
        second = np.einsum("km,kmd->kd", params.weights, variance + mean**2)
        return overall, second - overall**2

    def narrowest(self, params: Any) -> np.ndarray | None:
        """Of the narrowest part that has rows."""
        found = self.family.narrowest(params.parts)
        if found is None:
            return None
        k, m = params.weights.shape
        return np.where(params.weights[:, :, None] > _USED, found.reshape(k, m, -1), np.inf).min(axis=1)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """Weighted sums of the parts'."""
        found = self.family.cdf(params.parts, x, upper=upper)
        if found is None:
            return None
        k, m = params.weights.shape
        below, at = (np.sum(a.reshape(-1, k, m) * params.weights, axis=2) for a in found)
        return below, at

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A part drawn for each row, then the row."""
        cumulative = np.cumsum(params.weights, axis=1)[component]
        part = (rng.uniform(size=(len(component), 1)) >= cumulative / cumulative[:, -1:]).sum(axis=1)
        return self.family.sample(params.parts, component * self.n_parts + part, rng)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """As the family has it, with each component's responsibility shared out among its parts."""
        joint = self._joint(params, x)
        fine = posterior(joint, log_sum_exp(joint)) * resp[:, :, None]
        return self.family.filled(params.parts, x, fine.reshape(len(fine), -1))

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A part drawn given the component and the observed cells, then the cells."""
        joint = self._joint(params, x)[np.arange(len(component)), component]
        part = draw_labels(posterior(joint, log_sum_exp(joint)), rng)
        return self.family.drawn(params.parts, x, component * self.n_parts + part, rng)

    @property
    def in_words(self) -> str:
        """As "mixtures of 2 diag Gaussian"."""
        return f"mixtures of {self.n_parts} {self.family.in_words}"

    def compile(self, source: Source, k: int) -> None:
        """As the family has it."""
        self.family.compile(source, k * self.n_parts)
