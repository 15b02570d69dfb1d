"""A model of your own, in one file: a mixture with a further component for noise."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit import Block, DataError, Family, Gaussian, Model, ParameterError, Stats
from emkit.core import simplex
from emkit.core.bayes import add_labels, informed, log_sum_exp, posterior, weighted_sum
from emkit.core.child import Child
from emkit.core.model import Inference
from emkit.core.parameters import Parameter, Simplex
from emkit.core.seeding import seed_labels


@dataclass(frozen=True)
class NoiseStats(Stats):
    """``counts`` (K + 1,): expected rows of each component, the noise last; ``components``: the family's Stats."""

    counts: np.ndarray
    components: Any


def without_noise(order):
    """The order of the components that goes with one of the labels."""
    if order[-1] != len(order) - 1:
        raise ParameterError("the noise comes last")
    return order[:-1]


@dataclass(frozen=True)
class NoiseMixture(Model):
    """K components of a family, and noise uniform over the data's range (Banfield and Raftery 1993, Biometrics 49, 803-821)."""

    family: Family
    n_components: int
    low: Any = None  # the range, (d,) each: filled in by ``resolve``
    high: Any = None

    parameters = (Parameter("weights", "K", Simplex()),)
    children = (Child("components", "family", lambda labels: labels - 1, without_noise),)

    @property
    def n_hidden(self):
        return self.n_components + 1

    def resolve(self, source):
        block = source.joined()
        x = block.x if block.weights is None else block.x[block.weights > 0]  # a row of weight 0 does not count
        low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
        if not (high > low).all():
            raise DataError("a column is constant: its noise has no range")
        family = self.family.resolve(source, self.n_components)
        return replace(self, family=family, low=low, high=high).with_values(self.n_hidden, source.n_features)

    def init(self, source, rng, attempt=0):
        block, k = source.joined(), self.n_components
        weights = np.ones(block.n) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        seeds = seed_labels(self.family.embed(block.x), block.n, weights, k, rng, "k-means++" if attempt else "kmeans")
        resp = np.column_stack([0.9 * seeds, np.full(block.n, 0.1)])
        resp = (resp if block.labels is None else informed(resp, block.labels)) * weights[:, None]
        shares = self.start_values.get("weights", (resp.sum(axis=0) + 0.1) / (resp.sum() + 0.1 * (k + 1)))
        return self.put_back(self.Params(shares, self.family.from_partition(block.x, resp[:, :k], rng)))

    def _joint(self, params, block):
        """Log probability of each row together with each label, (n, K + 1)."""
        seen = ~np.isnan(block.x)
        inside = (~seen | ((block.x >= self.low) & (block.x <= self.high))).all(axis=1)
        noise = np.where(inside, -(seen @ np.log(self.high - self.low)), -np.inf)
        with np.errstate(divide="ignore"):
            joint = np.column_stack([self.family.log_prob_block(params.components, block), noise]) + np.log(params.weights)
        return add_labels(joint, block.labels)

    def e_step(self, params, block):
        joint = self._joint(params, block)
        rows = log_sum_exp(joint)
        resp = posterior(joint, rows) * (1.0 if block.weights is None else block.weights[:, None])
        stats = NoiseStats(resp.sum(axis=0), self.family.stats_block(params.components, block, resp[:, :-1]))
        return stats, weighted_sum(rows, block.weights)

    def m_step(self, stats, params):
        weights = simplex.mode(stats.counts, self.held("weights", stats.counts.shape), params.weights)
        return self.Params(weights, self.family.update(stats.components, params.components))

    def infer(self, params, block, want, out=None):
        rows = log_sum_exp(joint := self._joint(params, block))
        return Inference.of_rows(rows, posterior(joint, rows), want, out)

    def q(self, stats, params):
        return float(stats.counts @ np.log(params.weights)) + self.family.q(stats.components, params.components)

    def gradient(self, stats, params):
        return {"weights": simplex.gradient(stats.counts, params.weights)}

    def curvature(self, stats, params):
        return {"weights": simplex.curvature(stats.counts, params.weights, self.held("weights", params.weights.shape))}

    def simulate(self, params, n, rng):
        labels = rng.choice(self.n_hidden, size=n, p=params.weights)
        x = rng.uniform(self.low, self.high, size=(n, len(self.low)))
        own = labels < self.n_components
        x[own] = self.family.sample(params.components, labels[own], rng)
        return Block(x, labels=labels)

    @classmethod
    def examples(cls):
        return [cls(Gaussian("diag"), 2), cls(Gaussian("full"), 2, fixed={"weights": [np.nan, np.nan, 0.1]})]
