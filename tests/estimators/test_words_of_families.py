"""Every family that needs no argument can be asked for by its word: in hidden Markov models, in tables, in files."""

import numpy as np
import pytest

import emkit
from emkit import HMM, Mixture, NegativeBinomial, ParameterError, PerColumn, StudentT, VonMises
from emkit.estimators.emissions import emissions
from emkit.testing import check_family, draw

KINDS = emissions()
ONE_COLUMN = sorted(word for word in KINDS if word != "multinomial")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("word", ONE_COLUMN)
def test_hmm_by_its_word(word, tmp_path):
    x = draw(KINDS[word](), rows=60, columns=1).joined().x
    model = HMM(2, emission=word, random_state=0, n_init=1, max_iter=30, tol=0.1).fit(x)
    model.save(tmp_path / "model.safetensors")
    assert emkit.load(tmp_path / "model.safetensors").score(x) == model.score(x)
    ahead = model.forecast(x, 2)
    assert np.isfinite(ahead.mean).all()
    seen = ~np.isnan(x[:, 0])
    assert not np.isnan(model.pseudo_residuals(x)[seen]).any()
    assert word.replace("_", " ") in model.summary().lower()


@pytest.mark.parametrize("word", ["negative_binomial", "negativebinomial", "NegativeBinomial", "negative-binomial"])
def test_ways_to_write_a_word(word):
    x = np.random.default_rng(0).poisson(3.0, (30, 1))
    settings = {"random_state": 0, "n_init": 1, "max_iter": 3, "tol": 0}
    by_word, by_family = (HMM(2, emission=e, **settings).fit(x) for e in (word, NegativeBinomial()))
    np.testing.assert_array_equal(by_word.sizes_, by_family.sizes_)


def test_an_unknown_word_lists_those_that_are_known():
    with pytest.raises(ParameterError, match=r"choose one of .*'student_t'.*'von_mises'|choose one of .*'von_mises'.*'student_t'"):
        HMM(2, emission="cauchy").fit(np.zeros((5, 1)))


def test_in_a_table():
    """Columns of three kinds: as a family it keeps every law; as an estimator it is asked for in words."""
    rng = np.random.default_rng(0)
    group = rng.integers(2, size=400)
    x = np.column_stack([
        rng.standard_t(3, 400) + 9.0 * group, rng.negative_binomial(3, np.where(group, 0.1, 0.5)), rng.vonmises(3.0 * group, 4.0)
    ])  # fmt: skip
    x[rng.random(x.shape) < 0.1] = np.nan
    check_family(PerColumn({0: StudentT(), 1: NegativeBinomial(), 2: VonMises()}), x, rows=100)
    words = {0: "student_t", 1: "negative binomial", 2: "von_mises"}
    found = Mixture(2, family=words, random_state=0, n_init=2).fit(x).predict(x)
    assert max((found == group).mean(), (found != group).mean()) > 0.95
