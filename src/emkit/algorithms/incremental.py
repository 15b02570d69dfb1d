"""Incremental EM: an M-step after each part of the data, from statistics that are kept part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.algorithms.em import EM
from emkit.core.block import Part, Source
from emkit.core.checks import count
from emkit.core.fit import Algorithm, Problem
from emkit.core.model import EStep
from emkit.core.result import Step

_LEAST = 256  # rows of a part
_PLAIN = {"plain": np.array(1)}  # the model does not say its Q, or there is one part only: EM


@dataclass(frozen=True)
class IncrementalEM(Algorithm):
    """The E-step of a part of the data replaces that part's old statistics in the sum, and the M-step follows at once.

    Fewer passes than EM on data of some size; the parameters do not wait for the whole pass. Steps report the free energy
    sum_i [log-likelihood_i + Q_i(new) - Q_i(old)], each part taken at the parameters that its statistics were, which never falls
    and is at most the log-likelihood; the result has the log-likelihood. An M-step after which it would fall is not made, and all
    parts are done afresh. For models without ``q``, or with one that is known to second order only, where there is one part
    only, and for rows that lie on a cluster, this is EM.

    Parameters
    ----------
    n_parts : int
        At most: as many sets of statistics are kept.

    References
    ----------
    Neal and Hinton (1998), in Jordan (ed.), Learning in Graphical Models, 355-368.
    """

    n_parts: int = 32

    def __post_init__(self) -> None:
        count(self.n_parts, "n_parts", 2)

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """All parts at the start; or where the run had got to."""
        if carried:
            if "plain" in carried:
                return problem.evaluate(params, iteration, carried)
            like = EStep(problem.model, params)(problem.source.parts()[0].read())[0]
            kept = _Kept.of(carried, like)
            return self._step(problem, params, iteration, kept, float(carried["value"]))
        if problem.source.usual_executor is not None:  # rows stay where they are, and their parts cannot be told apart there
            return problem.evaluate(params, iteration, _PLAIN)
        sources = _cut(problem.source, self.n_parts)
        if len(sources) < 2 or problem.model.q(*self._first(problem, params, sources[0])) is None:
            return problem.evaluate(params, iteration, _PLAIN)
        kept = self._all(problem, params, sources)
        return self._step(problem, params, iteration, kept, kept.energy(problem, params))

    def advance(self, problem: Problem, step: Step) -> Step:
        """A sweep through the parts."""
        if "plain" in step.carried:
            return replace(EM().advance(problem, step), carried=_PLAIN)
        sources, params = _cut(problem.source, self.n_parts), step.params
        kept = _Kept.of(step.carried, step.stats)
        value, prior = step.log_likelihood, step.log_prior
        for i, source in enumerate(sources):
            new = problem.model.m_step(kept.total, params)
            raised = kept.energy(problem, new)
            new_prior = float(problem.model.log_prior(new))
            if not raised + new_prior >= value + prior - problem.rounding(value):
                kept = self._all(problem, params, sources)
                value = kept.energy(problem, params)
                break
            params, value, prior = new, raised, new_prior
            kept = kept.replaced(i, *self._one(problem, params, source))
            value = kept.energy(problem, params)
        if not kept.adds_up(problem, params):
            return replace(EM().advance(problem, problem.evaluate(step.params, step.iteration)), carried=_PLAIN)
        return self._step(problem, params, step.iteration + 1, kept.summed(), value)

    def finished(self, problem: Problem, step: Step) -> Step:
        """With the log-likelihood."""
        return step if "plain" in step.carried else replace(problem.evaluate(step.params, step.iteration), carried=step.carried)

    def _first(self, problem: Problem, params: Any, source: Source) -> tuple[Any, Any]:
        return EStep(problem.model, params)(source.parts()[0].read())[0], params

    def _one(self, problem: Problem, params: Any, source: Source) -> tuple[Any, float]:
        """A part's statistics, and its log-likelihood less its Q."""
        stats, value = problem.executor.map_reduce(EStep(problem.model, params), source)
        return stats, float(value) - float(problem.model.q(stats, params) or 0.0)

    def _all(self, problem: Problem, params: Any, sources: Sequence[Source]) -> "_Kept":
        parts, rests = zip(*(self._one(problem, params, source) for source in sources), strict=True)
        return _Kept(list(parts), np.array(rests)).summed()

    def _step(self, problem: Problem, params: Any, iteration: int, kept: "_Kept", value: float) -> Step:
        carried = {**kept.arrays(), "value": np.array(value)}
        return Step(iteration, params, value, float(problem.model.log_prior(params)), kept.total, carried)


class _Kept:
    """Statistics of each part, what its log-likelihood has beside its Q, and the sum."""

    def __init__(self, parts: list[Any], rests: np.ndarray, total: Any = None):
        self.parts, self.rests, self.total = parts, rests, total

    @classmethod
    def of(cls, carried: Mapping[str, np.ndarray], like: Any) -> "_Kept":
        """What a Step carries, in records like ``like``."""
        rests = carried["rests"]
        return cls([like.replace_arrays(carried, f"part.{i}.") for i in range(len(rests))], rests).summed()

    def arrays(self) -> dict[str, np.ndarray]:
        """To be carried."""
        out = {"rests": self.rests}
        for i, part in enumerate(self.parts):
            out |= part.flatten(f"part.{i}.")
        return out

    def summed(self) -> "_Kept":
        """With the sum taken afresh, so that no rounding is left of what was added and taken away."""
        total = self.parts[0]
        for part in self.parts[1:]:
            total = total + part
        return _Kept(self.parts, self.rests, total)

    def replaced(self, i: int, stats: Any, rest: float) -> "_Kept":
        """With a part done anew. The new one comes first, so that moments are taken about the present parameters."""
        parts, rests = list(self.parts), self.rests.copy()
        total = stats + self.total + parts[i] * -1.0
        parts[i], rests[i] = stats, rest
        return _Kept(parts, rests, total)

    def energy(self, problem: Problem, params: Any) -> float:
        """The free energy without the log prior: at most the log-likelihood."""
        return float(self.rests.sum()) + float(problem.model.q(self.total, params) or 0.0)

    def adds_up(self, problem: Problem, params: Any) -> bool:
        """Whether the Q of the sum is the sum of the parts' Qs: not so where Q is known about one point to second order only."""
        each = [float(problem.model.q(part, params) or 0.0) for part in self.parts]
        return abs(sum(each) - float(problem.model.q(self.total, params) or 0.0)) <= 1e-9 * (1.0 + sum(map(abs, each)))


class _Some(Source):
    """Some parts of a source."""

    def __init__(self, whole: Source, parts: Sequence[Part], n_rows: int):
        self.whole, self._parts = whole, parts
        self.columns, self.n_rows, self.total_weight = whole.columns, n_rows, whole.total_weight

    def parts(self) -> Sequence[Part]:
        """The parts."""
        return self._parts

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """Of the whole."""
        return self.whole.sample(n, rng)


def _cut(source: Source, most: int) -> list[Source]:
    """A source in at most so many, of about as many parts each; an only block is cut."""
    key = ("incremental", most)
    if key in source.kept:
        return source.kept[key]  # type: ignore[no-any-return]
    parts: Sequence[Part] = source.parts()
    if len(parts) == 1:
        block = parts[0].read()
        pieces = min(most, block.n // _LEAST, block.units)
        if pieces > 1:
            cuts = np.array_split(np.arange(block.units), pieces)
            parts = [replace(block.take(index), start=block.start + int(index[0])) for index in cuts]
    groups = [parts[int(a[0]) : int(a[-1]) + 1] for a in np.array_split(np.arange(len(parts)), min(most, len(parts)))]
    made: list[Source] = [_Some(source, group, max(source.n_rows // len(groups), 1)) for group in groups]
    source.kept[key] = made
    return made
