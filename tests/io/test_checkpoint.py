"""A fit cut off and taken up again from its checkpoint gives the same bits as one left alone."""

import numpy as np
import pytest

from emkit import (
    ArraySource,
    Checkpoint,
    FiniteMixture,
    Gaussian,
    ModelFileError,
    Monitor,
    ParameterError,
    StopReason,
    Threads,
    fit,
)


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    return ArraySource(np.concatenate([rng.normal(2.2 * j, 1.0, (150, 2)) for j in range(3)]))


def run_fit(source, path=None, *, monitors=(), starts=4, every=1, covariance_type="diag", **settings):
    checkpoint = Checkpoint(path, every=every) if path is not None else None
    return fit(
        FiniteMixture(Gaussian(covariance_type), 3, seeding="random_from_data"), source, executor=Threads(1), starts=starts,
        tol=1e-3, max_iter=200, rng=np.random.default_rng(5), monitors=monitors, checkpoint=checkpoint, **settings,
    )  # fmt: skip


class Crash(Exception):
    """The power goes."""


class After(Monitor):
    """Does something at the n-th step it sees, over all starts."""

    def __init__(self, n, what):
        self.n, self.what, self.seen = n, what, 0

    def step(self, step):
        self.seen += 1
        if self.seen == self.n:
            if isinstance(self.what, StopReason):
                return self.what
            raise self.what
        return None


def assert_same(a, b):
    assert a.trace == b.trace
    assert a.log_likelihood == b.log_likelihood and a.remaining == b.remaining and a.reason is b.reason
    for name, value in b.params.flatten().items():
        assert np.array_equal(a.params.flatten()[name], value), name
    for x, y in zip(a.starts, b.starts, strict=True):
        assert (x.index, x.kind, x.objective, x.n_iter, x.reason) == (y.index, y.kind, y.objective, y.n_iter, y.reason)


@pytest.mark.parametrize("starts", [1, 4])
@pytest.mark.parametrize("cut", [1, 3, 6])
def test_after_a_crash(source, tmp_path, starts, cut):
    path = tmp_path / "fit.ckpt"
    whole = run_fit(source, starts=starts)
    with pytest.raises(Crash):
        run_fit(source, path, starts=starts, monitors=[After(cut, Crash())])
    assert path.exists()
    assert_same(run_fit(source, path, starts=starts), whole)


def test_after_several_crashes(source, tmp_path):
    path = tmp_path / "fit.ckpt"
    whole = run_fit(source, starts=8, algorithm="em")
    for cut in (2, 5, 9, 4):
        with pytest.raises(Crash):
            run_fit(source, path, starts=8, algorithm="em", monitors=[After(cut, Crash())])
    assert_same(run_fit(source, path, starts=8, algorithm="em"), whole)


def test_saved_less_often_than_every_iteration(source, tmp_path):
    path = tmp_path / "fit.ckpt"
    with pytest.raises(Crash):
        run_fit(source, path, monitors=[After(13, Crash())], every=5)
    assert_same(run_fit(source, path, every=5), run_fit(source))


@pytest.mark.parametrize("how", [StopReason.TIME_LIMIT, StopReason.STOPPED, KeyboardInterrupt()], ids=["time", "stop", "ctrl-c"])
def test_after_a_wish_to_stop(source, tmp_path, how):
    """The cut fit gives a usable result, and the file has what it takes to go on."""
    path = tmp_path / "fit.ckpt"
    partial = run_fit(source, path, monitors=[After(12, how)], every=1000)
    assert partial.reason in (StopReason.TIME_LIMIT, StopReason.STOPPED, StopReason.INTERRUPTED)
    assert_same(run_fit(source, path), run_fit(source))


class AskedToStop(Monitor):
    """Stops at the n-th time of asking in the short runs."""

    def __init__(self, n, what):
        self.n, self.what, self.seen = n, what, 0

    def asked(self):
        self.seen += 1
        if self.seen == self.n:
            if isinstance(self.what, StopReason):
                return self.what
            raise self.what
        return None


@pytest.mark.parametrize("how", [StopReason.TIME_LIMIT, KeyboardInterrupt()], ids=["time", "ctrl-c"])
@pytest.mark.parametrize("rows", [450, 3000])
def test_after_a_stop_among_the_short_runs(rows, how, tmp_path):
    """Not all starts were tried, so there is nothing to take up: the next fit tries them all, and ends where it would have."""
    rng = np.random.default_rng(0)
    source = ArraySource(np.concatenate([rng.normal(2.2 * j, 1.0, (rows // 3, 2)) for j in range(3)]))
    path = tmp_path / "fit.ckpt"
    partial = run_fit(source, path, monitors=[AskedToStop(40, how)])
    assert partial.reason in (StopReason.TIME_LIMIT, StopReason.INTERRUPTED) and len(partial.starts) < 4
    assert_same(run_fit(source, path), run_fit(source))


def test_starts_given_as_parameters(source, tmp_path):
    path = tmp_path / "fit.ckpt"
    model = FiniteMixture(Gaussian("diag"), 3).resolve(source)
    starts = [model.init(source, np.random.default_rng(i), i) for i in range(3)]
    whole = run_fit(source, starts=starts)
    with pytest.raises(Crash):
        run_fit(source, path, starts=starts, monitors=[After(40, Crash())])
    assert_same(run_fit(source, path, starts=starts), whole)


def test_other_data_or_another_model_are_refused(source, tmp_path):
    path = tmp_path / "fit.ckpt"
    with pytest.raises(Crash):
        run_fit(source, path, monitors=[After(3, Crash())])
    with pytest.raises(ModelFileError, match="n_rows was 450, is 449"):
        run_fit(ArraySource(source.x[:-1]), path)
    with pytest.raises(ModelFileError, match="another model, or other data"):
        run_fit(ArraySource(source.x + 1e-6), path)
    with pytest.raises(ModelFileError, match="another model, or other data"):
        run_fit(source, path, covariance_type="full")


def test_a_damaged_checkpoint_is_refused(source, tmp_path):
    path = tmp_path / "fit.ckpt"
    with pytest.raises(Crash):
        run_fit(source, path, monitors=[After(3, Crash())])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelFileError, match="damaged"):
        run_fit(source, path)


def test_a_write_that_fails_leaves_the_old_file(source, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    with pytest.raises(Crash):
        run_fit(source, path, monitors=[After(3, Crash())])
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emkit.io.container.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        run_fit(source, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]  # no half-written file is left


def test_settings():
    with pytest.raises(ParameterError, match="every=0"):
        Checkpoint("x", every=0)
    by_count = Checkpoint("x", every=3)
    assert [by_count.due() for _ in range(3)] == [False, False, True]
    assert Checkpoint("x", seconds=0.0).due()
    assert Checkpoint("x").seconds == 60.0
