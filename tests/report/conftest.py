"""Fits that the tests of reports share, of every kind of estimator, small and quick."""

import warnings

import numpy as np
import pandas as pd
import pytest

import emkit
from support import datasets

EVIL = ("<script>alert(1)</script>", "a\"'&b$x_1$")
START = {"random_state": 0, "n_init": 2, "max_iter": 30}


def _table():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (40, 2)), rng.normal(6, 1, (30, 2))])
    table = pd.DataFrame(x, columns=list(EVIL))
    table["kind"] = np.where(np.arange(70) < 40, "<img src=x onerror=alert(2)>", "v]]>")
    return table


def _every():
    """Fitted estimators, each with what ``report`` is given."""
    f, table, counts = datasets.faithful(), _table(), datasets.earthquakes()
    rng = np.random.default_rng(1)
    u = rng.uniform(0, 1, (60, 1))
    y = np.sin(6 * u[:, 0]) + 0.1 * rng.normal(size=60)
    classes = np.where(u[:, 0] + 0.2 * rng.normal(size=60) > 0.5, "high", "low")
    answers = pd.DataFrame(rng.integers(0, 2, (80, 3)), columns=["p", "q", "r"]).astype(str)
    symbols = rng.integers(0, 3, (50, 1))
    yield emkit.GaussianMixture(2, random_state=0, n_init=2).fit(f), {"X": f}
    yield emkit.Mixture(2, **START).fit(table), {"X": table}
    yield emkit.LatentClass(2, **START).fit(answers), {"X": answers}
    yield emkit.AutoClass(2, random_state=0, max_tries=2).fit(f), {"X": f}
    yield emkit.HMM(2, emission="poisson", **START).fit(counts), {"X": counts}
    few = {"random_state": 0, "n_init": 1, "n_iter": 10}
    yield emkit.GaussianHMM(2, **few).fit(f, lengths=[100, 172]), {"X": f, "lengths": [100, 172]}
    yield emkit.CategoricalHMM(2, **few).fit(symbols), {"X": symbols}
    yield emkit.PoissonHMM(2, **few).fit(counts), {"X": counts}
    trials = np.column_stack([symbols, 2 - symbols])
    yield emkit.MultinomialHMM(2, **few).fit(trials), {"X": trials}
    yield emkit.GMMHMM(2, n_mix=2, **few).fit(f), {"X": f}
    yield emkit.VariationalGaussianHMM(2, **few).fit(f), {"X": f}
    yield emkit.VariationalCategoricalHMM(2, **few).fit(symbols), {"X": symbols}
    yield emkit.BayesianNetwork("p->q, q->r").fit(answers), {"X": answers}
    yield emkit.RBFRegressor(4, random_state=0).fit(u, y), {"X": u, "y": y}
    yield emkit.RBFClassifier(4, random_state=0).fit(u, classes), {"X": u, "y": classes}
    yield emkit.GaussianMixtureRegressor(2, **START).fit(u, y), {"X": u, "y": y}
    yield emkit.MixtureOfExpertsRegressor(2, **START).fit(u, y), {"X": u, "y": y}
    yield emkit.MixtureOfExpertsClassifier(2, **START).fit(u, classes), {"X": u, "y": classes}
    yield emkit.MixtureOfRegressions(2, **START).fit(u, y), {"X": u, "y": y}


@pytest.fixture(scope="session")
def every():
    """As ``{"GaussianMixture": (fitted, what report is given), ...}``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {type(fitted).__name__: (fitted, given) for fitted, given in _every()}


@pytest.fixture(scope="session")
def written(every, tmp_path_factory):
    """Paths of the reports of all of them, without standard errors, each written when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("reports"), {}

    def path(name):
        if name not in made:
            fitted, given = every[name]
            made[name] = fitted.report(folder / f"{name}.html", errors=False, **given)
        return made[name]

    return path


@pytest.fixture
def mixed(every):
    """A mixture over a table with names that are HTML, and the table."""
    fitted, given = every["Mixture"]
    return fitted, given["X"]
