"""What a report costs: it does not go through a million entries to list 300, and knows what standard errors would take."""

import numpy as np
import pandas as pd
import pytest

import emkit
from emkit.report import parameters
from emkit.report.parameters import MOST, Certainty, _how_many, _letters, _places, entries

RNG = np.random.default_rng(0)
NONE = Certainty(None)


def of(model, X):
    return model._subject(X)


def fits():
    x = RNG.normal(size=(60, 4))
    answers = pd.DataFrame({"p": RNG.choice(list("abc"), 60), "q": RNG.choice(list("ab"), 60)})
    yield emkit.GaussianMixture(2, random_state=0, n_init=1).fit(x), x
    yield emkit.GaussianMixture(2, covariance_type="diag", random_state=0, n_init=1).fit(x), x
    yield emkit.LatentClass(2, random_state=0, n_init=1).fit(answers), answers
    yield emkit.BayesianNetwork("p->q").fit(answers), answers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("which", range(4))
def test_entries_are_counted_without_being_gone_through(which):
    subject = of(*list(fits())[which])
    for name, value in subject.parameters.items():
        array = np.asarray(value, dtype=float)
        letters = _letters(subject, name, array)
        for square in {False, array.ndim >= 2 and array.shape[-1] == array.shape[-2]}:
            listed = list(_places(subject, name, array, letters, square))
            assert _how_many(subject.columns, letters, array.shape, square) == len(listed)


def test_a_table_of_a_million_entries_is_not_gone_through(monkeypatch):
    table = pd.DataFrame({f"v{i}": RNG.integers(0, 20, 400).astype(str) for i in range(3)})
    subject = of(emkit.BayesianNetwork("v0->v2, v1->v2").fit(table), table)
    seen = []
    places = parameters._places
    monkeypatch.setattr(parameters, "_places", lambda *about: (seen.append(one) or one for one in places(*about)))
    listed, every = entries(subject, NONE, 0.95)
    assert len(listed) == MOST == len(seen) and every == 20 + 20 + 20**3
    assert subject.labels is None


def test_what_standard_errors_would_take_counts_what_a_model_does_beside_its_passes(monkeypatch):
    """A model whose parameters are slow to unpack: its errors are too dear, however short a pass over the rows is."""
    x = RNG.normal(size=(60, 2))
    subject = of(emkit.GaussianMixture(2, random_state=0, n_init=1).fit(x), x)
    assert parameters._seconds(subject) < 1.0
    monkeypatch.setattr(parameters, "_taken", lambda call: 0.1)
    assert parameters._seconds(subject) > 3.0
