"""A family that emkit does not know: as an emission, in a mixture, in a file, by a word of its own, and on the command line."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from small_models import ONE, state
from typer.testing import CliRunner

import emkit
from emkit import HMM, ArraySource, DataError, FiniteMixture, ModelFileError, ParameterError, load
from emkit._names import NAMES
from support.exponential import Exponential
from support.fits import fitted

WAITS = np.random.default_rng(2).exponential(np.where(state()[:, None] == 1, 20.0, 1.0), (40, 1))
FRAME = pd.DataFrame({"wait": WAITS.ravel(), "nurse": ["a"] * 24 + ["b"] * 16})


def model(**settings):
    return HMM(**{"n_states": 2, "emission": Exponential(), **ONE, **settings})


def enumerated(x, start, moves, rates):
    """The likelihood, path by path, of a short sequence."""
    density = rates.T * np.exp(-x * rates.T)
    alpha = start * density[0]
    for row in density[1:]:
        alpha = (alpha @ moves) * row
    return np.log(alpha.sum())


def test_as_an_emission():
    hmm = model().fit(WAITS)
    assert hmm.converged_ and hmm.rates_.shape == (2, 1)
    assert (hmm.predict(WAITS) == np.argsort(1 / hmm.rates_.ravel())[state()]).mean() > 0.9
    assert not hasattr(hmm, "means_")
    assert hmm.score(WAITS) == pytest.approx(enumerated(WAITS, hmm.startprob_, hmm.transmat_, hmm.rates_), rel=1e-12)
    ahead = hmm.forecast(WAITS, 3)
    np.testing.assert_allclose(ahead.mean, ahead.states @ (1 / hmm.rates_))
    assert "exponential" in hmm.summary() and "rates" not in hmm.summary().splitlines()[0]
    with pytest.raises(ParameterError, match="does not say its distribution function: give it a method cdf"):
        hmm.pseudo_residuals(WAITS)


def test_everything_that_a_face_takes():
    """Fixed and starting values, weights, missing cells, tied states, parts of a mixture: without a line in the family."""
    held = model(fixed={"rates": [[1.0], [np.nan]]}).fit(WAITS)
    assert held.rates_[0, 0] == 1.0 and held.rates_[1, 0] < 0.2
    assert held.bic() == pytest.approx(-2 * held.result_.log_likelihood + 4 * np.log(40))
    started = model(init={"rates": [[1.0], [0.05]], "transmat": [[0.9, 0.1], [0.1, 0.9]], "startprob": [0.5, 0.5]}, n_init=8).fit(
        WAITS
    )
    assert len(started.result_.starts) == 1
    twice = model(tol=1e-9, max_iter=5000).fit([WAITS, WAITS])
    weighted = model(tol=1e-9, max_iter=5000).fit([WAITS], sample_weight=[2.0])
    np.testing.assert_allclose(weighted.rates_, twice.rates_, rtol=1e-4)
    holes = WAITS.copy()
    holes[::7] = np.nan
    assert np.isfinite(model().fit(holes).score(holes))
    tied = model(n_states=3, tie=[0, 1, 0]).fit(WAITS)
    assert tied.rates_[0] == tied.rates_[2] != tied.rates_[1]
    parts = model(n_mix=2, max_iter=5, tol=0).fit(WAITS)
    assert parts.rates_.shape[:2] == (2, 2)
    known = model().fit(WAITS, states=np.where(np.arange(40) % 4 == 0, 1 - state(), -1))
    assert known.rates_[0, 0] < known.rates_[1, 0]  # numbered as the labels say


def test_cells_that_it_cannot_describe():
    with pytest.raises(DataError, match="column 'wait' row 3 is -1, expected a number above 0") as caught:
        model().fit(pd.DataFrame({"wait": [1.0, 2.0, 3.0, -1.0]}))
    assert (caught.value.column, caught.value.row) == ("wait", 3)
    with pytest.raises(DataError, match="row 0 is the text 'long', not a number above 0"):
        model().fit(pd.DataFrame({"wait": ["long", "short"]}))
    assert clone(model()).__sklearn_tags__().input_tags.positive_only


def test_set_by_hand_without_a_fit():
    hmm = model()
    hmm.startprob_, hmm.transmat_, hmm.rates_ = [0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], [[1.0], [0.05]]
    assert hmm.score(WAITS) == pytest.approx(enumerated(WAITS, hmm.startprob_, hmm.transmat_, hmm.rates_), rel=1e-12)
    hmm.rates_ = [[1.0], [-0.05]]
    with pytest.raises(ParameterError, match=r"rates_ must be finite and above 0, but holds -0\.05") as caught:
        hmm.score(WAITS)
    assert caught.value.parameter == "rates"


def test_in_a_mixture():
    result = fitted(FiniteMixture(Exponential(), 2), ArraySource(WAITS))
    rates = np.sort(result.params.components.rates.ravel())
    assert result.converged and rates[0] < 0.2 < 0.5 < rates[1]


@pytest.mark.parametrize(
    "settings", [{}, {"n_mix": 2, "max_iter": 3, "tol": 0}, {"n_states": 3, "tie": [0, 1, 0]}, {"end": True}], ids=str
)
def test_saved_and_loaded(settings, tmp_path):
    path = tmp_path / "m.safetensors"
    hmm = model(sequence="nurse", **settings).fit(FRAME)
    hmm.save(path)
    with pytest.raises(ModelFileError, match=r"class 'Exponential'.*classes=\["):
        load(path)
    back = load(path, classes=[Exponential])
    assert back.emission == Exponential()
    np.testing.assert_array_equal(back.predict_proba(FRAME), hmm.predict_proba(FRAME))
    assert back.summary() == hmm.summary()
    back.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(back.fit(FRAME).rates_, hmm.rates_)


# --- listed in the table of names ---------------------------------------------------------------------------------------


@pytest.fixture
def listed(monkeypatch):
    """As if emkit's table of names had the family, by one line more; nothing else anywhere is told of it."""
    line = ("families", "Exponential", Exponential.__module__)
    for name, module in list(sys.modules.items()):
        if name.startswith("emkit") and getattr(module, "NAMES", None) is NAMES:
            monkeypatch.setattr(module, "NAMES", (*NAMES, line))
    monkeypatch.setitem(emkit._names.MODULES, "Exponential", Exponential.__module__)


def test_by_its_word(listed, tmp_path):
    by_word, by_family = HMM(2, "exponential", **ONE).fit(WAITS), model().fit(WAITS)
    np.testing.assert_array_equal(by_word.rates_, by_family.rates_)
    by_word.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").rates_, by_word.rates_)  # no classes: it is emkit's own now
    with pytest.raises(ParameterError, match=r"emission='exponentiol': choose one of .*'exponential'"):
        HMM(2, "exponentiol").fit(WAITS)


def test_by_its_word_is_unknown_where_it_is_not_listed():
    with pytest.raises(
        ParameterError, match="emission='waiting times': choose one of 'gaussian', 'categorical', 'bernoulli', 'poisson'"
    ):
        HMM(2, "waiting times").fit(WAITS)


def test_on_the_command_line(listed, tmp_path, monkeypatch):
    from emkit.cli.app import app

    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("waits.csv", index=False)

    def run(*words):
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="emkit")

    words = ["fit", "waits.csv", "--model", "hmm", "-k", 2, "--emission", "exponential", "--sequence", "nurse", "--n-init", 1]
    done = run(*words, "--out", "m.safetensors")
    assert done.exit_code == 0, done.output
    assert "2 states, exponential emissions" in done.stdout
    ours, theirs = load("m.safetensors"), HMM(2, "exponential", sequence="nurse", **ONE).fit(FRAME)
    np.testing.assert_array_equal(ours.rates_, theirs.rates_)
    held = run(*words, "--fixed", '{"rates": [[1.0], [0.05]]}', "--json", "--quiet")
    assert held.exit_code == 0 and "0.05" in held.stdout
    done = run("predict", "m.safetensors", "waits.csv", "--out", "p.csv")
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(pd.read_csv("p.csv")["state"], theirs.predict(FRAME))
    FRAME.assign(wait=-1.0).to_csv("bad.csv", index=False)
    refused = run("fit", "bad.csv", *words[2:])
    assert refused.exit_code == 2 and "column 'wait' row 0 is -1, expected a number above 0" in refused.stderr
