"""Several hidden Markov models side by side: each is what it is alone, for every family whose components share nothing."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from emkit import Checkpoint, Gaussian, HiddenMarkov, Monitor, Poisson, Problem, StopReason, Threads, TimeLimit
from emkit._names import MODULES, group
from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.compiled import compiling
from emkit.core.model import EStep
from emkit.models.hmm import side_by_side
from support.fits import fitted, score

FAMILIES = [
    pytest.param(example, id=f"{name}-{i}")
    for name in group("families")
    for i, example in enumerate(getattr(import_module(MODULES[name]), name).examples())
]


def sequences(family, *, weighted=False, missing=False, n=90, blocks=1):
    """Rows of the family in sequences of unequal lengths, in one block or several."""
    rng = np.random.default_rng(1)
    block = HiddenMarkov(family, 2).draw(rng, n, 2)
    x = np.array(block.x, dtype=np.float64)
    if missing:
        x[rng.random(len(x)) < 0.15] = np.nan
    weights = rng.uniform(0.5, 2.0, len(block.lengths)) if weighted else None
    block = replace(block, x=x, weights=weights, missing=missing, labels=None, source_rows=n)
    return BlockSource([block.take(part) for part in np.array_split(np.arange(block.units), blocks)])


def of(family, source, **settings):
    model = HiddenMarkov(family, 2, **settings).resolve(source)
    return model, model.side_by_side(source)


def started(side, source, n=4):
    return side.init(source, side.seeds(source, np.random.default_rng(7).spawn(n)))


def assert_each_is_what_it_is_alone(model, side, source):
    problem, params = Problem(model, source, Threads(1)), started(side, source)
    for _ in range(2):
        stats, log_likelihood = Threads(1).map_reduce(EStep(side, params), source)
        moved, log_prior, at = side.m_step(stats, params), side.log_prior(params), side.pack(params)
        slope, information = side.slope(stats, params), side.information(stats, params)
        for i in range(4):
            one = side.one(params, i)
            step = problem.evaluate(one)
            assert step.log_likelihood == pytest.approx(log_likelihood[i], rel=1e-9, abs=1e-9)
            assert step.log_prior == pytest.approx(log_prior[i], rel=1e-12, abs=1e-12)
            np.testing.assert_allclose(at[i], model.pack(one), rtol=1e-12, atol=1e-12)
            for a, b in zip(side.one(stats, i).flatten().values(), step.stats.flatten().values(), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7)
            own = side.one(stats, i)
            alone = model.m_step(own, one)
            for a, b in zip(side.one(moved, i).flatten().values(), alone.flatten().values(), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
            assert (slope is None) == (model.slope(own, one) is None)
            if slope is not None:
                np.testing.assert_allclose(slope[i], model.slope(own, one), rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(information[i], model.information(own, one), rtol=1e-9)
        for a, b in zip(side.unpack(at, side.one(params, 0)).flatten().values(), params.flatten().values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert side.sound(params).all()
        params = moved


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("data", [{}, {"weighted": True, "missing": True, "blocks": 3}], ids=["complete", "weighted, missing"])
def test_each_is_what_it_is_alone(family, data):
    try:
        source = sequences(family, **data)
        model, side = of(family, source, startprob_prior=2.0, transmat_prior=1.5, sticky=1.0)
    except (NotImplementedError, TypeError):
        pytest.skip("no such data")
    if side is None:
        assert not model.family.separable
        return
    assert_each_is_what_it_is_alone(model, side, source)


@pytest.mark.parametrize("how", ["compiled", "in parts", "one by one"])
def test_whichever_way_it_is_done(how, monkeypatch):
    source = sequences(Poisson())
    model, side = of(Poisson(), source)
    if how == "in parts":
        monkeypatch.setattr(side_by_side, "_TOGETHER", 2 * 90 * 8)
        monkeypatch.setattr(side_by_side, "_EMISSIONS", 3 * 90 * 2)
    if how == "one by one":
        monkeypatch.setattr(side_by_side, "forward_backward_together", lambda *given: None)
    with compiling(True if how == "compiled" else None):
        assert_each_is_what_it_is_alone(model, side, source)


def test_some_are_taken_replaced_and_put_together():
    source = sequences(Gaussian())
    _, side = of(Gaussian(), source)
    params = started(side, source)
    assert np.array_equal(side.one(side.take(params, np.array([2, 0])), 0).transmat, side.one(params, 2).transmat)
    again = side.stacked([side.one(params, i) for i in range(4)])
    assert all(np.array_equal(a, b) for a, b in zip(again.flatten().values(), params.flatten().values(), strict=True))
    mixed = side.with_rows(params, side.take(params, np.array([3, 3, 3, 3])), [1])
    for i in range(4):
        expected = side.one(params, 3 if i == 1 else i)
        found = side.one(mixed, i)
        assert all(np.array_equal(a, b) for a, b in zip(found.flatten().values(), expected.flatten().values(), strict=True))


def test_where_states_are_told_apart_there_is_none():
    source = sequences(Gaussian())
    for settings in (
        {"end": True},
        {"start": "stationary"},
        {"fixed": {"startprob": [1.0, 0.0]}},
        {"start_values": {"transmat": [[0.9, 0.1], [0.0, 1.0]]}},
    ):
        assert of(Gaussian(), source, **settings)[1] is None
    assert of(Gaussian("tied"), source)[1] is None
    block = replace(source.blocks[0], labels=np.where(np.arange(90) < 3, 1, -1))
    assert of(Gaussian(), BlockSource([block]))[1] is None


def chain_of(n=400, k=3, seed=0):
    rng = np.random.default_rng(seed)
    states = np.cumsum(rng.random(n) < 0.1) % k
    return BlockSource([Block((3.0 * states + rng.normal(size=n))[:, None], lengths=np.array([n - 150, 150]), source_rows=n)])


def test_a_fit_starts_many_and_ends_in_an_optimum():
    source = chain_of()
    found = fitted(HiddenMarkov(Gaussian("diag"), 3), source)
    assert len(found.starts) == 24 and found.converged
    assert score(found, source) == found.log_likelihood
    again = fitted(HiddenMarkov(Gaussian("diag"), 3), source, threads=3)
    assert again.trace == found.trace
    eight = fitted(HiddenMarkov(Gaussian("diag"), 3), source, starts=8, algorithm="em", max_iter=3000)
    assert found.objective > eight.objective - 1e-2


def test_a_time_limit_cuts_the_short_runs():
    found = fitted(HiddenMarkov(Gaussian("diag"), 3), chain_of(), monitors=[TimeLimit(0.0)])
    assert found.reason is StopReason.TIME_LIMIT and len(found.starts) == 24 and np.isfinite(found.objective)


class Asks(Monitor):
    """Ends the fit when it is asked for the n-th time, by the reason or the exception that it is given."""

    def __init__(self, when, answer):
        self.when, self.answer, self.times = when, answer, 0

    def asked(self):
        self.times += 1
        if self.times < self.when:
            return None
        if self.answer is KeyboardInterrupt:
            raise KeyboardInterrupt
        return self.answer

    def step(self, step):
        return self.asked()


@pytest.mark.parametrize("when", [2, 9])
@pytest.mark.parametrize("answer", [StopReason.STOPPED, KeyboardInterrupt], ids=["asked to stop", "Ctrl-C"])
def test_a_fit_ended_in_its_middle_keeps_what_it_has(when, answer):
    source = chain_of()
    found = fitted(HiddenMarkov(Gaussian("diag"), 3), source, monitors=[Asks(when, answer)])
    assert found.reason is (StopReason.INTERRUPTED if answer is KeyboardInterrupt else answer)
    assert score(found, source) == found.log_likelihood


def test_a_fit_that_was_cut_off_goes_on_with_the_same_bits(tmp_path):
    source, model, count = chain_of(), HiddenMarkov(Gaussian("diag"), 3), Asks(10**9, None)
    whole = fitted(model, source, algorithm="em", monitors=[count])
    path, last = tmp_path / "checkpoint", Asks(count.times, StopReason.STOPPED)
    cut = fitted(model, source, algorithm="em", checkpoint=Checkpoint(path, every=1), monitors=[last])
    assert cut.reason is StopReason.STOPPED
    again = fitted(model, source, algorithm="em", checkpoint=Checkpoint(path, every=1))
    assert again.trace == whole.trace and again.objective == whole.objective
