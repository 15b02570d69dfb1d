"""Gate and linear expert together as one normal distribution of inputs and target, whose E-step is fast.

A normal gate, and a target that is normal about a line of the inputs, make a joint normal distribution: with gate N(m, C) and
expert N(a + b'x, v) its mean is (m, a + b'm), its covariance [[C, C b], [b'C, v + b'C b]]. So the E-step of a mixture of experts
on complete rows is that of a mixture of normals, by matrix products or compiled code, and the statistics of both parts follow from
its moments.
"""

import numpy as np

from emkit.core.bayes import Pass
from emkit.core.block import Block, Source
from emkit.core.selected import SelectedColumns, columns_of
from emkit.families.column_parts import ColumnPart
from emkit.families.experts.linear import LinearExpert
from emkit.families.gaussian.conditional import matrices
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.per_column import PerColumnParams
from emkit.families.regression.configuration import RegressionParams
from emkit.families.regression.quadratic import Quadratic

_NARROW = 1e-7
"""The share of a target's variance that a line must leave: moments about the mean lose the digits of what is less."""
_JOINT = Gaussian("full")


class Joint:
    """A gate over some columns, and an expert on all or none of them, as a ``Gaussian`` over these columns and the target.

    Parameters
    ----------
    gate : Gaussian
    expert : LinearExpert
    columns : tuple of int
        The gate's, then the target's.
    inputs : list of int
        Which of the gate's columns the expert is regressed on.
    """

    def __init__(self, gate: Gaussian, expert: LinearExpert, columns: tuple[int, ...], inputs: list[int]):
        self.gate, self.expert, self.columns, self.inputs = gate, expert, columns, inputs

    @classmethod
    def of(cls, gate: ColumnPart, expert: ColumnPart, inputs: list[int]) -> "Joint | None":
        """From the parts of a mixture of experts; None where these are no joint normal distribution."""
        line = expert.family
        if not isinstance(gate.family, Gaussian) or not isinstance(line, LinearExpert) or line.known[0].offset is not None:
            return None
        return cls(gate.family, line, (*gate.columns, expert.own[0]), inputs)

    def takes(self, block: Block) -> bool:
        """Whether the rows are of numbers whose digits last: float64, in host memory."""
        return block.in_numpy and block.x.dtype == np.float64

    def compile(self, source: Source, k: int) -> None:
        """What the first pass compiles."""
        _JOINT.compile(SelectedColumns(source, self.columns), k)

    def params(self, params: PerColumnParams) -> GaussianParams | None:
        """Of the joint distribution; None where a target is so narrow about its line that digits would be lost.

        The same object for all blocks, so that what a ``Gaussian`` works out from its parameters is worked out once.
        """
        key = ("joint", tuple(self.inputs))
        if key not in params.kept:
            params.kept[key] = self._params(params)
        found: GaussianParams | None = params.kept[key]
        return found

    def _params(self, params: PerColumnParams) -> GaussianParams | None:
        gate, expert = params.parts[0], params.parts[1]
        wide = matrices(gate)
        k, d = wide.means.shape
        slopes = np.zeros((k, d))
        slopes[:, self.inputs] = expert.coefficients
        pulled = np.matmul(wide.covariances, slopes[:, :, None])[:, :, 0]
        told = np.einsum("kd,kd->k", slopes, pulled)
        own = np.broadcast_to(expert.variances, (k,))
        with np.errstate(over="ignore", invalid="ignore"):
            if not (own > _NARROW * (own + told)).all():
                return None
        covariances = np.empty((k, d + 1, d + 1))
        covariances[:, :d, :d] = wide.covariances
        covariances[:, :d, d] = covariances[:, d, :d] = pulled
        covariances[:, d, d] = own + told
        means = np.column_stack([wide.means, expert.intercepts + np.einsum("kd,kd->k", slopes, wide.means)])
        return GaussianParams(means, covariances)

    def joint_pass(self, params: PerColumnParams, log_weights: np.ndarray, block: Block, **what: bool) -> Pass | None:
        """The E-step, with the statistics of gate and expert; None where it is better made part by part."""
        joint = self.params(params)
        if joint is None:
            return None
        seen = block if self.columns == tuple(range(block.x.shape[1])) else columns_of(block, self.columns)
        found = _JOINT.joint_pass(joint, log_weights, seen, **what)
        if found.stats is not None:
            found.stats = self.gate_stats(params.parts[0], found.stats), self.expert_stats(params.parts[1], found.stats)
        return found

    def gate_stats(self, params: GaussianParams, joint: GaussianStats) -> GaussianStats:
        """The moments of the inputs, in the form of the gate's covariances."""
        assert joint.second is not None
        d, form, second = params.means.shape[1], params.covariances.shape, joint.second[:, :-1, :-1]
        if self.gate.is_held("covariances"):
            return GaussianStats(joint.counts, joint.first[:, :d], None, params.means)
        if len(form) == 2:
            second = np.einsum("kii->ki", second)
            second = second if form[1] == d else second.sum(axis=1, keepdims=True)
        elif form[0] < len(second):
            second = second.sum(axis=0, keepdims=True)
        return GaussianStats(joint.counts, joint.first[:, :d], np.array(second), params.means)

    def expert_stats(self, params: RegressionParams, joint: GaussianStats) -> Quadratic:
        """Slope and curvature about the current lines, which go through the joint means."""
        assert joint.second is not None
        expert, at, b = self.expert, self.inputs, params.coefficients
        frame, mass = expert.known[1], joint.counts
        x, y = joint.first[:, at], joint.first[:, -1]
        xx, xy, yy = joint.second[:, at][:, :, at], joint.second[:, at, -1], joint.second[:, -1, -1]
        left = y - np.einsum("kq,kq->k", b, x)
        along = xy - np.einsum("kqr,kr->kq", xx, b)
        square = yy - np.einsum("kq,kq->k", b, xy + along)
        off = joint.pivot[:, at] - frame.centre
        p = 1 + len(at)
        bends, slope = np.empty((len(mass), p, p)), np.empty((len(mass), p))
        bends[:, 0, 0] = mass
        bends[:, 0, 1:] = bends[:, 1:, 0] = (x + mass[:, None] * off) / frame.scale
        half = (x + 0.5 * mass[:, None] * off)[:, :, None] * off[:, None, :]
        bends[:, 1:, 1:] = (xx + half + np.swapaxes(half, 1, 2)) / (frame.scale[:, None] * frame.scale)
        slope[:, 0] = left
        slope[:, 1:] = (along + left[:, None] * off) / frame.scale
        return Quadratic(mass, bends, slope, np.maximum(square, 0.0), expert._standard(params))
