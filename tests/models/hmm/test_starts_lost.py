"""A start under which some sequence has probability zero is lost; the fit goes on with the others."""

from dataclasses import replace

import numpy as np
import pytest

import emkit
from emkit import HMM, StopReason
from emkit.core.errors import ImpossibleSequenceError
from emkit.models.hmm.side_by_side import HMMsSideBySide

SYMBOLS = np.random.default_rng(0).integers(0, 3, (60, 1))


def without_a_symbol(params, states):
    """No state of these emits the last symbol."""
    probs = params.emissions.probs.copy()
    probs[states, :, 2] = 0.0
    probs /= probs.sum(axis=-1, keepdims=True)
    return replace(params, emissions=type(params.emissions)(probs))


@pytest.fixture
def spoiled(monkeypatch):
    """``spoiled(n)``: the first n starts rule the last symbol out."""

    def spoil(n):
        alone, together = emkit.HiddenMarkov.init, HMMsSideBySide.init

        def one(self, source, rng, attempt=0):
            params = alone(self, source, rng, attempt)
            return without_a_symbol(params, slice(None)) if attempt < n else params

        def many(self, source, seeds):
            return without_a_symbol(together(self, source, seeds), slice(0, n * self.model.n_hidden))

        monkeypatch.setattr(emkit.HiddenMarkov, "init", one)
        monkeypatch.setattr(HMMsSideBySide, "init", many)

    return spoil


@pytest.mark.parametrize(("n_init", "lost"), [(4, 3), ("auto", 22)], ids=["one by one", "side by side"])
def test_others_go_on(spoiled, n_init, lost):
    spoiled(lost)
    model = HMM(2, emission="categorical", n_init=n_init, random_state=0).fit(SYMBOLS)
    assert model.converged_ and np.isfinite(model.score(SYMBOLS))
    starts = model.result_.starts
    assert not any(start.finished for start in starts[:lost])
    assert any(start.reason is StopReason.CONVERGED for start in starts[lost:])
    assert all(start.short_objective == -np.inf for start in starts[:lost])


@pytest.mark.parametrize("n_init", [1, 4, "auto"])
def test_where_none_is_left_the_sequence_is_named(spoiled, n_init):
    spoiled(24)
    with pytest.raises(ImpossibleSequenceError, match=r"sequence 1 has probability zero.*so far out") as caught:
        HMM(2, emission="categorical", n_init=n_init, algorithm="em", random_state=0).fit([SYMBOLS[SYMBOLS < 2][:, None], SYMBOLS])
    assert caught.value.sequence == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("n_init", [3, "auto"])
@pytest.mark.parametrize(("kind", "k"), [("tied", 5), ("full", 3), ("diag", 3)])
def test_a_value_beyond_all_others(n_init, kind, k):
    """Beside 1e100 the others leave nothing in a shared covariance; once that shows, what came before is kept."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (30, 2)), rng.normal(5, 1, (30, 2))])
    x[20, 0] = 1e100
    model = HMM(k, covariance_type=kind, n_init=n_init, random_state=0)
    model.fit(x)
    assert np.isfinite(model.result_.objective)
