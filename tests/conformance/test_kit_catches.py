"""A kit that never fails proves nothing: each family or model here breaks one law, and the kit has to name it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from emkit import EM, ArraySource, Gaussian, Mixture, Stats, Threads
from emkit.core.model import sliced_pass
from emkit.families.gaussian.family import GaussianParams, GaussianStats
from emkit.models.mixture import MixtureParams
from emkit.testing import check_family, check_model

# Each class below is a Gaussian with one method spoiled. Subclassing is for these tests only; see docs of emkit.core.model.


class ForgetsWeights(Gaussian):
    """Responsibilities brought back to a sum of one: the row weights inside them are lost."""

    def stats(self, params, x, resp):
        return super().stats(params, x, resp / np.maximum(resp.sum(axis=1, keepdims=True), 1e-300))


class AveragesInsteadOfSums(Gaussian):
    """Statistics divided by the number of rows do not add up."""

    def stats(self, params, x, resp):
        return super().stats(params, x, resp) * (1.0 / len(x))


class MultipliesTwice(Gaussian):
    """``stats * c`` that scales twice."""

    def stats(self, params, x, resp):
        s = super().stats(params, x, resp)
        return Squared(s.counts, s.first, s.second, s.pivot)


@dataclass(frozen=True)
class Squared(GaussianStats):
    def __mul__(self, c):
        return super().__mul__(c * c)

    __rmul__ = __mul__


class KeepsState(Gaussian):
    """A running total in ``self``: the second call differs from the first."""

    def stats(self, params, x, resp):
        object.__setattr__(self, "calls", getattr(self, "calls", 0) + 1)
        return super().stats(params, x, resp * (1.0 + 1e-9 * self.calls))


class ChangesItsInput(Gaussian):
    """Centres the rows in place."""

    def stats(self, params, x, resp):
        out = super().stats(params, x, resp)
        x -= 1.0
        return out


class DependsOnTheFirstRow(Gaussian):
    """Uses the order of the rows."""

    def stats(self, params, x, resp):
        out = super().stats(params, x, resp)
        return replace(out, first=out.first + 1e-3 * x[0])


class Overshoots(Gaussian):
    """An M-step that goes three times too far lowers what it should raise."""

    def m_step(self, stats, params):
        new = super().m_step(stats, params)
        return GaussianParams(params.means + 3.0 * (new.means - params.means) + 1.0, new.covariances)


class DividesByTheWrongCount(Gaussian):
    """Covariances one per cent too large: nearly right, never stationary."""

    def m_step(self, stats, params):
        new = super().m_step(stats, params)
        return GaussianParams(new.means, 1.01 * new.covariances)


class ForgetsItsPrior(Gaussian):
    """The objective has the prior twice, the M-step once."""

    def log_prior(self, params):
        return 2.0 * super().log_prior(params) + float(np.sum(params.means))


class PacksTooMuch(Gaussian):
    """A vector with one number too many."""

    def pack(self, params):
        return np.append(super().pack(params), 0.0)

    def unpack(self, vector, like):
        return super().unpack(vector[:-1], like)


class UnpacksWrongly(Gaussian):
    """``unpack`` forgets the exponential's last digits."""

    def unpack(self, vector, like):
        out = super().unpack(vector, like)
        return GaussianParams(out.means, out.covariances * (1 + 1e-5))


class PermutesHalf(Gaussian):
    """Relabels the means and forgets the covariances."""

    def permute(self, params, order):
        return GaussianParams(params.means[order], params.covariances)


class HasAnotherPass(Gaussian):
    """A fast path that disagrees with the plain one in the sixth digit."""

    def joint_pass(self, params, log_weights, block, *, rows=False, responsibilities=False):
        out = sliced_pass(self, params, log_weights, block, rows=rows, responsibilities=responsibilities)
        out.log_likelihood *= 1.0 + 1e-6
        return out


class ForgetsTheNormaliser(Gaussian):
    """log|S| / 2 missing in the density: EM climbs something else than what it reports."""

    def log_prob(self, params, x):
        out = super().log_prob(params, x)
        return out - np.broadcast_to(params.whitener.log_norm, out.shape[1])


class CountsMissingCells(Gaussian):
    """A missing cell costs something."""

    def log_prob(self, params, x):
        return super().log_prob(params, x) - 0.1 * np.isnan(x).sum(axis=1)[:, None]


class SamplesTooWide(Gaussian):
    """Uses the variance where the standard deviation belongs."""

    def sample(self, params, component, rng):
        out = super().sample(params, component, rng)
        return params.means[component] + 1.2 * (out - params.means[component])


@dataclass(frozen=True)
class HoldsAFunction(Gaussian):
    """A function cannot be written to a file."""

    twist: Any = abs


class BlocksDiffer(Gaussian):
    """The block form of log_prob does something else."""

    def log_prob_block(self, params, block, out=None):
        out = super().log_prob_block(params, block, out)
        out += 1e-5
        return out


class ForgetsWhereTo(Gaussian):
    """The block form of log_prob makes an array of its own where it was given one."""

    def log_prob_block(self, params, block, out=None):
        return super().log_prob_block(params, block)


BROKEN_FAMILIES = {
    ForgetsWeights: "weights_are_repetitions|statistics_add_up",
    AveragesInsteadOfSums: "statistics_add_up",
    MultipliesTwice: "statistics_pack_and_scale",
    KeepsState: "same_bits_twice",
    ChangesItsInput: "same_bits_twice",
    DependsOnTheFirstRow: "statistics_add_up",
    Overshoots: "m_step_never_lowers",
    DividesByTheWrongCount: "m_step_never_lowers|m_steps_end_where_nothing_is_to_gain",
    ForgetsItsPrior: "m_step_never_lowers|m_steps_end_where_nothing_is_to_gain",
    PacksTooMuch: "parameters_pack_and_unpack",
    UnpacksWrongly: "parameters_pack_and_unpack",
    PermutesHalf: "labels_do_not_matter",
    HasAnotherPass: "joint_pass_is_the_plain_pass",
    ForgetsTheNormaliser: "m_step_never_lowers|m_steps_end_where_nothing_is_to_gain",
    CountsMissingCells: "nothing_observed_says_nothing",
    SamplesTooWide: "samples_fit",
    HoldsAFunction: "description_makes_the_family_again",
    BlocksDiffer: "blocks_are_their_rows",
    ForgetsWhereTo: "blocks_are_their_rows",
}


@pytest.mark.parametrize("broken", BROKEN_FAMILIES, ids=lambda broken: broken.__name__)
def test_broken_family(broken, clusters):
    with pytest.raises((AssertionError, TypeError)) as caught:
        check_family(broken("diag"), clusters(90, 2), compiled=False)
    said = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert broken.__name__ in said
    assert any(law in said for law in BROKEN_FAMILIES[broken].split("|")), said


def test_the_message_has_law_and_numbers(clusters):
    with pytest.raises(AssertionError, match=r"statistics_add_up \(Statistics .*\): .* is -?\d.*, expected -?\d.* allowed"):
        check_family(AveragesInsteadOfSums("diag"), clusters(90, 2))


class WeightsFromNowhere(Mixture):
    """A monotone-looking M-step that pulls the weights towards equality without a prior that says so."""

    def m_step(self, stats, params):
        new = super().m_step(stats, params)
        return MixtureParams(0.9 * new.weights + 0.05, new.components)


class LosesWeights(Mixture):
    """Ignores the weights of the block."""

    def e_step(self, params, block):
        return super().e_step(params, replace(block, weights=None))


class ReportsAnotherObjective(Mixture):
    """Adds to each row's log-likelihood something that depends on the parameters."""

    def e_step(self, params, block):
        stats, value = super().e_step(params, block)
        total = block.total_weight
        return stats, value + total * float(np.log(params.weights).sum())


class DependsOnItsHistory(Mixture):
    """Damps every third M-step, counting in ``self``."""

    def m_step(self, stats, params):
        object.__setattr__(self, "count", getattr(self, "count", 0) + 1)
        new = super().m_step(stats, params)
        return new if self.count % 3 else MixtureParams(0.5 * (new.weights + params.weights), new.components)


class SamplesEqually(Mixture):
    """Draws components as if they were equally probable."""

    def sample(self, params, n, rng):
        equal = MixtureParams(np.full(self.n_components, 1 / self.n_components), params.components)
        return super().sample(equal, n, rng)


class LosesTheFamily(Mixture):
    """``null_params`` of the wrong shape: its files could not be read."""

    def null_params(self, n_features):
        return replace(super().null_params(n_features), components=None)


BROKEN_MODELS = {
    WeightsFromNowhere: "objective_never_falls|em_ends_where_nothing_is_to_gain",
    LosesWeights: "weights_are_repetitions",
    ReportsAnotherObjective: "objective_never_falls|em_ends_where_nothing_is_to_gain",
    DependsOnItsHistory: "same_bits_twice",
    SamplesEqually: "samples_fit",
    LosesTheFamily: "description_makes_the_model_again",
}


@pytest.fixture
def unequal():
    """Two overlapping clusters, one with a sixth of the rows."""
    rng = np.random.default_rng(0)
    return ArraySource(np.concatenate([rng.normal(0, 1, (25, 2)), rng.normal(2.5, 1, (125, 2))]))


@pytest.mark.parametrize("broken", BROKEN_MODELS, ids=lambda broken: broken.__name__)
def test_broken_model(broken, unequal):
    with pytest.raises(AssertionError) as caught:
        check_model(broken(Gaussian("diag"), 2), unequal)
    said = str(caught.value)
    assert broken.__name__ in said
    assert any(law in said for law in BROKEN_MODELS[broken].split("|")), said


class LastFirst(Threads):
    """Adds the blocks from the last to the first: the same sum on paper, other bits."""

    def map_reduce(self, fn, source):
        stats, total = None, 0.0
        for here, value in reversed(list(self.map(fn, source))):
            stats = here if stats is None else stats + here
            total += value
        return stats, total


def test_broken_executor(unequal):
    with pytest.raises(AssertionError, match="executors_agree"):
        check_model(Mixture(Gaussian(), 2), unequal, executors=[LastFirst(1)])


class EverySecondStepTwice(EM):
    """Counts its own calls, so that a resumed run, which counts anew, goes another way."""

    def advance(self, problem, step):
        object.__setattr__(self, "count", getattr(self, "count", 0) + 1)
        new = super().advance(problem, step)
        return new if self.count % 2 else replace(super().advance(problem, new), iteration=new.iteration)


def test_broken_algorithm(unequal):
    with pytest.raises(AssertionError, match="resumed_is_uninterrupted"):
        check_model(Mixture(Gaussian("diag"), 2), unequal, algorithm=EverySecondStepTwice())


def test_stats_that_lose_a_field(unequal):
    """A field marked as a label by mistake is not added up."""
    from dataclasses import field

    @dataclass(frozen=True)
    class Half(Stats):
        counts: np.ndarray
        total: np.ndarray = field(metadata={"additive": False})

    two = Half(np.ones(2), np.ones(2)) + Half(np.ones(2), np.ones(2))
    assert two.counts.tolist() == [2, 2] and two.total.tolist() == [1, 1]  # what statistics_add_up would notice in the M-step
