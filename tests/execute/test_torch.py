"""Mixtures of Gaussians on torch tensors: on CPU tensors always, on a card where there is one."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from emkit import (
    HMM,
    ArraySource,
    DataError,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    HiddenMarkov,
    Mixture,
    ParameterError,
    SequenceSource,
    TensorSource,
    Threads,
    TorchExecutor,
)
from emkit.core.executor import Executor
from emkit.core.model import EStep, Infer
from emkit.execute.torch_moved import TensorSequences
from emkit.families.gaussian.covariance_types import COVARIANCE_TYPES
from emkit.families.gaussian.params import GaussianParams

N, D, K = 30_000, 3, 3


@pytest.fixture(scope="module")
def torch():
    """Imported only where these tests run."""
    return pytest.importorskip("torch", reason="torch is not installed: pip install 'emkit[torch]'")


@pytest.fixture(params=["cpu", "cuda"])
def card(request, torch):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no card is at hand")
    return request.param


def rows(seed=0):
    rng = np.random.default_rng(seed)
    spread = np.array([[1.0, 0.0, 0.0], [0.5, 0.7, 0.0], [-0.3, 0.2, 0.5]])
    return 3.0 * rng.standard_normal((K, D))[rng.integers(K, size=N)] + rng.standard_normal((N, D)) @ spread + 5.0


@pytest.fixture(scope="module")
def x():
    return rows()


@pytest.fixture(scope="module")
def weights():
    found = np.random.default_rng(1).uniform(0.0, 2.0, N)
    found[:100] = 0.0
    return found


def mixture(source, kind="full"):
    model = FiniteMixture(Gaussian(kind), K).resolve(source)
    return model, model.init(source.sample(2000, np.random.default_rng(1)), np.random.default_rng(2))


def apart(found, expected):
    """The largest difference of two records' arrays, relative to each array's largest entry.

    First moments about the means nearly vanish, and what rounding leaves in them is relative to the sum of |x - mean|: by Cauchy
    and Schwarz that is at most the root of the rows times the second moment.
    """
    ours, theirs = found.flatten(), expected.flatten()
    assert ours.keys() == theirs.keys()
    scales = {name: float(np.abs(b).max()) for name, b in theirs.items()}
    for name in [name for name in scales if name.endswith("first")]:
        counts, second = (scales.get(name.removesuffix("first") + other) for other in ("counts", "second"))
        scales[name] = max(scales[name], float(np.sqrt(counts * second)))
    return max(float(np.abs(ours[name] - b).max()) / scales[name] for name, b in theirs.items())


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_an_e_step_agrees_with_compiled_code(torch, x, weights, kind, card):
    for w in (None, weights):
        for width, digits, log_digits in ((np.float64, 1e-12, 1e-13), (np.float32, 3e-6, 1e-7)):
            here = ArraySource(x.astype(width), w)
            there = TensorSource(torch.from_numpy(x.astype(width)).to(card), w)
            model, params = mixture(here, kind)
            assert apart(mixture(there, kind)[1], params) < 1e-12  # the same summary, the same sample
            expected, log_likelihood = Threads(1).map_reduce(EStep(model, params), here)
            stats, found = TorchExecutor().map_reduce(EStep(model, params), there)
            assert apart(stats, expected) < digits
            assert found == pytest.approx(log_likelihood, rel=log_digits)


def test_rows_and_several_hypotheses_agree_with_numpy(torch, x, weights):
    here, there = ArraySource(x[:500], weights[:500]), TensorSource(torch.from_numpy(x[:500]), weights[:500])
    model, params = mixture(here)
    for want in ("log_likelihood", "marginals", "mode"):
        found, expected = (next(iter(TorchExecutor().map(Infer(model, params, want), s))) for s in (there, here))
        np.testing.assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-12)
        for name in ("marginals", "mode"):
            if getattr(expected, name) is not None:
                np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)
    side = model.side_by_side(here)
    both = side.stacked([params, mixture(ArraySource(x[500:900]))[1]])
    stats, values = TorchExecutor().map_reduce(EStep(side, both), there)
    expected, log_likelihoods = Threads(1).map_reduce(EStep(side, both), here)
    assert apart(stats, expected) < 1e-12
    np.testing.assert_allclose(values, log_likelihoods, rtol=1e-12)


def test_a_row_that_no_component_reaches_and_an_empty_component(torch):
    far = torch.tensor([[0.0], [0.5], [1e200]], dtype=torch.float64)
    params = GaussianParams(np.array([[0.0], [1.0]]), np.ones((2, 1, 1)))
    block = next(iter(TensorSource(far)))
    with np.errstate(divide="ignore"):
        found = Gaussian(prior=None).joint_pass(params, np.log([1.0, 0.0]), block, rows=True, responsibilities=True)
    np.testing.assert_array_equal(found.responsibilities, [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert found.rows[2] == -np.inf and np.isfinite(found.rows[:2]).all()


def test_the_summary_and_samples_are_those_of_numpy(torch, x, weights):
    for w in (None, weights):
        here, there = ArraySource(x, w, list("abc")), TensorSource(torch.from_numpy(x), w, list("abc"))
        assert there.columns == here.columns and there.total_weight == pytest.approx(here.total_weight, rel=1e-15)
        for name in ("weight", "mean", "scatter", "low", "high", "whole", "spread"):
            np.testing.assert_allclose(getattr(there.summary, name), getattr(here.summary, name), rtol=1e-12)
        few = [source.sample(50, np.random.default_rng(3)).joined() for source in (here, there)]
        np.testing.assert_array_equal(few[0].x, few[1].x)
        assert isinstance(few[1].x, np.ndarray)


def largest_made(torch, work):
    """Bytes of the largest tensor that is made meanwhile, views aside."""

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for made in out if isinstance(out, tuple | list) else [out]:
                if isinstance(made, torch.Tensor) and not made._is_view():
                    self.largest = max(self.largest, made.numel() * made.element_size())
            return out

    with Watch() as watch:
        work()
    return watch.largest


def test_memory_does_not_grow_with_the_rows(torch, x):
    largest = []
    for times in (1, 2):
        source = TensorSource(torch.from_numpy(np.tile(x, (times, 1))))
        step = EStep(*mixture(source))
        largest.append(largest_made(torch, lambda step=step, source=source: TorchExecutor("cpu").map_reduce(step, source)))
    assert largest[0] == largest[1] <= 2**18 * 8


def test_a_fit_of_a_tensor_is_that_of_an_array(torch, x, weights, card):
    there, w = torch.from_numpy(x).to(card), torch.from_numpy(weights).to(card)
    settings = {"random_state": 0, "order_by": "auto"}
    expected = GaussianMixture(K, **settings).fit(x, sample_weight=weights)
    gm = GaussianMixture(K, **settings, executor=TorchExecutor()).fit(there, sample_weight=w)
    for name in ("weights_", "means_", "covariances_"):
        assert isinstance(getattr(gm, name), np.ndarray)
        np.testing.assert_allclose(getattr(gm, name), getattr(expected, name), rtol=1e-9, atol=1e-10)
    total = gm.result_.total_weight
    assert gm.score(there, sample_weight=w) * total == pytest.approx(gm.result_.log_likelihood, rel=1e-15)
    labels, shares, each = gm.predict(there), gm.predict_proba(there), gm.score_samples(there)
    assert {a.device for a in (labels, shares, each)} == {there.device}
    np.testing.assert_array_equal(labels.cpu(), expected.predict(x))
    np.testing.assert_allclose(shares.cpu(), expected.predict_proba(x), atol=1e-9)
    np.testing.assert_allclose(each.cpu(), expected.score_samples(x), rtol=1e-9)
    assert gm.bic(there) == pytest.approx(expected.bic(x), rel=1e-9)


def test_rows_in_host_memory_go_to_the_device_for_a_fit(torch, x, monkeypatch):
    seen = []
    monkeypatch.setattr(TensorSource, "__init__", _noting(TensorSource.__init__, seen))
    settings = {"random_state": 0, "n_init": 1, "order_by": "auto"}
    gm = GaussianMixture(K, **settings, executor=TorchExecutor("cpu")).fit(x)
    assert seen == [N]  # once
    np.testing.assert_allclose(gm.means_, GaussianMixture(K, **settings).fit(x).means_, rtol=1e-9)
    x = x.copy()
    x[3, 1] = np.nan
    GaussianMixture(K, **settings, max_iter=1, tol=0, executor=TorchExecutor("cpu")).fit(x)
    GaussianMixture(K, **settings, max_iter=1, tol=0, executor=TorchExecutor("cpu")).fit(torch.from_numpy(x))
    GaussianMixture(K, **settings, max_iter=1, tol=0, executor=TorchExecutor("cpu")).fit(x[:5000])
    assert seen == [N]  # holes, and few rows, stay where they are


def _noting(init, seen):
    def noting(self, x, *more, **others):
        seen.append(len(x))
        init(self, x, *more, **others)

    return noting


def test_emissions_of_an_hmm(torch, x, card):
    lengths = np.full(N // 500, 500)
    some = np.random.default_rng(4).uniform(0.0, 2.0, len(lengths))
    for width, digits in ((np.float64, 1e-12), (np.float32, 3e-6)):
        source = SequenceSource(x.astype(width), lengths, some)
        model = HiddenMarkov(Gaussian(), K).resolve(source)
        params = model.init(source.sample(2000, np.random.default_rng(1)), np.random.default_rng(2))
        expected, log_likelihood = Threads(1).map_reduce(EStep(model, params), source)
        executor = TorchExecutor(card)
        with executor.session():
            stats, found = executor.map_reduce(EStep(model, params), source)
            assert [type(kept) for _, kept in executor._moved.values()] == [TensorSequences]
        assert apart(stats, expected) < digits and found == pytest.approx(log_likelihood, rel=1e-7)
    settings = {"random_state": 0, "n_init": 1, "max_iter": 3, "tol": 0, "order_by": "auto"}
    there = HMM(K, **settings, executor=TorchExecutor(card)).fit(x, lengths=lengths)
    np.testing.assert_allclose(there.means_, HMM(K, **settings).fit(x, lengths=lengths).means_, rtol=1e-9)


def test_float32_and_online_em(torch, x):
    settings = {"random_state": 0, "order_by": "auto"}
    expected, best = GaussianMixture(K, **settings).fit(x.astype(np.float32)), GaussianMixture(K, **settings).fit(x)
    there = torch.from_numpy(x).float()
    single = GaussianMixture(K, **settings, executor=TorchExecutor()).fit(there)
    assert single.converged_ and single.predict_proba(there[:5]).dtype == torch.float32
    # Both stop within a thousandth of a nat of an optimum, in which means may lie that many of their standard errors of .02 apart.
    np.testing.assert_allclose(single.means_, expected.means_, atol=np.sqrt(2e-3) * 0.02)
    assert single.result_.log_likelihood == pytest.approx(best.result_.log_likelihood, abs=2e-3)  # nats, of 120,000
    online = GaussianMixture(K, **settings, algorithm="online")
    there = clone(online).set_params(executor=TorchExecutor()).fit(torch.from_numpy(x))
    np.testing.assert_allclose(there.means_, online.fit(x).means_, rtol=1e-9)


def test_a_tensor_in_host_memory_is_an_array_to_every_estimator(torch, x):
    few = x[:300]
    there = torch.from_numpy(few).requires_grad_()
    assert np.shares_memory(ArraySource(there).x, few)
    same = GaussianMixture(2, random_state=0).fit(few)
    gm = GaussianMixture(2, random_state=0).fit(there, sample_weight=torch.ones(300))
    np.testing.assert_allclose(gm.means_, same.means_, rtol=1e-12)
    assert isinstance(gm.predict(there), torch.Tensor) and isinstance(gm.predict(few), np.ndarray)
    whole = torch.from_numpy(few).round().int().abs()
    assert {column.kind for column in Mixture(2, random_state=0, n_init=1).fit(whole).columns_.items} == {"count"}
    assert HMM(2, random_state=0, n_init=1, max_iter=2, tol=0).fit(there).score(there) < 0
    table = Mixture(2, random_state=0, n_init=1, max_iter=1, tol=0, executor=TorchExecutor("cpu")).fit(torch.from_numpy(x))
    assert isinstance(table.predict(torch.from_numpy(x)), torch.Tensor)
    noisy = GaussianMixture(2, noise=True, random_state=0, n_init=1).fit(there)
    assert isinstance(noisy.predict(there), torch.Tensor)


@pytest.mark.parametrize(
    "fit",
    [
        lambda x: Mixture(2).fit(x),
        lambda x: HMM(2).fit(x),
        lambda x: GaussianMixture(2, noise=True).fit(x),
        lambda x: GaussianMixture("auto").fit(x),
        lambda x: GaussianMixture(2, algorithm="annealing").fit(x),
        lambda x: GaussianMixture(2).fit(x, labels=np.zeros(N)),
    ],
)
def test_what_has_no_way_on_a_device_says_so(torch, fit):
    elsewhere = torch.empty(N, D, device="meta")  # a device that is not the CPU
    with pytest.raises(DataError, match=r"the data are a tensor on meta, .* give X.cpu\(\)"):
        fit(elsewhere)


def test_what_is_refused_is_named(torch, x):
    for value, words in ((np.nan, "row 7 is missing"), (np.inf, "row 7 is inf")):
        bad = torch.from_numpy(x.copy())
        bad[7, 2] = value
        with pytest.raises(DataError, match=f"column 'c' {words}") as error:
            TensorSource(bad, columns=list("abc"))
        assert error.value.row == 7 and error.value.column == "c"
    with pytest.raises(DataError, match="2-D array"):
        TensorSource(torch.zeros(5))
    with pytest.raises(DataError, match="sample_weight row 0 is negative"):
        TensorSource(torch.zeros(2, 1), torch.tensor([-1.0, 1.0]))
    with pytest.raises(DataError, match="sparse"):
        GaussianMixture(2).fit(torch.eye(3).to_sparse())
    with pytest.raises(ParameterError, match="device='nowhere': torch cannot use it"):
        TorchExecutor("nowhere")
    block = next(iter(TensorSource(torch.zeros(4, 1))))
    with pytest.raises(DataError, match="on a device"):
        Gaussian().plain_pass(None, np.zeros(2), block)


def test_the_executor_is_one_travels_and_leaves_precision_as_it_was(torch, x):
    executor = TorchExecutor("cpu")
    assert isinstance(executor, Executor)
    assert pickle.loads(pickle.dumps(executor)).device == executor.device
    matmul = torch.backends.mkldnn.matmul
    seen = []

    def look(block):
        seen.append(getattr(matmul, "fp32_precision", None))
        return 1.0, 0.0

    before = getattr(matmul, "fp32_precision", None)
    executor.map_reduce(look, TensorSource(torch.from_numpy(x)))
    assert seen == ([None] if before is None else ["ieee"]) and getattr(matmul, "fp32_precision", None) == before


def test_emkit_does_not_import_torch():
    code = """
import sys, numpy as np, emkit
x = np.random.default_rng(0).standard_normal((200, 2))
emkit.GaussianMixture(2, random_state=0).fit(x).predict(x)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
