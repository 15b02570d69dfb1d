"""Parts of sources: small enough to send, read where they are used, in blocks that depend on the data alone."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from emkit import ArraySource, FiniteMixture, Gaussian, HiddenMarkov, Poisson, SequenceSource, Threads
from emkit.core.model import EStep, Infer
from support.gaussians import random_params

N = 200_000


def array_source(dtype=np.float64, labels=None, missing=False):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 2)) + 3.0 * rng.integers(3, size=(N, 1))
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    return ArraySource(x.astype(dtype), rng.integers(0, 3, size=N).astype(dtype), ["a", "b"], labels=labels)


def sequence_source():
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 400, size=900)
    x = rng.poisson(3.0 + 4.0 * np.repeat(rng.integers(2, size=900), lengths))[:, None]
    return SequenceSource(x, lengths, rng.integers(0, 3, size=900), ["count"], np.where(rng.random(len(x)) < 0.1, 1, -1))


SOURCES = {
    "rows": array_source,
    "float32": lambda: array_source(np.float32),
    "missing": lambda: array_source(missing=True),
    "hard labels": lambda: array_source(labels=np.where(np.arange(N) % 7 == 0, np.arange(N) % 3, -1)),
    "soft labels": lambda: array_source(labels=np.random.default_rng(2).dirichlet(np.ones(3), N)),
    "sequences": sequence_source,
}


@pytest.fixture(scope="module", params=SOURCES)
def source(request):
    return SOURCES[request.param]()


def arrays(block):
    return [None if a is None else np.asarray(a) for a in (block.x, block.weights, block.lengths, block.labels)]


def test_parts_are_the_whole_in_order(source):
    parts = source.parts()
    assert len(parts) > 2
    whole = source.joined()
    blocks = [part.read() for part in parts]
    for k, expected in enumerate(arrays(whole)):
        if expected is None:
            assert all(arrays(block)[k] is None for block in blocks)
        else:
            np.testing.assert_array_equal(np.concatenate([arrays(block)[k] for block in blocks]), expected)
    assert [block.start for block in blocks] == np.cumsum([0, *(block.units for block in blocks)])[:-1].tolist()
    assert {block.source_rows for block in blocks} == {source.n_rows}
    assert all(block.columns == source.columns for block in blocks)
    assert all(block.missing == bool(np.isnan(block.x).any()) for block in blocks)


def test_a_pickled_part_is_its_own_rows_and_no_more(source):
    for part in source.parts()[:2]:
        sent = pickle.dumps(part)
        block, back = part.read(), pickle.loads(sent).read()
        for before, after in zip(arrays(block), arrays(back), strict=True):
            assert (before is None) == (after is None)
            if before is not None:
                np.testing.assert_array_equal(after, before)
                assert after.dtype == before.dtype
        assert (back.start, back.missing, back.source_rows, back.columns) == (
            block.start, block.missing, block.source_rows, block.columns,
        )  # fmt: skip
        assert len(sent) < 2000 + sum(a.nbytes for a in arrays(block) if a is not None)


def test_a_pickled_source_has_the_same_parts_and_sends_its_rows_once(source):
    sent = pickle.dumps(source)
    assert source.summary is not None and len(pickle.dumps(source)) == len(sent)
    assert len(sent) < 20_000 + sum(a.nbytes for a in arrays(source.joined()) if a is not None)
    back = pickle.loads(sent)
    assert type(back) is type(source) and len(back.parts()) == len(source.parts())
    for a, b in zip(source, back, strict=True):
        for before, after in zip(arrays(a), arrays(b), strict=True):
            np.testing.assert_array_equal(after, before)
    assert (back.n_rows, back.total_weight, back.columns) == (source.n_rows, source.total_weight, source.columns)


def problem(source):
    if isinstance(source, SequenceSource):
        model = HiddenMarkov(Poisson(), 3).resolve(source)
    else:
        model = FiniteMixture(Gaussian("full"), 3).resolve(source)
    return model, model.init(source.sample(2000, np.random.default_rng(0)), np.random.default_rng(0))


def bits(stats, log_likelihood):
    return (log_likelihood, *(value.tobytes() for value in stats.flatten().values()))


def test_any_number_of_threads_gives_the_same_bits(source):
    model, params = problem(source)
    found = [bits(*Threads(threads).map_reduce(EStep(model, params), source)) for threads in (1, 2, 5)]
    assert found[0] == found[1] == found[2]
    copied = pickle.loads(pickle.dumps((EStep(model, params), source)))
    assert bits(*Threads(2).map_reduce(*copied)) == found[0]


@pytest.mark.parametrize("want", ["log_likelihood", "marginals", "mode"])
def test_answers_come_in_order_and_with_the_same_bits(source, want):
    model, params = problem(source)
    found = [[getattr(each, want) for each in Threads(threads).map(Infer(model, params, want), source)] for threads in (1, 2, 5)]
    assert len(found[0]) == len(source.parts())
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("lengths", [[50_000], [40_000, 10_000], [500] * 100])
def test_an_only_block_whose_work_is_shared_gives_the_same_bits(lengths):
    rng = np.random.default_rng(3)
    source = SequenceSource(rng.poisson(4.0, size=(50_000, 1)), lengths)
    assert len(source.parts()) == 1
    model, params = problem(source)
    steps = [bits(*Threads(threads).map_reduce(EStep(model, params), source)) for threads in (1, 2, 5)]
    assert steps[0] == steps[1] == steps[2]
    for want in ("log_likelihood", "marginals", "mode"):
        (one,), (two,) = (list(Threads(threads).map(Infer(model, params, want), source)) for threads in (1, 2))
        np.testing.assert_array_equal(getattr(one, want), getattr(two, want))


def test_a_part_works_in_another_process(tmp_path):
    """What a cluster's worker does: read the part, take the step, send back the statistics."""
    source = array_source()
    model = FiniteMixture(Gaussian("diag"), 3).resolve(source)
    params = model.null(3, 2)
    arrays = params.flatten() | {"components.means": random_params("diag", 0, 3, 2).means}
    params = params.replace_arrays(arrays)
    part = source.parts()[1]
    (tmp_path / "job").write_bytes(pickle.dumps((EStep(model, params), part)))
    code = f"""
import pickle
step, part = pickle.loads(open({str(tmp_path / "job")!r}, "rb").read())
open({str(tmp_path / "done")!r}, "wb").write(pickle.dumps(step(part.read())))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    stats, value = pickle.loads((tmp_path / "done").read_bytes())
    expected, expected_value = model.e_step(params, part.read())
    assert bits(stats, value) == bits(expected, expected_value)
