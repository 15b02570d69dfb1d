"""Online EM: what it must equal, where it ends, what it says of data that do not suit it, and that it can be cut off anywhere."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from emkit import (
    EM,
    ArraySource,
    Checkpoint,
    DataError,
    FiniteMixture,
    Gaussian,
    Monitor,
    OnlineEM,
    OnlineThenBatch,
    ParameterError,
    Poisson,
    Problem,
    StopReason,
    Threads,
    TimeLimit,
    iterate,
)
from emkit._names import MODULES, group
from emkit.core.block import Block, Load, Source
from emkit.core.fit import Rules, run
from emkit.families.gaussian.params import GaussianStats
from emkit.testing import draw
from support.fits import fitted, score, sequences

MODELS = [
    pytest.param(example, id=f"{name}-{i}")
    for name in group("models")
    for i, example in enumerate(getattr(import_module(MODULES[name]), name).examples())
]


def mixture(n=20_000, seed=0, apart=2.5):
    rng = np.random.default_rng(seed)
    return rng.normal(apart * np.array([[0, 0], [1, 0], [0, 1]])[rng.integers(3, size=n)], 1.0)


@pytest.fixture(scope="module")
def x():
    return mixture()


def problem_of(x, k=3, **more):
    source = x if isinstance(x, Source) else ArraySource(x)
    model = FiniteMixture(Gaussian(), k).resolve(source)
    return Problem(model, source, Threads(1), **more), model.init(
        source.sample(2000, np.random.default_rng(0)), np.random.default_rng(0)
    )


@pytest.mark.parametrize("model", MODELS)
def test_one_batch_of_everything_is_an_em_step(model):
    source = draw(model, rows=100, weighted=True)
    model = model.resolve(source)
    problem, start = Problem(model, source, Threads(1)), model.init(source, np.random.default_rng(0))
    em = list(zip(range(2), iterate(problem, EM(), start), strict=False))[1][1]
    online = run(problem, OnlineEM(batch=1000), start, Rules())
    for name, value in em.params.flatten().items():
        np.testing.assert_allclose(online.params.flatten()[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert online.log_likelihood == pytest.approx(em.log_likelihood, rel=1e-10)
    assert online.reason is StopReason.PASSES


@pytest.mark.parametrize("model", MODELS)
def test_every_model_gains_most_of_what_em_gains_and_batch_em_ends_it(model):
    source = draw(model, rows=400, missing=0.0)
    model = model.resolve(source)
    problem, start = Problem(model, source, Threads(1)), model.init(source, np.random.default_rng(0))
    first, em = problem.evaluate(start).objective, run(problem, EM(), start, Rules(max_iter=100))
    online = run(problem, OnlineEM(batch=100, n_passes=8), start, Rules())
    gap = em.objective - first
    assert online.objective > em.objective - max(0.25 * gap, 3.0)
    both = run(problem, OnlineThenBatch(OnlineEM(batch=100)), start, Rules(max_iter=300))
    assert both.objective >= em.objective - max(0.25 * gap, 3.0)


def test_a_pass_ends_near_the_optimum_and_reports_what_score_says(x):
    source = ArraySource(x)
    model = FiniteMixture(Gaussian(), 3)
    online = fitted(model, source, algorithm="online", starts=1)
    best = fitted(model, source, algorithm="online-then-batch", starts=1)
    assert best.reason is StopReason.CONVERGED and online.reason is StopReason.PASSES
    assert 0 < best.objective - online.objective < 20
    assert online.log_likelihood == score(online, source) and best.log_likelihood == score(best, source)


def test_gains_follow_the_formula():
    """Three batches by hand: s <- (1 - g) s + g N / w s(batch), g = t^-kappa; the last one alone is averaged."""
    rng = np.random.default_rng(0)
    source = ArraySource(rng.poisson(4.0, (60, 1)).astype(float) + 8.0 * (rng.random((60, 1)) < 0.4))
    model = FiniteMixture(Poisson(None), 2).resolve(source)
    start, kappa = model.init(source, np.random.default_rng(0)), 0.7
    (load,) = source.loads(2**16, (0, 0))
    params, s = start, None
    for t, batch in enumerate(load.batches(20), 1):
        here, g = model.e_step(params, batch)[0] * (60 / batch.total_weight), t**-kappa
        s = here if s is None else here * g + s * (1 - g)
        params = model.m_step(s, params)
    found = run(Problem(model, source, Threads(1)), OnlineEM(kappa, batch=20), start, Rules())
    expected = model.m_step(s, params)
    np.testing.assert_allclose(found.params.components.rates, expected.components.rates, rtol=1e-12)


def test_moments_about_different_pivots_add_up_to_moments_about_one():
    rng = np.random.default_rng(1)
    x, resp = rng.normal(5.0, 2.0, (50, 3)), rng.random((50, 2))

    def about(pivot, rows):
        off = x[rows][:, None] - pivot
        r = resp[rows]
        second = np.einsum("nk,nki,nkj->kij", r, off, off)
        return GaussianStats(r.sum(axis=0), np.einsum("nk,nki->ki", r, off), second, pivot)

    one, other = rng.normal(5.0, 1.0, (2, 2, 3))
    total = about(one, slice(0, 20)) * 0.5 + about(other, slice(20, 50)) * 0.5
    whole = about(one, slice(None)) * 0.5
    assert total.pivot is one
    np.testing.assert_allclose(total.first, whole.first, rtol=1e-12)
    np.testing.assert_allclose(total.second, whole.second, rtol=1e-12)


def test_a_weight_of_two_is_the_row_twice(x):
    x = x[:600]
    problem, start = problem_of(np.repeat(x, 2, axis=0))
    weighted = replace(problem, source=ArraySource(x, np.full(len(x), 2.0)))
    # A single batch, where the order of rows does not matter.
    a, b = (run(p, OnlineEM(batch=5000), start, Rules()) for p in (problem, weighted))
    np.testing.assert_allclose(a.params.components.means, b.params.components.means, rtol=1e-12)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=1e-13)


def test_rows_of_weight_zero_change_nothing(x):
    some = x[:50]
    weights = np.zeros(3000)
    weights[:50] = 1.0
    far = np.concatenate([some, np.full((2950, 2), 1e6)])
    problem, start = problem_of(some, 2)
    alone = run(problem, OnlineEM(batch=5000), start, Rules())
    # Most batches have no weight at all; those that have some are seen with all others' rows.
    among = run(replace(problem, source=ArraySource(far, weights)), OnlineEM(batch=1500), start, Rules())
    assert np.isfinite(among.log_likelihood)
    whole = run(replace(problem, source=ArraySource(far, weights)), OnlineEM(batch=5000), start, Rules())
    np.testing.assert_allclose(whole.params.components.means, alone.params.components.means, rtol=1e-12)


@pytest.mark.parametrize("algorithm", [OnlineEM(n_passes=2, batch=64), OnlineThenBatch(OnlineEM(batch=64))])
@pytest.mark.parametrize("after", [0, 1, 3, 5, 7])
def test_cut_off_and_taken_up_again_it_has_the_same_bits(algorithm, after, x, monkeypatch):
    monkeypatch.setattr("emkit.algorithms.online._LOAD", 4096)
    problem, start = problem_of(x)
    whole = run(problem, algorithm, start, Rules(max_iter=12))
    for step in iterate(problem, algorithm, start):
        if step.iteration == after:
            break
    carried = {name: np.array(value) for name, value in step.carried.items()}
    again = run(problem, algorithm, step.params, Rules(max_iter=12), trace=whole.trace[:after], carried=carried)
    assert again.trace == whole.trace and again.reason is whole.reason
    for name, value in whole.params.flatten().items():
        assert np.array_equal(again.params.flatten()[name], value), name


class Stop(Monitor):
    def __init__(self, at):
        self.at = at

    def step(self, step):
        if step.iteration == self.at:
            raise RuntimeError("the process is killed")


@pytest.mark.parametrize("algorithm", ["online", "online-then-batch"])
def test_a_killed_fit_resumes_from_its_checkpoint_and_ends_at_the_same_bits(algorithm, x, tmp_path, monkeypatch):
    monkeypatch.setattr("emkit.algorithms.online._LOAD", 4096)
    source, model = ArraySource(x), FiniteMixture(Gaussian(), 3)
    straight = fitted(model, source, algorithm=algorithm)
    path = tmp_path / "fit.safetensors"
    with pytest.raises(RuntimeError):
        fitted(model, source, algorithm=algorithm, checkpoint=Checkpoint(path, every=1), monitors=[Stop(3)])
    # Whatever seed there is now, the order of rows is that of the checkpoint.
    resumed = fitted(model, source, seed=99, algorithm=algorithm, checkpoint=Checkpoint(path, every=1))
    assert resumed.trace == straight.trace and resumed.log_likelihood == straight.log_likelihood
    assert np.array_equal(resumed.params.components.covariances, straight.params.components.covariances)


def test_threads_and_time_limits(x):
    source, model = ArraySource(x), FiniteMixture(Gaussian(), 3)
    one, three = (fitted(model, source, algorithm="online", threads=n) for n in (1, 3))
    assert np.array_equal(one.params.components.means, three.params.components.means)
    cut = fitted(model, source, algorithm="online", starts=1, monitors=[TimeLimit(0.0)])
    exact = Problem(cut.model, source, Threads(1)).evaluate(cut.params)
    assert cut.reason is StopReason.TIME_LIMIT and cut.log_likelihood == exact.log_likelihood


class Far(Source):
    """Rows in parts that are read when they are asked for, as from a file."""

    def __init__(self, x, parts):
        self.pieces = np.array_split(x, parts)
        inside = ArraySource(x)
        self.columns, self.n_rows, self.total_weight = inside.columns, inside.n_rows, inside.total_weight

    def parts(self):
        return [Block(piece, columns=self.columns, source_rows=self.n_rows) for piece in self.pieces]

    def sample(self, n, rng):
        return ArraySource(np.concatenate(self.pieces)).sample(n, rng)


class InOrder(Far):
    """Rows that can be had in their order alone, as from a pipe."""

    def loads(self, rows, seed):
        return [Load([part], seed) for part in self.parts()]


def test_each_load_has_every_row_once_and_comes_from_far_apart():
    for source in (ArraySource(np.arange(40_003.0)[:, None]), Far(np.arange(40_003.0)[:, None], 77)):
        loads = source.loads(5000, (1, 2))
        assert len(loads) > 1
        seen = [np.concatenate([block.x[:, 0] for block in load.batches(500)]) for load in loads]
        assert np.array_equal(np.sort(np.concatenate(seen)), np.arange(40_003.0))
        assert all(part.max() - part.min() > 30_000 for part in seen)
        again = [block.x for load in source.loads(5000, (1, 2)) for block in load.batches(500)]
        assert np.array_equal(np.concatenate(again)[:, 0], np.concatenate(seen))


def test_sequences_are_never_cut_and_all_there():
    lengths = np.random.default_rng(0).integers(1, 30, 900)
    x = np.arange(lengths.sum())
    blocks = [b for load in sequences(x, lengths).loads(4000, (0,)) for b in load.batches(300)]
    assert len(blocks) > 20 and sum(b.units for b in blocks) == 900
    assert np.array_equal(np.sort(np.concatenate([b.x[:, 0] for b in blocks])), x)
    starts = np.cumsum(lengths) - lengths
    for block in blocks:
        first = block.x[np.cumsum(block.lengths) - block.lengths, 0]
        assert np.isin(first, starts).all()
        assert np.array_equal(block.lengths, lengths[np.searchsorted(starts, first)])


def test_a_single_load_of_one_batch_is_in_the_source_order():
    block = Block(np.arange(5.0)[:, None])
    (one,) = Load([block], (0,)).batches(100)
    assert one is block


def test_sorted_rows_in_memory_do_no_harm_and_those_that_cannot_be_mixed_are_warned_of(x):
    rising = x[np.argsort(x[:, 0])]
    problem, start = problem_of(rising)
    best = run(problem, EM(), start, Rules(max_iter=300)).objective
    assert best - run(problem, OnlineEM(), start, Rules()).objective < 40  # .002 nats a row
    problem, start = problem_of(InOrder(rising, 10))
    with pytest.warns(UserWarning, match="in the order of something: means of column"):
        run(problem, OnlineEM(), start, Rules())


def test_shuffled_rows_are_not_warned_of(x, recwarn):
    problem, start = problem_of(InOrder(x, 10))
    run(problem, OnlineEM(), start, Rules())
    assert not [w for w in recwarn if "order of something" in str(w.message)]


def test_too_few_rows_are_refused(x):
    with pytest.raises(DataError, match="needs 20 rows for each component, 60 in all; there are 50"):
        fitted(FiniteMixture(Gaussian(), 3), ArraySource(x[:50]), algorithm="online", starts=1)


@pytest.mark.parametrize(("setting", "named"), [({"kappa": 0.5}, "kappa"), ({"batch": 0}, "batch"), ({"n_passes": 0}, "n_passes")])
def test_settings_out_of_range(setting, named):
    with pytest.raises(ParameterError, match=named):
        OnlineEM(**setting)


def test_a_component_that_starves_is_kept_by_the_prior_and_named(x):
    problem, start = problem_of(x[:5000], 4)
    means = start.components.means.copy()
    means[3] = 60.0  # where there are no rows
    found = run(problem, OnlineEM(), replace(start, components=replace(start.components, means=means)), Rules())
    assert found.reason is StopReason.PASSES
    assert found.params.weights[3] < 1e-6 and np.isfinite(found.params.components.covariances).all()
    (said,) = problem.model.remarks(found.params)
    assert said.startswith("component 3 has starved: its weight is ")
