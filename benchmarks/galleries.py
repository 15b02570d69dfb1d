"""Five scripts of example galleries, without their pictures: the same data, fits and scores with either library's defaults."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.mixture
from hmmlearn import hmm as hmmlearn_module
from sklearn.model_selection import GridSearchCV

import emkit
from benchmarks import measure


def gmm_selection(library: Any) -> float:
    """The plot_gmm_selection of scikit-learn: BIC of 24 models by a grid search over five folds."""
    rng = np.random.RandomState(0)
    shape = np.array([[0.0, -0.1], [1.7, 0.4]])
    x = np.concatenate([rng.randn(500, 2) @ shape, 0.7 * rng.randn(500, 2) + np.array([-4, 1])])
    grid = {"n_components": range(1, 7), "covariance_type": ["spherical", "tied", "diag", "full"]}
    search = GridSearchCV(library.GaussianMixture(random_state=0), param_grid=grid, scoring=lambda model, rows: -model.bic(rows))
    search.fit(x)
    search.predict(x)
    return float(-search.best_score_)


def sampling_and_decoding(library: Any) -> float:
    """The plot_hmm_sampling_and_decoding of hmmlearn: 30 fits of three to five states, at most ten iterations each."""
    transmat = [[0.7, 0.2, 0.0, 0.1], [0.3, 0.5, 0.2, 0.0], [0.0, 0.3, 0.5, 0.2], [0.2, 0.0, 0.2, 0.6]]
    means = np.array([[0.0, 0.0], [0.0, 11.0], [9.0, 10.0], [11.0, -1.0]])
    truth = hmmlearn_module.GaussianHMM(4, covariance_type="full", random_state=0)
    truth.startprob_, truth.transmat_ = np.array([0.6, 0.3, 0.1, 0.0]), np.array(transmat)
    truth.means_, truth.covars_ = means, 0.5 * np.tile(np.identity(2), (4, 1, 1))
    x, _ = truth.sample(500)
    models: list[Any] = []
    scores: list[float] = []
    for k in (3, 4, 5):
        for _ in range(10):
            model = library.GaussianHMM(n_components=k, covariance_type="full", random_state=len(models), n_iter=10)
            try:
                models.append(model.fit(x[:250]))
                scores.append(model.score(x[250:]))
            except ValueError:  # as the script has it: sometimes there is a linear algebra error
                pass
    models[int(np.argmax(scores))].predict(x)
    return max(scores)


def poisson_hmm(library: Any) -> float:
    """The plot_poisson_hmm of hmmlearn: 50 fits of three states to 250 steps of two counts."""
    truth = hmmlearn_module.PoissonHMM(n_components=3, random_state=99)
    truth.startprob_ = np.array([0.6, 0.3, 0.1])
    truth.transmat_ = np.array([[0.1, 0.2, 0.7], [0.3, 0.5, 0.2], [0.5, 0.5, 0.0]])
    truth.lambdas_ = np.array([[17.4, 22.1], [35.3, 60.8], [50.1, 12.9]])
    x, _ = truth.sample(500)
    models = [library.PoissonHMM(n_components=3, random_state=seed).fit(x[:250]) for seed in range(50)]
    scores = [model.score(x[250:]) for model in models]
    models[int(np.argmax(scores))].predict(x)
    return float(max(scores))


def casino(library: Any) -> float:
    """The plot_casino of hmmlearn: 50 fits of two dice to 15,000 rolls, from random transitions."""
    truth = hmmlearn_module.CategoricalHMM(n_components=2, random_state=99)
    truth.startprob_, truth.transmat_ = np.array([1.0, 0.0]), np.array([[0.95, 0.05], [0.1, 0.9]])
    truth.emissionprob_ = np.array([[1 / 6] * 6, [1 / 10] * 5 + [1 / 2]])
    rolls, _ = truth.sample(30_000)
    train, validate = rolls[:15_000], rolls[15_000:]
    truth.score(validate)
    rng = np.random.RandomState(13)
    best_score, best = -np.inf, None
    for seed in range(50):
        model = library.CategoricalHMM(n_components=2, random_state=seed, init_params="se")
        model.transmat_ = np.array([rng.dirichlet([0.9, 0.1]), rng.dirichlet([0.1, 0.9])])
        score = model.fit(train).score(validate)
        if score > best_score:
            best_score, best = score, model
    assert best is not None
    best.predict(rolls)
    return float(best_score)


def gaussian_model_selection(library: Any) -> float:
    """The plot_gaussian_model_selection of hmmlearn: ten fits of each number of states from two to six, then AIC and BIC."""
    truth = hmmlearn_module.GaussianHMM(4, init_params="", random_state=0)
    truth.n_features, truth.startprob_ = 4, np.full(4, 0.25)
    truth.transmat_ = np.array([[0.3, 0.4, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.1, 0.2], [0.25] * 4])
    truth.means_, truth.covars_ = np.array([[-2.5], [0.0], [2.5], [5.0]]), np.sqrt([[0.25]] * 4)
    x, _ = truth.sample(2000)
    criteria = []
    for k in (2, 3, 4, 5, 6):
        models = [library.GaussianHMM(k, n_iter=200, random_state=seed).fit(x) for seed in range(10)]
        scores = [model.score(x) for model in models]
        best = models[int(np.argmax(scores))]
        criteria.append((best.aic(x), best.bic(x), best.score(x)))
    return float(min(bic for _, bic, _ in criteria))


SCRIPTS: tuple[tuple[Callable[[Any], float], Any], ...] = (
    (gmm_selection, sklearn.mixture),
    (sampling_and_decoding, hmmlearn_module),
    (poisson_hmm, hmmlearn_module),
    (casino, hmmlearn_module),
    (gaussian_model_selection, hmmlearn_module),
)


def table(arguments: Any, name: str) -> list[dict[str, Any]]:
    """Once each, one after the other: a script is many fits, and its time repeats well."""
    rows = []
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    print(f"{'script':30}{'ours s':>9}{'theirs s':>10}{'ratio':>8}   score ours, theirs  (CPU seconds)")
    for script, library in SCRIPTS:
        if name not in script.__name__ or (arguments.quick and script is not poisson_hmm):
            continue
        theirs = measure.took(lambda s=script, lib=library: s(lib))
        ours = measure.took(lambda s=script: s(emkit))
        row = {
            "script": script.__name__, "ratio": ours.cpu / theirs.cpu,
            "ours": {"cpu": ours.cpu, "wall": ours.wall, "score": ours.value},
            "theirs": {"cpu": theirs.cpu, "wall": theirs.wall, "score": theirs.value},
        }  # fmt: skip
        rows.append(row)
        print(
            f"{script.__name__:30}{ours.cpu:9.2f}{theirs.cpu:10.2f}{row['ratio']:8.2f}   {ours.value:.2f}, {theirs.value:.2f}",
            flush=True,
        )
    return rows
