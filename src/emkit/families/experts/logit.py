"""Logit experts: classes whose log odds are linear in the inputs, also where inputs are missing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.bayes import draw_labels, log_sum_exp
from emkit.core.block import Block
from emkit.families.experts.expert import Completed
from emkit.families.experts.logit_columns import ConfiguredLogit, LogitParams
from emkit.families.experts.logits import LogitSums, curvature, even, log_classes, logit_step
from emkit.families.experts.nodes import nodes

_FIRST_STEPS = 6  # Newton steps from the pooled shares to a first guess
_TO_THE_MODE = 30  # Newton steps to the mode of the prior, where there are no rows
_AT_ONCE = 2**19  # log odds at nodes that are worked on together


@dataclass(frozen=True)
class LogitExpert(ConfiguredLogit):
    """K multinomial logits of one column, classes 0 to C - 1, on others; ``on=()``: probabilities that depend on nothing.

    Parameters
    ----------
    n_classes : int
        C >= 2.
    on : sequence of columns, optional
        The inputs. Default: all columns but the target.
    target : column, optional
        Default: the first column that is no input.
    ridge : float
        Pseudo-rows behind each slope, which pull it to 0, so that classes that are perfectly apart have finite slopes: the log
        prior of standardised slopes is -ridge/(2 C) times their squares about the mean over classes, 1/C being the information of
        a row whose classes are even.
    prior : float
        Pseudo-rows at the average inputs, in each component, with classes in the proportions of all rows.
    fixed, start_values : mapping, optional
        "intercepts" (K, C - 1), "coefficients" (K, C - 1, q), of log odds against class 0.

    Notes
    -----
    The M-step is one guarded Newton step, as in ``Regression``. Where inputs are missing the probability of a class is an integral
    over the linear predictors, at most C - 1 normal numbers: see ``emkit.families.experts.nodes``.
    """

    @classmethod
    def examples(cls) -> list[Self]:
        """Two classes and three; values that are held."""
        fixed = {"intercepts": [[0.5, np.nan], [np.nan, np.nan]], "coefficients": [[[np.nan], [0.5]], [[np.nan], [np.nan]]]}
        return [cls(2), cls(3, target=1), cls(3, fixed=fixed)]

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def log_prob(self, params: LogitParams, x: Any) -> np.ndarray:
        """Log probability of the class, (n, K); 0 where it is missing."""
        z, y, seen = self._cells(x)
        logs = log_classes(np.einsum("np,kmp->nkm", z, self._standard(params)))
        return np.where(seen[:, None], logs[np.arange(len(z)), :, y], 0.0)

    def stats(self, params: LogitParams, x: Any, resp: Any) -> LogitSums:
        """Slope and curvature of Q at ``params``."""
        z, y, seen = self._cells(x)
        pivot, r = self._standard(params), np.asarray(resp, dtype=np.float64) * seen[:, None]
        k, m, p = pivot.shape
        there = (y[:, None] == np.arange(1, m + 1)).astype(np.float64)
        slope, bends = np.empty((k, m, p)), np.empty((k, m * p, m * p))
        for i in range(k):
            found = np.exp(log_classes(z @ pivot[i].T))[:, 1:]
            slope[i] = ((there - found) * r[:, i, None]).T @ z
            bends[i] = curvature(found, r[:, i], z)
        return LogitSums(r.sum(axis=0), slope, bends, np.zeros_like(bends), pivot)

    def m_step(self, stats: LogitSums, params: LogitParams) -> LogitParams:
        """One guarded Newton step; a component that nothing belongs to goes to the prior's mode."""
        frame, prior, along = self.known[1], self._log_prior(), self._along(stats.pivot.shape)
        new, empty = logit_step(stats, prior, along, frame.low, frame.high), (stats.mass == 0)[:, None, None]
        for _ in range(_TO_THE_MODE if empty.any() else 0):
            again = replace(stats, pivot=np.where(empty, new, stats.pivot))
            new = np.where(empty, logit_step(again, prior, along, frame.low, frame.high), new)
        return self._plain(new)

    def anchor(self, k: int, d: int) -> LogitParams:
        """The shares of all rows, without slopes."""
        logs = np.log(np.asarray(self.shares))
        blank = np.zeros((k, self.n_classes - 1, len(self.known[0].on)))
        found: LogitParams = self.put_back(LogitParams(np.tile(logs[1:] - logs[0], (k, 1)), blank))
        return found

    def first_guess(self, stats: LogitSums) -> LogitParams:
        """A step with at least one pseudo-row of each prior."""
        calm = replace(self, ridge=max(self.ridge, 1.0), prior=max(self.prior, 1.0))
        return calm.m_step(stats, self.anchor(len(stats.mass), 0))

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> LogitParams:
        """Some steps more than other families make: the first one is far from the end."""
        params: LogitParams = super().from_partition(x, resp, rng)
        for _ in range(_FIRST_STEPS):
            params = self.start(self.stats_block(params, Block(x), resp))
        return params

    def q(self, stats: LogitSums, params: LogitParams) -> float:
        """To second order about the parameters that ``stats`` were taken at."""
        return float(stats.gain(self._standard(params)).sum())

    def _by_parameter(self, flat: tuple[np.ndarray, np.ndarray], k: int) -> dict[str, np.ndarray]:
        m = self.n_classes - 1
        return {"intercepts": flat[0].reshape(k, m), "coefficients": flat[1].reshape(k, m, -1)}

    def gradient(self, stats: LogitSums, params: LogitParams) -> dict[str, np.ndarray]:
        """Of Q and the log prior."""
        standard, k = self._standard(params), len(stats.mass)
        by = (standard - stats.pivot).reshape(k, -1)
        slope = stats.slope - np.einsum("kij,kj->ki", stats.bends + stats.bound, by).reshape(standard.shape)
        slope = slope + self._log_prior().slope(standard)
        return self._by_parameter(self.known[1].pulled(slope.reshape(-1, standard.shape[2])), k)

    def curvature(self, stats: LogitSums, params: LogitParams) -> dict[str, np.ndarray]:
        """Of each entry."""
        standard, prior = self._standard(params), self._log_prior()
        k, m, p = standard.shape
        whole = (stats.bends + stats.bound + prior.matrix + prior.bends(standard)).reshape(k, m, p, m, p)
        own = np.einsum("kmpmr->kmpr", whole).reshape(k * m, p, p)
        return self._by_parameter(self.known[1].pulled_information(own), k)

    def log_priors(self, params: LogitParams) -> np.ndarray:
        """Of each component, (K,)."""
        return self._log_prior().log_density(self._standard(params))

    def log_prior(self, params: LogitParams) -> float:
        """Of all components."""
        return float(self.log_priors(params).sum())

    # --- with missing inputs ------------------------------------------------------------------------------------------

    def integrated(self, params: LogitParams, y: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Sums over nodes."""
        out = np.empty((len(y), len(means)))
        for k in range(len(means)):
            lines = _Lines.of(params, k, covariances[k])
            for part in lines.slices(len(y)):
                out[part, k] = log_sum_exp(lines.joint(means[k, part], y[part])[0])
        return out

    def completed(
        self, params: LogitParams, y: np.ndarray, means: np.ndarray, covariances: np.ndarray, resp: np.ndarray
    ) -> Completed:
        """Posterior probabilities of the nodes, given the class, and what follows from them."""
        frame, pivot = self.known[1], self._standard(params)
        k, m, p = pivot.shape
        shift, spread, slope = np.zeros_like(means), np.empty_like(covariances), np.zeros((k, m, p))
        bound, there = np.empty((k, m * p, m * p)), (y[:, None] == np.arange(1, m + 1)).astype(np.float64)
        for i in range(k):
            lines, r = _Lines.of(params, i, covariances[i]), resp[:, i]
            around = np.zeros((lines.points.shape[1],) * 2)
            turn = np.concatenate([np.zeros((1, len(around))), lines.inputs / frame.scale[:, None]])
            for part in lines.slices(len(y)):
                joint, found = lines.joint(means[i, part], y[part])
                weights = np.exp(joint - log_sum_exp(joint)[:, None]) * r[part, None]
                first = weights @ lines.points
                shift[i, part] = np.divide(first, r[part, None], where=r[part, None] > 0, out=np.zeros_like(first)) @ lines.inputs.T
                around += (lines.points * weights.sum(axis=0)[:, None]).T @ lines.points
                around -= first.T @ np.divide(first, r[part, None], where=r[part, None] > 0, out=np.zeros_like(first))
                off = weights[:, :, None] * (there[part, None] - np.exp(found[:, :, 1:]))
                z = np.concatenate([np.ones((len(first), 1)), (means[i, part] - frame.centre) / frame.scale], axis=1)
                slope[i] += off.sum(axis=1).T @ z + off.sum(axis=0).T @ lines.points @ turn.T
            spread[i] = lines.inputs @ around @ lines.inputs.T + r.sum() * lines.rest
            z = np.concatenate([np.ones((len(y), 1)), (means[i] + shift[i] - frame.centre) / frame.scale], axis=1)
            squares = (z * r[:, None]).T @ z
            squares[1:, 1:] += spread[i] / (frame.scale[:, None] * frame.scale)
            bound[i] = 0.5 * np.kron(even(m), squares)
        return Completed(LogitSums(resp.sum(axis=0), slope, np.zeros_like(bound), bound, pivot), shift, spread)

    def predicted(self, params: LogitParams, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Probabilities of the classes under each component, (n, K, C)."""
        out = np.empty((means.shape[1], len(means), self.n_classes))
        for k in range(len(means)):
            lines = _Lines.of(params, k, covariances[k])
            for part in lines.slices(len(out)):
                logs = log_classes(lines.odds(means[k, part]))
                out[part, k] = np.einsum("j,njc->nc", np.exp(lines.log_weights), np.exp(logs))
        return out

    # --- rows of its own ----------------------------------------------------------------------------------------------

    def responses(self, params: LogitParams, component: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The rows with the class drawn given the inputs."""
        out, (z, _, _) = np.array(x, dtype=np.float64), self._cells(x)
        logs = log_classes(np.einsum("np,nmp->nm", z, self._standard(params)[component]))
        out[:, self.known[0].target] = draw_labels(np.exp(logs), rng)
        return out

    def sample(self, params: LogitParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Classes at inputs that are not modelled, and so are drawn as normal ones within the data's ranges."""
        places, frame = self.known
        x = np.full((len(component), places.width), np.nan)
        standard = np.clip(rng.standard_normal((len(x), len(places.on))), frame.low, frame.high)
        x[:, list(places.on)] = frame.centre + frame.scale * standard
        return self.responses(params, component, x, rng)

    def filled(self, params: LogitParams, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """A missing class is the most probable one; inputs are left as they are."""
        out, (z, _, seen) = np.array(x, dtype=np.float64), self._cells(x)
        p = np.exp(log_classes(np.einsum("np,kmp->nkm", z[~seen], self._standard(params))))
        out[~seen, self.known[0].target] = np.einsum("nk,nkc->nc", resp[~seen], p).argmax(axis=1)
        return out

    def drawn(self, params: LogitParams, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A missing class is drawn; inputs are left as they are."""
        out = np.array(x, dtype=np.float64)
        gone = np.isnan(out[:, self.known[0].target])
        out[gone] = self.responses(params, component[gone], out[gone], rng)
        return out

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Classes at inputs about two centres, by two logits."""
        places = self._among(tuple(range(d)))
        out, label = np.zeros((n, places.width)), rng.integers(2, size=n)
        x = rng.normal(size=(n, len(places.on))) + 2.0 * rng.integers(2, size=n)[:, None]
        out[:, list(places.on)] = x
        slopes = np.array([[1.0], [-0.7]])[label] * np.linspace(0.5, 1.0, self.n_classes - 1)
        logs = log_classes(slopes * (x.sum(axis=1, keepdims=True) - 1.0))
        out[:, places.target] = draw_labels(np.exp(logs), rng)
        return Block(out)

    def embed(self, x: Any) -> np.ndarray:
        """The class as zeros and ones: the inputs are the gate's."""
        y = np.asarray(x, dtype=np.float64)[:, [self.known[0].target]]
        return (y == np.arange(self.n_classes)).astype(np.float64)

    def moments(self, params: LogitParams) -> None:
        """The number of a class has none."""

    @property
    def in_words(self) -> str:
        """As "logit of 3 classes"."""
        return f"logit of {self.n_classes} classes"

    def priors_in_words(self) -> list[str]:
        """Name and weight of each."""
        out = [f"ridge of {self.ridge:.3g} pseudo-rows"] if self.ridge else []
        return [*out, f"{self.prior:.3g} pseudo-rows of all classes in each expert"] if self.prior else out


@dataclass(frozen=True)
class _Lines:
    """The log odds of one component where inputs are missing: linear in r standard normal numbers.

    Attributes
    ----------
    intercepts : array of shape (m,)
    coefficients : array of shape (m, q)
    odds_by, inputs : arrays of shape (m, r) and (q, r)
        What log odds and inputs change by with these numbers.
    rest : array of shape (q, q)
        Covariance of the inputs that has nothing to do with the log odds.
    points, log_weights : arrays of shape (J, r) and (J,)
    """

    intercepts: np.ndarray
    coefficients: np.ndarray
    odds_by: np.ndarray
    inputs: np.ndarray
    rest: np.ndarray
    points: np.ndarray
    log_weights: np.ndarray

    @classmethod
    def of(cls, params: LogitParams, k: int, covariance: np.ndarray) -> "_Lines":
        """Of component k; the inputs have this covariance (q, q) about their means."""
        slopes, sd = params.coefficients[k], np.sqrt(np.diagonal(covariance))
        unit = np.where(sd > 0, sd, 1.0)
        values, axes = np.linalg.eigh(covariance / (unit[:, None] * unit))
        root = unit[:, None] * axes * np.sqrt(np.maximum(values, 0.0))
        u, sizes, v = np.linalg.svd(slopes @ root, full_matrices=False)
        told = sizes > 1e-9
        inputs = root @ v[told].T
        points, log_weights = nodes(int(told.sum()), float(sizes.max(initial=0.0)))
        rest = covariance - inputs @ inputs.T
        return cls(params.intercepts[k], slopes, u[:, told] * sizes[told], inputs, rest, points, log_weights)

    def slices(self, n: int) -> Iterator[slice]:
        """Rows that are worked on together."""
        size = max(1, _AT_ONCE // (len(self.points) * max(len(self.intercepts), 1)))
        return (slice(begin, min(begin + size, n)) for begin in range(0, n, size))

    def odds(self, means: np.ndarray) -> np.ndarray:
        """Log odds at each node, (n, J, m)."""
        return np.asarray((self.intercepts + means @ self.coefficients.T)[:, None] + self.points @ self.odds_by.T)

    def joint(self, means: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log probabilities of node and class, (n, J), and of all classes at each node, (n, J, C)."""
        logs = log_classes(self.odds(means))
        own = np.take_along_axis(logs, y.astype(np.int64)[:, None, None], axis=2)[:, :, 0]
        return own + self.log_weights, logs
