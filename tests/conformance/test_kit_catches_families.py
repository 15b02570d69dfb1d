"""A kit that never fails proves nothing: each family here breaks one law, and the kit has to name it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from emkit import GammaPrior, Gaussian, Poisson, Stats
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.testing import check_family, draw

# Each class is a Gaussian or a Poisson with one method spoiled. Subclassing families is for these tests only.


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


class RunsAwayUnseen(Poisson):
    """Says of a value that no user sees that it ran away."""

    def away(self, params):
        return {"logs": np.zeros(params.rates.shape)}


class RunsAwayAsAWhole(Poisson):
    """Says that a parameter ran away, and not which entry."""

    def own_away(self, params):
        return {"rates": np.zeros(1)}


class NarrowAsAWhole(Gaussian):
    """One variance for all columns."""

    def narrowest(self, params):
        return super().narrowest(params).min(axis=1)


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


class ShowsLogarithms(Poisson):
    """What users see is not what they give."""

    def shown(self, params):
        return {"rates": np.log1p(params.rates)}


class ForgetsWhatIsHeld(Poisson):
    """The M-step's values replace fixed ones."""

    def update(self, stats, params):
        return self.m_step(stats, params)


class CountsWhatIsFixed(Poisson):
    """Fixed rates are counted as free."""

    def n_free(self, params):
        return params.rates.size


class LeavesHeldValuesBehind(Poisson):
    """The configuration stays as it is when its components are permuted."""

    def permuted(self, order):
        return self


class PermutesHalf(Gaussian):
    """Relabels the means and forgets the covariances."""

    def permute(self, params, order):
        return GaussianParams(params.means[order], params.covariances)


class HasAnotherPass(Gaussian):
    """A fast path that disagrees with the plain one in the sixth digit."""

    def joint_pass(self, params, log_weights, block, **what):
        out = self.plain_pass(params, log_weights, block, **what)
        out.log_likelihood *= 1.0 + 1e-6
        return out


class PassesOverLabels(Poisson):
    """A fast path that knows nothing of labels."""

    def joint_pass(self, params, log_weights, block, **what):
        return self.plain_pass(params, log_weights, replace(block, labels=None), **what)


class ForgetsTheNormaliser(Gaussian):
    """log|S| / 2 missing in the density: EM climbs something else than what it reports."""

    def log_prob(self, params, x):
        out = super().log_prob(params, x)
        return out - np.broadcast_to(params.whitener.log_norm, out.shape[1])


class ForgetsTheExposure(Poisson):
    """Half of Q is missing."""

    def q(self, stats, params):
        return float(np.sum(stats.total * np.log(params.rates)))


class CountsMissingCells(Gaussian):
    """A missing cell costs something."""

    def log_prob(self, params, x):
        return super().log_prob(params, x) - 0.1 * np.isnan(x).sum(axis=1)[:, None]


class SamplesTooWide(Gaussian):
    """Uses the variance where the standard deviation belongs."""

    def sample(self, params, component, rng):
        out = super().sample(params, component, rng)
        return params.means[component] + 1.2 * (out - params.means[component])


class SamplesFractions(Poisson):
    """Counts that are none."""

    def sample(self, params, component, rng):
        return super().sample(params, component, rng) + 0.5


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


@dataclass(frozen=True)
class HoldsAFunction(Gaussian):
    """A function cannot be written to a file."""

    twist: Any = abs


@dataclass(frozen=True)
class HidesASetting(Poisson):
    """What is set behind the constructor's back does not come back from a file."""

    added: float = field(default=0.0, init=False)

    def ready(self, source, k):
        out = replace(self)
        object.__setattr__(out, "added", 1.0)
        return out

    def with_values(self, k, d):
        return self

    def log_prior(self, params):
        return self.added


class LosesItsPriorOnTheWay(Poisson):
    """Pickled without what was configured."""

    def __reduce__(self):
        return type(self), (), {"seen": self.seen}

    def __setstate__(self, state):
        object.__setattr__(self, "seen", state["seen"])


HELD = {"rates": [[2.0, np.nan], [np.nan, 4.0]]}
BROKEN = [
    (ForgetsWeights("diag"), "weights_are_repetitions|statistics_add_up"),
    (AveragesInsteadOfSums("diag"), "statistics_add_up"),
    (MultipliesTwice("diag"), "statistics_pack_and_scale"),
    (KeepsState("diag"), "same_bits_twice"),
    (ChangesItsInput("diag"), "same_bits_twice"),
    (DependsOnTheFirstRow("diag"), "statistics_add_up"),
    (Overshoots("diag"), "m_step_never_lowers|fixed_values_stay"),
    (DividesByTheWrongCount("diag"), "m_step_never_lowers|m_steps_end_where_nothing_is_to_gain|fixed_values_stay"),
    (ForgetsItsPrior("diag"), "m_step_never_lowers|m_steps_end_where_nothing_is_to_gain|fixed_values_stay"),
    (PacksTooMuch("diag"), "parameters_pack_and_unpack"),
    (UnpacksWrongly("diag"), "parameters_pack_and_unpack"),
    (ShowsLogarithms(), "shown_values_can_be_given_back"),
    (RunsAwayUnseen(), "what_runs_away_is_shown"),
    (RunsAwayAsAWhole(), "what_runs_away_is_shown"),
    (NarrowAsAWhole("diag"), "narrowest_is_of_all_columns"),
    (ForgetsWhatIsHeld(), "fixed_values_stay"),
    (ForgetsWhatIsHeld(fixed=HELD), "fixed_values_stay"),
    (CountsWhatIsFixed(), "fixed_values_stay"),
    (LeavesHeldValuesBehind(fixed=HELD), "configuration_follows_labels"),
    (PermutesHalf("diag"), "labels_do_not_matter|configuration_follows_labels"),
    (HasAnotherPass("diag"), "joint_pass_is_the_plain_pass"),
    (PassesOverLabels(), "joint_pass_is_the_plain_pass"),
    (ForgetsTheNormaliser("diag"), "m_step_never_lowers|m_steps_end_where_nothing_is_to_gain|fixed_values_stay"),
    (ForgetsTheExposure(), "fisher_identity"),
    (CountsMissingCells("diag"), "nothing_observed_says_nothing"),
    (SamplesTooWide("diag"), "samples_fit"),
    (SamplesFractions(), "samples_fit"),
    (BlocksDiffer("diag"), "blocks_are_their_rows"),
    (ForgetsWhereTo("diag"), "blocks_are_their_rows"),
    (HoldsAFunction("diag"), "saved_is_loaded"),
    (HidesASetting(), "saved_is_loaded"),
    (LosesItsPriorOnTheWay(GammaPrior(2.0, 0.5)), "pickled_is_the_same"),
]


@pytest.mark.parametrize(
    ("broken", "laws"), [pytest.param(*pair, id=f"{type(pair[0]).__name__}{i}") for i, pair in enumerate(BROKEN)]
)
def test_broken_family(broken, laws):
    with pytest.raises(Exception) as caught:
        check_family(broken, draw(broken, missing=0.0), compiled=False)
    said = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert type(broken).__name__ in said
    assert any(f"law {law} " in said for law in laws.split("|")), said


def test_the_message_has_law_and_numbers():
    with pytest.raises(AssertionError, match=r"statistics_add_up \(Statistics .*\): .* is -?\d.*, expected -?\d.* allowed"):
        check_family(AveragesInsteadOfSums("diag"))


EXTRA = 0.0


class DependsOnTheProcess(Poisson):
    """A module's variable, changed after it was imported, is not what a fresh process finds."""

    def log_prior(self, params):
        return EXTRA


def test_what_does_not_reach_another_process(monkeypatch):
    monkeypatch.setitem(globals(), "EXTRA", 1.0)
    with pytest.raises(AssertionError, match="spawned_says_the_same"):
        check_family(DependsOnTheProcess(), compiled=False, spawn=True)


def test_stats_that_lose_a_field():
    """A field marked as a label by mistake is not added up."""

    @dataclass(frozen=True)
    class Half(Stats):
        counts: np.ndarray
        total: np.ndarray = field(metadata={"additive": False})

    two = Half(np.ones(2), np.ones(2)) + Half(np.ones(2), np.ones(2))
    assert two.counts.tolist() == [2, 2] and two.total.tolist() == [1, 1]  # what statistics_add_up would notice in the M-step
