"""Questions to networks with Gaussian nodes: their expectations, the most probable values of all that is missing, random ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.models.bayesnet.blocks import Hidden
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.drawing import drawn
from emkit.models.bayesnet.impossible import refuse_impossible
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.most_probable import most_probable
from emkit.models.bayesnet.numbers import Evidence, NumberedRows, parts
from emkit.models.bayesnet.params import BayesNetParams, ConditionalGaussianParams


@dataclass(frozen=True)
class AsStates:
    """Rows of a network with Gaussian nodes as rows of a discrete one, at certain parameters.

    What the functions for discrete networks say of ``net``, ``params`` and ``codes`` holds for the rows; log probabilities lack
    ``log_scale`` (n,), which belongs to the density of the numbers.
    """

    net: BayesNet
    params: BayesNetParams
    codes: np.ndarray
    log_scale: np.ndarray


def as_states(model: ConditionalGaussianNet, params: ConditionalGaussianParams, codes: np.ndarray, z: np.ndarray) -> AsStates:
    """Rows (n, N) of states and (n, G) of numbers in standard units: see ``AsStates``."""
    asked = _Asked.of(model, params, codes, z, False)
    return AsStates(asked.rows.net, asked.tables, asked.rows.codes, asked.evidence.log_scale)


@dataclass(frozen=True)
class _Asked:
    """Some rows, compiled, and what their numbers say."""

    model: ConditionalGaussianNet
    params: ConditionalGaussianParams
    rows: NumberedRows
    evidence: Evidence

    @classmethod
    def of(cls, model: Any, params: Any, codes: np.ndarray, z: np.ndarray, kept: Any, *, mode: bool = False) -> "_Asked":
        rows = model.compiled(codes, z, kept)
        return cls(model, params, rows, rows.evidence(params.tables, model.families(params), mode=mode))

    @property
    def tables(self) -> BayesNetParams:
        return BayesNetParams(self.evidence.tables)

    def shares(self) -> list[np.ndarray]:
        """Of each factor the posterior (m, K) of its configurations."""
        plan, counts = self.rows.plan, np.zeros(len(self.evidence.tables))
        plan.sweep(self.evidence.tables, (0, plan.n_components), counts, np.empty(plan.n_components))
        return self.rows.shares(counts, None)

    def refuse_impossible(self) -> None:
        total = self.rows.compiled.log_probability(self.evidence.tables)
        refuse_impossible(self.rows.net, self.tables, self.rows.compiled, total)


def expectations(
    model: ConditionalGaussianNet, params: ConditionalGaussianParams, codes: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every Gaussian node given what its row has observed, (n, G) each, in the columns' units.

    Raises
    ------
    ImpossibleRowError
        For a row of probability zero.
    """
    found = [_expectations(model, params, codes[part], z[part]) for part in parts(len(codes))]
    means, variances = (np.concatenate(values) for values in zip(*found, strict=True))
    units = model.known_units
    return units.centre + units.scale * means, units.scale**2 * variances


def _expectations(model: Any, params: Any, codes: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    asked = _Asked.of(model, params, codes, z, ~np.asarray(model.cards, np.bool_))
    asked.refuse_impossible()
    means, squares = z.copy(), np.zeros(z.shape)
    for factor, share, kept in zip(asked.rows.factors, asked.shares(), asked.evidence.remembered, strict=True):
        if not isinstance(factor, Hidden):
            continue
        for one in kept:
            rows, weight = np.ix_(factor.rows[one.rows], factor.what.missing), share[one.rows].T[:, None, :]
            mean = (one.means * weight).sum(axis=0)
            own = np.diagonal(one.covariances, axis1=1, axis2=2)[:, :, None]
            means[rows] = mean.T
            squares[rows] = ((own + (one.means - mean) ** 2) * weight).sum(axis=0).T
    return means, squares


def mixture_of(
    model: ConditionalGaussianNet, params: ConditionalGaussianParams, codes: np.ndarray, z: np.ndarray, node: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distribution of a missing Gaussian node in a single row: weights, means and variances of a mixture of normals.

    Raises ImpossibleRowError if the row has probability zero.
    """
    kept = np.zeros(len(model.graph), np.bool_)
    kept[node] = True
    asked = _Asked.of(model, params, codes, z, kept)
    asked.refuse_impossible()
    g = model.linear.place[node]
    units = model.known_units
    for factor, share, kept_of in zip(asked.rows.factors, asked.shares(), asked.evidence.remembered, strict=True):
        if isinstance(factor, Hidden) and g in factor.what.missing:
            at, (one,) = factor.what.missing.index(g), kept_of
            means, variances = one.means[:, at, 0], one.covariances[:, at, at]
            used = share[0] > 0
            return share[0][used], units.centre[g] + units.scale[g] * means[used], units.scale[g] ** 2 * variances[used]
    value = units.centre[g] + units.scale[g] * z[0, g]  # it is observed
    return np.ones(1), np.array([value]), np.zeros(1)


def most_probable_values(
    model: ConditionalGaussianNet, params: ConditionalGaussianParams, codes: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All nodes of rows, (n, N), where joint probability times density is highest, and its log, (n,); in the columns' units.

    Raises ImpossibleRowError for a row of probability zero.
    """
    found = [_most_probable(model, params, codes[part], z[part]) for part in parts(len(codes))]
    values, logs = (np.concatenate(every) for every in zip(*found, strict=True))
    return values, logs


def _most_probable(model: Any, params: Any, codes: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    asked = _Asked.of(model, params, codes, z, True, mode=True)
    states, logs = most_probable(asked.rows.net, asked.tables, asked.rows.codes, kept=asked.rows.kept)
    full, best = model.spread_out(states[:, : len(model.discrete)]), z.copy()
    for factor, kept in zip(asked.rows.factors, asked.evidence.remembered, strict=True):
        if isinstance(factor, Hidden):
            which = factor.configuration(full)
            for one in kept:
                best[np.ix_(factor.rows[one.rows], factor.what.missing)] = one.means[which[one.rows], :, np.arange(len(one.rows))]
    missing = np.isnan(z)
    jacobian = missing @ np.log(model.known_units.scale)
    return _together(model, full, best), logs + asked.evidence.log_scale - jacobian


def drawn_values(
    model: ConditionalGaussianNet,
    params: ConditionalGaussianParams,
    codes: np.ndarray,
    z: np.ndarray,
    rng: np.random.Generator,
    times: int = 1,
) -> Iterator[np.ndarray]:
    """Rows completed ``times`` times by draws from the joint posterior of what is missing, (n, N), in the columns' units.

    Raises ImpossibleRowError for a row of probability zero.
    """
    given = as_states(model, params, codes, z)
    gaussian = ~np.asarray(model.cards, np.bool_)
    for states in drawn(given.net, given.params, given.codes, rng, times, first=len(model.discrete)):
        full, best = model.spread_out(states[:, : len(model.discrete)]), z.copy()
        for part in parts(len(codes)):
            asked = _Asked.of(model, params, full[part], z[part], gaussian)
            for factor, kept in zip(asked.rows.factors, asked.evidence.remembered, strict=True):
                for one in kept if isinstance(factor, Hidden) else ():
                    noise = rng.multivariate_normal(np.zeros(len(factor.what.missing)), one.covariances[0], len(one.rows))
                    best[part][np.ix_(factor.rows[one.rows], factor.what.missing)] = one.means[0].T + noise
        yield _together(model, full, best)


def _together(model: Any, states: np.ndarray, z: np.ndarray) -> np.ndarray:
    """All nodes of rows (n, N): states, and numbers in the columns' units."""
    out = states.astype(np.float64)
    out[:, list(model.linear.nodes)] = model.known_units.centre + model.known_units.scale * z
    return out
