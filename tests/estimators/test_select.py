"""``select``: a grid of models on data whose answers are known, and what becomes of candidates that cannot be fitted."""

import csv

import numpy as np
import pytest

from emkit import (
    HMM,
    ArraySource,
    AutoClass,
    BayesianNetwork,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    LatentClass,
    Mixture,
    ModelFileError,
    ParameterError,
    StopReason,
    Threads,
    TimeLimit,
    Trace,
    likelihood_ratio_test,
    select,
)
from emkit.core.monitor import Monitor
from emkit.selection.candidates import Candidate
from emkit.selection.tasks import Task, perform
from support.datasets import FOLDER, faithful

SHAPES = ["EEI", "VVI", "EEE", "VEE", "VVV"]
TIMES = ("seconds",)


@pytest.fixture(scope="module")
def grid():
    """Faithful over five shapes and 1 to 4 components, nothing dropped."""
    return select(
        GaussianMixture(n_jobs=1),
        faithful(),
        grid={"n_components": range(1, 5), "covariance_type": SHAPES},
        drop=False,
        random_state=0,
    )


def same(a, b):
    """Whether two tables say the same, but for the times."""
    return all(
        np.array_equal(np.array(a[name], dtype=object), np.array(b[name], dtype=object)) or repr(a[name]) == repr(b[name])
        for name in a
        if name not in TIMES
    )


def test_faithful_is_three_components_of_one_shape_as_mclust_has_it(grid):
    assert grid.best_params_ == {"n_components": 3, "covariance_type": "EEE"}
    best = grid.best_
    assert best.converged_ and best.n_components_ == 3
    assert grid.table["bic"][grid.best_index_] == pytest.approx(2314.296, abs=0.01)
    assert best.bic(faithful()) == pytest.approx(grid.table["bic"][grid.best_index_], abs=1e-6)
    assert best.icl(faithful()) == pytest.approx(grid.table["icl"][grid.best_index_], abs=1e-6)


def test_a_richer_model_is_never_worse_than_one_that_it_contains(grid):
    value = {
        (k, shape): ll
        for k, shape, ll, mark in zip(
            *(grid.table[c] for c in ("n_components", "covariance_type", "log_likelihood", "mark")), strict=True
        )
        if not mark
    }
    within = [("EEI", "VVI"), ("EEI", "EEE"), ("EEE", "VEE"), ("VEE", "VVV"), ("VVI", "VVV")]
    for (k, shape), ll in value.items():
        for poor, rich in within:
            if shape == poor and (k, rich) in value:
                assert value[k, rich] >= ll - 0.02, (k, poor, rich)
        if (k + 1, shape) in value:
            assert value[k + 1, shape] >= ll - 0.02, (k, shape)


def test_table_has_what_a_reader_needs(grid):
    i = grid.best_index_
    assert grid.table["starts_at_best"][i] > 0.5
    assert grid.table["smallest"][i] == pytest.approx(grid.best_.weights_.min(), abs=1e-4)
    assert not grid.table["mark"][i] and grid.table["converged"][i]
    assert list(grid.frame().columns) == list(grid.table)
    assert "chosen by bic: n_components=3, covariance_type=EEE" in str(grid)


def test_any_candidate_is_at_hand_fitted(grid):
    other = grid.refit(n_components=2, covariance_type="VVV")
    assert other.result_.log_likelihood == pytest.approx(-1130.264, abs=0.01)
    with pytest.raises(ParameterError, match="5 candidates have the settings"):
        grid.refit(n_components=2)
    with pytest.raises(ParameterError, match="'tol' is not a setting of the grid"):
        grid.refit(tol=1.0)


def test_picture_has_a_line_for_each_shape(grid):
    axes = grid.plot()
    assert len(axes.lines) == len(SHAPES)
    assert axes.get_xlabel() == "n_components"


def test_lines_that_became_worse_are_left_and_say_so():
    found = select(GaussianMixture(random_state=0), faithful(), grid={"n_components": range(1, 8), "covariance_type": "VVV"})
    assert found.best_params_["n_components"] == 2
    assert found.table["note"][-1] == "not tried: bic was more than 10 worse with 4 and 5 than with 2"
    assert np.isnan(found.table["bic"][-1])
    assert found.refit(n_components=6).n_components_ == 6  # fitted on request


SMALL = {"grid": {"n_components": range(1, 4), "covariance_type": ["EEE", "VVV"]}, "random_state": 3}


@pytest.fixture(scope="module")
def alone():
    """The table that one process makes."""
    return select(GaussianMixture(n_jobs=1), faithful(), **SMALL).table


@pytest.mark.parametrize("how", [{"n_jobs": 2}, {}])
def test_number_of_processes_changes_nothing(alone, how):
    assert same(alone, select(GaussianMixture(), faithful(), **SMALL, **how).table)


def test_order_of_columns_and_units_change_no_choice():
    x = faithful()
    settings = {"grid": {"n_components": range(1, 4), "covariance_type": ["EEE", "VVV"]}, "random_state": 0}
    plain = select(GaussianMixture(), x, **settings)
    other = select(GaussianMixture(), x[:, ::-1] * [60.0, 1e-3], **settings)
    assert plain.best_params_ == other.best_params_
    shift = 2 * len(x) * np.log(1 / 0.06)  # of the density, by the units
    assert np.array(other.table["bic"]) + shift == pytest.approx(np.array(plain.table["bic"]), abs=0.05)


class Stop(Monitor):
    """Ctrl-C when a number of lines was said."""

    def __init__(self, after):
        self.left = after

    def say(self, text):
        self.left -= " of " in text
        if self.left == 0:
            raise KeyboardInterrupt


def test_ctrl_c_leaves_the_table_so_far_and_a_resumed_search_is_as_if_nothing_had_happened(tmp_path):
    settings = {"grid": {"n_components": range(1, 4), "covariance_type": ["EEE", "VVV"]}, "random_state": 1}
    whole = select(GaussianMixture(), faithful(), **settings)
    path = tmp_path / "search.safetensors"
    cut = select(GaussianMixture(), faithful(), **settings, checkpoint=path, monitors=[Stop(4)])
    assert cut.reason_ is StopReason.INTERRUPTED
    assert cut.table["note"].count("not tried: interrupted") == 2
    assert cut.best_params_["n_components"] == 2 and cut.best_.converged_
    assert whole.best_params_["n_components"] == 3  # which the rest of the search has to find
    again = select(GaussianMixture(), faithful(), **settings, checkpoint=path)
    assert again.reason_ is None and same(whole.table, again.table)
    assert all(
        np.array_equal(a, b) for a, b in zip(whole.best_.parameters().values(), again.best_.parameters().values(), strict=True)
    )
    with pytest.raises(ModelFileError, match="belongs to another search"):
        select(GaussianMixture(), faithful()[1:], **settings, checkpoint=path)


def test_ctrl_c_before_any_fit_is_the_callers():
    class Now(Monitor):
        def asked(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        select(GaussianMixture(), faithful(), monitors=[Now()])


def test_a_time_limit_shorter_than_one_fit_still_gives_a_table():
    found = select(GaussianMixture(), faithful(), time_limit=1e-9, random_state=0)
    assert found.reason_ is StopReason.TIME_LIMIT
    assert found.table["note"][1:] == ["not tried: time limit"] * 8
    assert found.best_params_ == {"n_components": 1}
    assert "stopped at the time limit: 1 of 9" in str(found)


def test_candidates_that_cannot_be_fitted_stay_with_the_reason():
    x = np.abs(faithful()[:5]) - 2.0
    found = select(
        [GaussianMixture(random_state=0), Mixture(family="gamma", random_state=0)], x, grid={"n_components": [1, 2, 9]}, drop=False
    )
    assert found.best_params_["estimator"] == "GaussianMixture"
    notes = dict(zip(zip(found.table["estimator"], found.table["n_components"], strict=True), found.table["note"], strict=True))
    assert "n_components=9 is more than the 5 row(s)" in notes["GaussianMixture", 9]
    assert "row" in notes["Mixture", 1] and np.isnan(found.table["bic"][3])
    assert "no fit:" in str(found)


def test_what_cannot_be_searched_is_refused():
    x = faithful()
    with pytest.raises(ParameterError, match="grid is empty: no values for 'n_components'"):
        select(GaussianMixture(), x, grid={"n_components": []})
    with pytest.raises(ParameterError, match="grid is empty"):
        select(GaussianMixture(), x, grid={})
    with pytest.raises(ParameterError, match=r"no such setting; it has .*covariance_type"):
        select(GaussianMixture(), x, grid={"shape": "all"})
    with pytest.raises(ParameterError, match="by='r2'"):
        select(GaussianMixture(), x, by="r2")
    with pytest.raises(ParameterError, match="more than once"):
        select(GaussianMixture(), x, grid={"n_components": [1, 1]})
    for stranger in (Trace(), "GaussianMixture"):
        with pytest.raises(ParameterError, match="is not an estimator that can be searched"):
            select(stranger, x)
    with pytest.raises(ParameterError, match="BayesianNetwork has no number of components to try"):
        select(BayesianNetwork(), x)
    with pytest.raises(ParameterError, match="AutoClass finds the number of classes by a search"):
        select(AutoClass(), x, grid={"max_tries": [1, 2]})
    for auto in ({"n_components": [1, "auto"]}, {"covariance_type": ["EII"]}):
        with pytest.raises(ParameterError, match="n_components='auto' is no candidate"):
            select(GaussianMixture("auto"), x, grid=auto)
    with pytest.raises(ParameterError, match=r"GaussianMixture\.fit has no 'lengths'; it has sample_weight, labels"):
        select(GaussianMixture(), x, lengths=[272])
    with pytest.raises(ParameterError, match="time_limit"):
        select(GaussianMixture(), x, time_limit=-1)
    with pytest.raises(ParameterError, match=r"GaussianMixture\.fit has no 'groups'"):
        likelihood_ratio_test(GaussianMixture(1), GaussianMixture(2), x, groups=[0])
    with pytest.raises(ParameterError, match="null_estimator: AutoClass is a search"):
        likelihood_ratio_test(AutoClass(), GaussianMixture(2), x)
    assert TimeLimit  # a limit for one fit is a monitor; for a search it is a setting


def test_what_is_fitted_but_has_no_criterion_says_why():
    x = faithful()[:60]
    grid = {"n_components": [1, 2]}
    with pytest.raises(ParameterError, match="cv=100: there are 60 rows or sequences to hold out"):
        select(GaussianMixture(), x, grid=grid, cv=100)
    steps = np.random.default_rng(0).poisson(np.repeat([1, 9], 30)).reshape(-1, 1)
    with pytest.raises(ParameterError, match="a single sequence cannot be parted"):
        select(HMM(2, "poisson"), steps, grid={"n_states": [1, 2]}, by="cv")
    few = select(HMM(2, "poisson", random_state=0), steps, grid={"n_states": [1, 2]}, by="cv", lengths=[15] * 4)
    assert few.best_index_ is not None  # as many parts as there are sequences
    found = select(Mixture(2, "student_t", random_state=0), x, grid=grid, by="cheeseman_stutz")
    assert "2 of 2 candidates are fitted, but none has a cheeseman_stutz: it needs families" in str(found)
    with pytest.raises(ParameterError, match="none has a cheeseman_stutz"):
        found.best_  # noqa: B018
    for wrong in ({"checkpoint": 3}, {"monitors": 3}, {"monitors": [3]}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            select(GaussianMixture(), x, grid=grid, **wrong)
    with pytest.raises(ParameterError, match="stand for 6e\\+07"):
        likelihood_ratio_test(GaussianMixture(1), GaussianMixture(2), x, np.full(60, 1e6))


def test_folds_that_are_cut_off_give_no_number():
    x = faithful()

    class Late(Monitor):
        def asked(self):
            return StopReason.TIME_LIMIT if late else None

    late: list[int] = []

    task = Task("t", "held out", Candidate("c", "", 1, FiniteMixture(Gaussian(), 2), *[ArraySource(x)] * 2, 2), (0,), folds=3)
    whole = perform(task, Threads(1), [Late()])
    assert np.isfinite(whole.criteria["cv"]) and not whole.cut
    late.append(1)
    cut = perform(task, Threads(1), [Late()])
    assert "cv" not in cut.criteria and cut.cut and "cut off before it was cross-validated" in cut.note


def test_a_folder_that_is_not_there_is_said_before_the_search(tmp_path):
    x, path = faithful()[:40], tmp_path / "no" / "search"
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        select(GaussianMixture(), x, checkpoint=path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        GaussianMixture(2, checkpoint=path).fit(x)


def test_a_candidate_is_found_again_by_settings_that_are_arrays():
    x = faithful()[:40]
    starts = [x[:2].copy(), x[2:4].copy()]
    found = select(GaussianMixture(2), x, grid={"means_init": starts, "covariance_type": ["EEI"]})
    assert found.refit(means_init=starts[1]).result_.objective == found.refit(means_init=starts[1].copy()).result_.objective


def test_families_latent_classes_and_states():
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(2.0, 0.2, (300, 1))
    found = select(Mixture(random_state=0), counts, grid={"family": ["poisson", "negative_binomial"], "n_components": [1, 2]})
    assert found.best_params_ == {"family": "negative_binomial", "n_components": 1}
    yes = np.where(rng.random((500, 1)) < 0.4, 0.9, 0.15)
    answers = (rng.random((500, 6)) < yes).astype(int)
    assert select(LatentClass(random_state=0), answers, grid={"n_classes": range(1, 4)}).best_params_ == {"n_classes": 2}
    steps = np.concatenate([rng.poisson(rate, (40, 1)) for rate in (2, 15, 2, 15)])
    found = select(HMM(emission="poisson", random_state=0), steps, grid={"n_states": [1, 2, 3]}, by="cv", cv=2, lengths=[40] * 4)
    assert found.table["cv"][1] > found.table["cv"][0] and "cv_se" in found.table


def test_a_component_on_the_floor_of_the_prior_is_marked():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 1))
    x[:30] = 2.0  # thirty rows that are the same: a component on them is as narrow as the prior lets it be
    found = select(GaussianMixture(random_state=0), x, grid={"n_components": [1, 2]})
    assert found.table["mark"] == ["", "floor"]
    assert found.table["smallest"][1] == pytest.approx(1 / 3, abs=0.05)


def test_bic_is_at_least_as_good_as_mclusts(grid):
    with open(FOLDER / "faithful_mclust_bic.csv", newline="") as file:
        theirs = {(int(row["G"]), shape): -float(row[shape]) for row in csv.DictReader(file) for shape in SHAPES}
    for k, shape, bic in zip(*(grid.table[c] for c in ("n_components", "covariance_type", "bic")), strict=True):
        assert bic <= theirs[k, shape] + 0.05, (k, shape)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_number_of_classes_of_a_mixed_table_is_found(k):
    rng = np.random.default_rng(k)
    z = rng.integers(k, size=400)
    numbers, counts = rng.normal(2.5 * z, 1.0), rng.poisson(np.array([1.0, 4.0, 9.0, 16.0])[::-1][z])
    x = np.column_stack([numbers, counts, rng.random(400) < np.array([0.1, 0.9, 0.2, 0.8])[z]]).astype(float)
    model = Mixture(family={0: "gaussian", 1: "poisson", 2: "bernoulli"}, random_state=0)
    assert select(model, x, grid={"n_components": range(1, 6)}).best_params_ == {"n_components": k}
