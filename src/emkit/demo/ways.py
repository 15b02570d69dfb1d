"""EM step by step for pictures that move: hypotheses on the way, responsibilities, and the lower bound of the log-likelihood."""

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np

from emkit.core.bayes import log_sum_exp, posterior
from emkit.core.monitor import Trace
from emkit.demo.problem import SIGMA, START, draw_values
from emkit.estimators.gaussian_mixture import GaussianMixture
from emkit.models.mixture import FiniteMixture, MixtureParams

FAITHFUL_START = {"means": [[3.5, 60.0], [3.0, 85.0]], "covariances": [[[0.3, 0.0], [0.0, 60.0]]] * 2, "weights": [0.5, 0.5]}
"""Far from the answer: means where few rows are."""
_SETTLED = 0.01  # nats: what comes after an iteration that gains less looks like a still picture


@dataclass(frozen=True)
class Way:
    """The hypotheses of a fit, iteration by iteration.

    Between iterations t and t + 1 lies the straight line from one hypothesis to the next, so that a number s from 0 to T stands for
    a hypothesis.

    Attributes
    ----------
    x : array (n, d)
    model : FiniteMixture
    steps : tuple of MixtureParams
        T + 1 hypotheses.
    """

    x: np.ndarray
    model: FiniteMixture
    steps: tuple[MixtureParams, ...]

    @property
    def last(self) -> int:
        """T, iterations."""
        return len(self.steps) - 1

    def at(self, s: float) -> MixtureParams:
        """The hypothesis at ``s``: weights, means and covariances in proportion between two of the fit."""
        t = min(int(s), self.last - 1)
        before, after, part = self.steps[t], self.steps[t + 1], s - t
        if part == 0.0:
            return before
        mixed = {
            name: (1.0 - part) * getattr(before.components, name) + part * getattr(after.components, name)
            for name in ("means", "covariances")
        }
        return MixtureParams((1.0 - part) * before.weights + part * after.weights, type(before.components)(**mixed))

    def _joint(self, params: MixtureParams) -> np.ndarray:
        """Log weight plus log density, (n, K)."""
        return np.asarray(self.model.family.log_prob(params.components, self.x)) + params.log_weights

    def log_likelihood(self, s: float) -> float:
        """At ``s``, nats."""
        return float(log_sum_exp(self._joint(self.at(s))).sum())

    def responsibilities(self, t: int) -> np.ndarray:
        """What the E-step at iteration ``t`` says, (n, K)."""
        return self._posteriors[t]

    @cached_property
    def _posteriors(self) -> list[np.ndarray]:
        joint = [self._joint(step) for step in self.steps]
        return [posterior(one, log_sum_exp(one)) for one in joint]

    def bound(self, t: int, s: float) -> float:
        """The lower bound that the E-step at ``t`` makes, at the hypothesis ``s``, nats.

        Summed over rows and components it is r log(joint / r): the log-likelihood at s = t, and never above it (Neal and Hinton
        1998, section 2).
        """
        resp = self.responsibilities(t)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.where(resp > 0, resp * (self._joint(self.at(s)) - np.log(resp)), 0.0).sum())

    @cached_property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Places s along the way, and the log-likelihood there."""
        s = np.linspace(0.0, self.last, 8 * self.last + 1)
        return s, np.array([self.log_likelihood(one) for one in s])

    def shortened(self) -> "Way":
        """As far as something moves."""
        values = [self.log_likelihood(float(t)) for t in range(self.last + 1)]
        slow = np.flatnonzero(np.diff(values) < _SETTLED)
        return self if not len(slow) else Way(self.x, self.model, self.steps[: max(int(slow[0]), 1) + 1])


def _way(x: np.ndarray, **settings: Any) -> Way:
    trace = Trace()
    gm = GaussianMixture(2, prior=None, tol=0, algorithm="em", n_init=1, monitors=[trace], **settings).fit(x)
    return Way(np.asarray(x, dtype=np.float64), gm.model_, tuple(step.params for step in trace.steps))  # type: ignore[arg-type]


def document_way(seed: int, iterations: int) -> Way:
    """The starting document's problem: the means of two normals."""
    fixed = {"covariances": SIGMA**2, "weights": [0.5, 0.5]}
    return _way(draw_values(seed)[:, None], fixed=fixed, means_init=[[START[0]], [START[1]]], max_iter=iterations)


def faithful_way(iterations: int) -> Way:
    """Old Faithful's eruptions (Azzalini and Bowman 1990): weights, means and covariances of two normals, from a start far away."""
    text = (files("emkit.demo") / "faithful.csv").read_text(encoding="utf-8")
    rows = np.array([[float(cell) for cell in line.split(",")] for line in text.splitlines()[1:]])
    return _way(rows, init=FAITHFUL_START, max_iter=iterations)
