"""A kit that never fails proves nothing: each model, executor and algorithm here breaks one law, and the kit has to name it."""

from dataclasses import replace

import numpy as np
import pytest

from emkit import EM, ArraySource, Dirichlet, FiniteMixture, Gaussian, HiddenMarkov, Poisson, SequenceSource, Threads
from emkit.core.model import Inference
from emkit.models.mixture import MixtureParams
from emkit.testing import check_model


class WeightsFromNowhere(FiniteMixture):
    """A monotone-looking M-step that pulls the weights towards equality without a prior that says so."""

    def m_step(self, stats, params):
        new = super().m_step(stats, params)
        return MixtureParams(0.9 * new.weights + 0.05, new.components)


class LosesWeights(FiniteMixture):
    """Ignores the weights of the block."""

    def e_step(self, params, block):
        return super().e_step(params, replace(block, weights=None))


class ReportsAnotherObjective(FiniteMixture):
    """Adds to each row's log-likelihood something that depends on the parameters."""

    def e_step(self, params, block):
        stats, value = super().e_step(params, block)
        return stats, value + block.total_weight * float(np.log(params.weights).sum())


class DependsOnItsHistory(FiniteMixture):
    """Damps every third M-step, counting in ``self``."""

    def m_step(self, stats, params):
        object.__setattr__(self, "count", getattr(self, "count", 0) + 1)
        new = super().m_step(stats, params)
        return new if self.count % 3 else MixtureParams(0.5 * (new.weights + params.weights), new.components)


class ForgetsFixedWeights(FiniteMixture):
    """Fixed weights are fitted all the same."""

    def m_step(self, stats, params):
        new = super().m_step(stats, params)
        return MixtureParams(stats.counts / stats.counts.sum(), new.components)


class KeepsItsPrior(FiniteMixture):
    """The prior of the weights does not follow when components are permuted."""

    def permuted(self, order):
        return replace(super().permuted(order), prior=self.prior)


class ForgetsTheWeightsInQ(FiniteMixture):
    """Q of the components only."""

    def q(self, stats, params):
        return self.family.q(stats.components, params.components)


class SimulatesEqually(FiniteMixture):
    """Draws components as if they were equally probable."""

    def simulate(self, params, n, rng):
        return super().simulate(MixtureParams(np.full(2, 0.5), params.components), n, rng)


class SimulatesOtherLabels(FiniteMixture):
    """The right rows, with labels that are not theirs."""

    def simulate(self, params, n, rng):
        block = super().simulate(params, n, rng)
        return replace(block, labels=np.roll(block.labels, 1))


class LosesTheFamily(FiniteMixture):
    """``null`` of the wrong shape: its files could not be read."""

    def null(self, k, d):
        return replace(super().null(k, d), weights=np.ones(k + 1) / (k + 1))


class WeighsWhatItSays(FiniteMixture):
    """Log-likelihoods of rows times their weights."""

    def infer(self, params, block, want, out=None):
        found = super().infer(params, block, want, out)
        return found if block.weights is None else replace(found, log_likelihood=found.log_likelihood * block.weights)


class LosesALittle(FiniteMixture):
    """Marginals that do not add up to one."""

    def infer(self, params, block, want, out=None):
        found = super().infer(params, block, want, out)
        if found.marginals is not None:
            found.marginals[:] *= 1.0 - 1e-6
        return found


class FlattensMarginals(FiniteMixture):
    """Marginals of another temperature."""

    def infer(self, params, block, want, out=None):
        found = super().infer(params, block, want, out)
        if found.marginals is not None:
            flat = np.sqrt(found.marginals)
            found.marginals[:] = flat / flat.sum(axis=1, keepdims=True)
        return found


class ChoosesTheFirst(FiniteMixture):
    """The first component that has more than a tenth, whether or not another has more."""

    def infer(self, params, block, want, out=None):
        if want != "mode":
            return super().infer(params, block, want, out)
        found = super().infer(params, block, "marginals")
        return Inference.of_rows(found.log_likelihood, (found.marginals > 0.1).astype(float), "mode", out)


class TakesImpossibleForFirst(FiniteMixture):
    """A row that cannot be is said to come from the first component."""

    def infer(self, params, block, want, out=None):
        found = super().infer(params, block, want, out)
        return found if found.mode is None else replace(found, mode=np.maximum(found.mode, 0, out=out))


class PointsAtEachStep(HiddenMarkov):
    """The states that are most probable step by step, in place of the most probable path."""

    def infer(self, params, block, want, out=None):
        if want != "mode":
            return super().infer(params, block, want, out)
        found = super().infer(params, block, "marginals")
        path = found.marginals.argmax(axis=1)
        if out is not None:
            out[:] = path
        return Inference(found.log_likelihood, mode=path)


class LooksAtEachStepAlone(HiddenMarkov):
    """Marginals from the emissions, without the chain."""

    def infer(self, params, block, want, out=None):
        found = super().infer(params, block, want, out)
        if want == "marginals":
            alone = np.exp(self.log_emissions(params, block))
            found.marginals[:] = alone / alone.sum(axis=1, keepdims=True)
        return found


class DecodesWithoutLabels(HiddenMarkov):
    """The most probable path whatever is known of it."""

    def infer(self, params, block, want, out=None):
        return super().infer(params, replace(block, labels=None) if want == "mode" else block, want, out)


FAMILY = Gaussian("diag")
BROKEN = [
    (WeightsFromNowhere(FAMILY, 2), "objective_never_falls|em_ends_where_nothing_is_to_gain|fixed_values_stay"),
    (LosesWeights(FAMILY, 2), "weights_are_repetitions"),
    (ReportsAnotherObjective(FAMILY, 2), "objective_never_falls|em_ends_where_nothing_is_to_gain|fixed_values_stay"),
    (DependsOnItsHistory(FAMILY, 2), "same_bits_twice"),
    (ForgetsFixedWeights(FAMILY, 2), "fixed_values_stay"),
    (KeepsItsPrior(FAMILY, 2, Dirichlet([3.0, 2.0])), "configuration_follows_labels"),
    (ForgetsTheWeightsInQ(FAMILY, 2), "fisher_identity"),
    (SimulatesEqually(FAMILY, 2), "samples_fit"),
    (SimulatesOtherLabels(FAMILY, 2), "samples_fit"),
    (LosesTheFamily(FAMILY, 2), "parameters_pack_and_unpack|saved_is_loaded"),
    (WeighsWhatItSays(FAMILY, 2), "log_likelihoods_add_up"),
    (LosesALittle(FAMILY, 2), "marginals_add_up"),
    (FlattensMarginals(FAMILY, 2), "marginals_are_conditional_probabilities"),
    (ChoosesTheFirst(FAMILY, 2), "mode_is_most_probable"),
    (TakesImpossibleForFirst(FAMILY, 2), "impossible_units_are_named"),
    (PointsAtEachStep(Poisson(), 3), "mode_is_most_probable"),
    (LooksAtEachStepAlone(FAMILY, 2), "marginals_are_conditional_probabilities"),
    (DecodesWithoutLabels(FAMILY, 2), "known_labels_are_respected"),
]


@pytest.fixture(scope="module")
def unequal():
    """Two overlapping clusters, one with a sixth of the rows; whole numbers, so that they may be counts too."""
    rng = np.random.default_rng(0)
    x = np.round(4.0 * np.concatenate([rng.normal(3, 1, (20, 2)), rng.normal(5.5, 1, (100, 2))]))
    return np.maximum(rng.permutation(x), 0.0)


@pytest.mark.parametrize(("broken", "laws"), [pytest.param(*pair, id=type(pair[0]).__name__) for pair in BROKEN])
def test_broken_model(broken, laws, unequal):
    weighted = isinstance(broken, WeighsWhatItSays)
    weights = np.random.default_rng(1).gamma(2.0, size=len(unequal)) if weighted else None
    data = SequenceSource(unequal, [8] * 15) if isinstance(broken, HiddenMarkov) else ArraySource(unequal, weights)
    with pytest.raises(Exception) as caught:
        check_model(broken, data)
    said = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert type(broken).__name__ in said
    assert any(f"law {law} " in said for law in laws.split("|")), said


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
        check_model(FiniteMixture(Gaussian(), 2), unequal, executors=[LastFirst(1)])


class EverySecondStepTwice(EM):
    """Counts its own calls, so that a resumed run, which counts anew, goes another way."""

    def advance(self, problem, step):
        object.__setattr__(self, "count", getattr(self, "count", 0) + 1)
        new = super().advance(problem, step)
        return new if self.count % 2 else replace(super().advance(problem, new), iteration=new.iteration)


def test_broken_algorithm(unequal):
    with pytest.raises(AssertionError, match="resumed_is_uninterrupted"):
        check_model(FiniteMixture(Gaussian("diag"), 2), unequal, algorithm=EverySecondStepTwice())


class CountsInTheStep(EM):
    """The same, counting in what the step carries: that is how an algorithm remembers."""

    def advance(self, problem, step):
        count = int(step.carried.get("count", np.zeros(1))[0]) + 1
        new = super().advance(problem, step)
        if count % 2 == 0:
            new = replace(super().advance(problem, new), iteration=new.iteration)
        return replace(new, carried={"count": np.array([count])})


def test_an_algorithm_that_remembers_in_its_steps(unequal):
    assert "resumed_is_uninterrupted" in check_model(FiniteMixture(Gaussian("diag"), 2), unequal, algorithm=CountsInTheStep())
