"""Gate and expert as one family over the rows [inputs, target]: missing inputs are integrated out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.bayes import Pass, slices
from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.families.column_parts import ColumnPart
from emkit.families.experts.expert import Expert
from emkit.families.experts.joint import Joint
from emkit.families.experts.unseen import Unseen, gate_stats, unseen
from emkit.families.gaussian.family import Gaussian
from emkit.families.ignored import Ignored, IgnoredStats
from emkit.families.per_column import PerColumn, PerColumnParams, PerColumnStats

IDLE = 0.5 / np.pi
"""The variance of a gate whose inputs have one value each: its density there is 1."""


@dataclass(frozen=True, init=False)
class Experts(PerColumn):
    """A normal distribution of the inputs, the gate, beside a distribution of the target given them, the expert.

    A mixture of it is a mixture of experts whose gate is normal: Xu, Jordan and Hinton (1995), NIPS 7, 633-640. It differs from a
    plain ``PerColumn`` of the two in that inputs may be missing beside a target: the gate knows their distribution given the
    observed cells, and mean *and* covariance of it enter the expert, in the E-step with what the target tells of them.

    Parameters
    ----------
    parts : mapping, or sequence of ColumnPart
        The gate, a ``Gaussian`` over all inputs, and the expert, an ``Expert`` on all of them, or on none. ``Experts.of`` makes
        them.

    Its parameters are called ``gate_means``, ``gate_covariances``, ``expert_intercepts`` and so on.
    """

    @classmethod
    def of(cls, gate: Gaussian, expert: Expert, inputs: Sequence[Any], *, target: Any, constant: bool = False) -> Self:
        """Over these columns, names or numbers; a ``constant`` expert does not see the inputs."""
        shown = (target,) if constant else (*inputs, target)
        return cls([ColumnPart("gate", tuple(inputs), gate), ColumnPart("expert", shown, expert)])

    @classmethod
    def examples(cls) -> list[Self]:
        """Constant and linear experts, and logits, with gates of several shapes."""
        from emkit.families.experts.linear import LinearExpert
        from emkit.families.experts.logit import LogitExpert

        return [
            cls.of(Gaussian("tied-diag"), LinearExpert(target=1), (0,), target=1),
            cls.of(Gaussian("full"), LinearExpert(target=0), (1,), target=0),
            cls.of(Gaussian("spherical"), LinearExpert(on=()), (0,), target=1, constant=True),
            cls.of(Gaussian("tied"), LogitExpert(3, target=1), (0,), target=1),
        ]

    @property
    def gate(self) -> ColumnPart:
        """The part that describes the inputs."""
        return self.parts[0]

    @property
    def expert(self) -> Expert:
        """The family that describes the target."""
        found = self.parts[1].family
        if not isinstance(found, Expert):
            raise ParameterError(f"{found.called} cannot be an expert; take a LinearExpert or a LogitExpert")
        return found

    @property
    def target(self) -> int:
        """The number of the target's column."""
        return int(self.parts[1].own[0])

    @property
    def inputs(self) -> list[int]:
        """Which of the gate's columns, by place, the expert is regressed on."""
        return [self.gate.columns.index(self.parts[1].columns[j]) for j in self.expert.inputs]

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """None."""
        return ()

    def ready(self, source: Source, k: int) -> Self:
        """Inputs that have one value are left out of gate and expert.

        If all of them have, the gate is held there, with a density of 1 whatever the expert: weights alone tell experts apart.
        """
        numbered = self.numbered(source.columns)
        summary, gate = source.summary, numbered.gate
        told = tuple(j for j in gate.columns if summary.low[j] < summary.high[j])
        idle = tuple(j for j in gate.columns if j not in told)
        if not told and self.has_values and not gate.family.is_held("covariances"):
            raise DataError("every input has one value, so none tells experts apart; give no values for them, or inputs that vary")
        if not idle or self.has_values:
            return super().ready(source, k)
        expert = numbered.parts[1]
        keep = tuple(j for j in expert.columns if j not in idle)
        blank: Any = replace(expert.family, places=None)  # type: ignore[call-arg]
        family = replace(blank, target=numbered.target) if len(keep) > 1 else replace(blank, on=(), target=None)
        parts = [replace(gate, columns=told or idle), replace(expert, columns=keep, family=family)]
        if told:
            parts.append(ColumnPart("idle", idle, Ignored()))
        else:
            held = {"means": np.tile(summary.low[list(idle)], (k, 1)), "covariances": IDLE}
            parts[0] = replace(parts[0], family=replace(gate.family, prior=None).configured(held, {}))  # type: ignore[call-arg]
        return super(Experts, replace(self, parts=tuple(parts))).ready(source, k)

    @property
    def idle(self) -> tuple[int, ...]:
        """Inputs, by number, that have one value and so tell nothing."""
        if self.blind:
            return self.gate.columns
        return tuple(j for part in self.parts[2:] for j in part.columns)

    @property
    def blind(self) -> bool:
        """Whether all inputs have one value, so that the gate tells nothing."""
        held = np.asarray(self.gate.family.fixed.get("covariances", 0.0))
        return bool(np.isin(held, (IDLE, 0.0)).all() and (held == IDLE).any())

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """With its columns by number."""
        return super(Experts, self.numbered(Columns.numbered(d))).without_data(values, d)

    def partition(self, x: np.ndarray, weights: np.ndarray | None, k: int, rng: np.random.Generator) -> np.ndarray | None:
        """As the expert has it: by lines."""
        return self.expert.partition(np.asarray(x)[:, list(self.parts[1].columns)], weights, k, rng)

    # --- missing inputs -----------------------------------------------------------------------------------------------

    def _holes(self, x: np.ndarray) -> np.ndarray:
        """Which rows (n,) have a target beside missing inputs."""
        gone = np.isnan(x[:, list(self.gate.columns)]).any(axis=1)
        return np.asarray(gone & ~np.isnan(x[:, self.target]))

    def log_prob(self, params: PerColumnParams, x: Any) -> np.ndarray:
        """Log density of the observed cells, (n, K)."""
        x = np.asarray(x)
        holes = self._holes(x)
        if not holes.any():
            return super().log_prob(params, x)
        out = np.empty((len(x), len(params.parts[0].means)))
        out[~holes] = super().log_prob(params, x[~holes])
        some = x[holes]
        at, sel = np.flatnonzero(holes), self.inputs
        for group in self._groups(params, some):
            y = some[group.rows, self.target].astype(np.float64)
            known = group.means[:, :, sel], group.covariances[:, sel][:, :, sel]
            out[at[group.rows]] = group.log_prob + self.expert.integrated(params.parts[1], y, *known)
        return out

    def stats(self, params: PerColumnParams, x: Any, resp: Any) -> PerColumnStats:
        """Of complete rows as of any; inputs that are missing beside a target by what both tell of them."""
        x, resp = np.asarray(x), np.asarray(resp, dtype=np.float64)
        holes = self._holes(x)
        if not holes.any():
            return super().stats(params, x, resp)
        gate, expert, *idle = super().stats(params, x[~holes], resp[~holes]).parts
        some, weights, sel = x[holes], resp[holes], self.inputs
        second = not self.gate.family.is_held("covariances")
        for group in self._groups(params, some):
            r, y = weights[group.rows], some[group.rows, self.target].astype(np.float64)
            found = self.expert.completed(
                params.parts[1], y, group.means[:, :, sel], group.covariances[:, sel][:, :, sel], r
            )  # fmt: skip
            means, spread = group.means, r.sum(axis=0)[:, None, None] * group.covariances
            if sel:
                means[:, :, sel] += found.shift
                spread[:, np.array(sel)[:, None], sel] = found.spread
            gate = gate + gate_stats(params.parts[0], r, means, spread, second)
            expert = expert + found.stats
        idle = [part.family.stats(own, x, resp) for part, own in zip(self.parts[2:], params.parts[2:], strict=True)]
        return PerColumnStats((gate, expert, *idle))

    def _groups(self, params: PerColumnParams, x: np.ndarray) -> Iterator[Unseen]:
        return unseen(params.parts[0], x[:, list(self.gate.columns)])

    def predicted(self, params: PerColumnParams, x: Any) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
        """For groups of rows: their numbers, log densities of their inputs (n, K), and what the expert predicts.

        That is a mean and a variance of the target under each component, (n, K) each, or probabilities of classes, (n, K, C); the
        target itself is not looked at.
        """
        x, sel = np.asarray(x), self.inputs
        for group in self._groups(params, x):
            known = group.means[:, :, sel], group.covariances[:, sel][:, :, sel]
            yield group.rows, group.log_prob, self.expert.predicted(params.parts[1], *known)  # type: ignore[attr-defined]

    # --- passes -------------------------------------------------------------------------------------------------------

    def joint_pass(self, params: Any, log_weights: np.ndarray, block: Block, **what: bool) -> Pass:  # type: ignore[override]
        """Where nothing is missing linear experts as one normal distribution with their gate, others by distinct values."""
        if block.missing:
            return self.plain_pass(params, log_weights, block, **what)
        joint = self._joint()
        found = joint.joint_pass(params, log_weights, block, **what) if joint is not None and joint.takes(block) else None
        if found is None:
            return super().joint_pass(params, log_weights, block, **what)
        if found.stats is not None:
            idle = [IgnoredStats(np.asarray(found.counts)) for _ in self.parts[2:]]
            found.stats = PerColumnStats((*found.stats, *idle))
        return found

    def _joint(self) -> Joint | None:
        """Gate and expert as one normal distribution, where they are one."""
        return Joint.of(self.gate, self.parts[1], self.inputs)

    def compile(self, source: Source, k: int) -> None:
        """What the first pass compiles."""
        joint = self._joint()
        if joint is None:
            super().compile(source, k)
        else:
            joint.compile(source, k)

    def log_prob_block(self, params: PerColumnParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Part by part only where nothing is missing."""
        if not block.missing:
            return super().log_prob_block(params, block, out)
        found = np.concatenate([self.log_prob(params, block.x[part]) for part in slices(block.n)])
        if out is None:
            return found
        out[:] = found
        return out

    def stats_block(self, params: PerColumnParams, block: Block, resp: np.ndarray) -> PerColumnStats:
        """Part by part only where nothing is missing."""
        if not block.missing:
            return super().stats_block(params, block, resp)
        total: Any = None
        for part in slices(block.n):
            here = self.stats(params, block.x[part], resp[part])
            total = here if total is None else total + here
        return total  # type: ignore[no-any-return]
