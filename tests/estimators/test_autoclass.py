"""AutoClass as an estimator: types told and inferred, classes found, the program's score of what EM made of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import emkit
from emkit import AutoClass, DataError, ParameterError, StopReason, TimeLimit, read_autoclass
from emkit.estimators import autoclass
from emkit.estimators.autoclass_search_result import search_result_of
from emkit.estimators.autoclass_types import Told, table_model
from emkit.selection.autoclass.prepare import prepare
from emkit.selection.autoclass.score import score
from support.datasets import FOLDER

ONE = {"max_tries": 1, "random_state": 0}


def people(n=180, seed=0):
    """Three kinds of people in a table of mixed columns, some of whom do not say what they earn."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)
    income = np.exp(rng.normal(np.array([6.0, 8.0, 10.0])[kind], 0.2))
    income[rng.random(n) < np.array([0.05, 0.05, 0.5])[kind]] = np.nan
    frame = pd.DataFrame(
        {
            "height": rng.normal(np.array([150.0, 170.0, 190.0])[kind], 5.0).round(1),
            "income": income.round(2),
            "town": np.array(["north", "south", "west"])[np.where(rng.random(n) < 0.85, kind, rng.integers(3, size=n))],
            "children": rng.integers(4, size=n),
        }
    )
    return frame, kind


@pytest.fixture(scope="module")
def fitted():
    frame, kind = people()
    return AutoClass(**ONE).fit(frame), frame, kind


def agreement(labels, truth):
    """Share of rows in the class that most rows of their kind are in."""
    return sum(np.bincount(truth[labels == k]).max() for k in np.unique(labels)) / len(truth)


def test_classes_are_found_with_their_number(fitted):
    model, frame, kind = fitted
    assert model.n_components_ == 3
    assert agreement(model.labels_, kind) > 0.98
    assert (model.predict(frame) == model.labels_).all()


def test_fit_predict_is_fit_and_predict(fitted):
    model, frame, _ = fitted
    np.testing.assert_array_equal(AutoClass(**ONE).fit_predict(frame), model.labels_)


def test_types_are_inferred(fitted):
    assert fitted[0].column_families() == {"height": "normal", "income": "log", "town": "categorical", "children": "categorical"}


def test_the_score_is_the_programs_of_what_was_fitted(fitted):
    model, frame, _ = fitted
    source = model._source(frame)
    told = table_model(np.asarray(source.x), source.columns, Told({}, {}, {}, "outcome"))
    found = score(prepare(np.asarray(source.x), told), model.predict_proba(frame))
    assert model.log_marginal_ == pytest.approx(found.log_marginal, abs=1e-3)
    assert model.log_marginal_ >= model.classifications_[0].score.log_marginal - 0.5


def test_the_fit_is_a_mode_of_the_posterior(fitted):
    """EM that starts where the search ended gains next to nothing: both climb the same posterior."""
    model, _, _ = fitted
    assert model.result_.converged
    assert model.result_.trace[-1] - model.result_.trace[0] < 0.1


def test_influence_adds_up_and_names_the_columns_that_matter(fitted):
    model, _, _ = fitted
    assert model.influence_.shape == (3, 4)
    np.testing.assert_allclose(model.influence_.sum(axis=1), model.cross_entropy_, rtol=1e-12)
    assert model.overall_influence_.max() == 1.0
    assert model.overall_influence_.argmin() == 3  # children say nothing
    assert (model.class_strength_ < 0).all()
    text = model.class_report()
    assert "influence of columns on all classes" in text
    assert "north" in text


def test_a_class_without_rows_keeps_its_place(fitted):
    model, frame, _ = fitted
    x = np.asarray(model._source(frame).x)
    prepared = prepare(x, table_model(x, model.columns_, Told({}, {}, {}, "outcome")))
    three = model.predict_proba(frame)
    four = np.column_stack([three[:, 0], np.full(len(three), 1e-12), three[:, 1:]])
    said, full = (search_result_of(model._of_search().found, prepared, m, 4) for m in (four, three))
    assert (said.memberships.argmax(axis=1) == np.array([0, 2, 3])[full.memberships.argmax(axis=1)]).all()
    np.testing.assert_array_equal(np.delete(said.of_columns, 1, axis=0), full.of_columns)
    np.testing.assert_array_equal(np.delete(said.influence.strength, 1), full.influence.strength)
    assert np.isnan(said.influence.strength[1]) and not said.of_columns[1].any()
    assert said.log_marginal == full.log_marginal


def test_what_a_file_does_not_keep_is_said(fitted, tmp_path):
    model, _, _ = fitted
    model.save(tmp_path / "m.safetensors")
    again = emkit.load(tmp_path / "m.safetensors")
    for ask in (again.class_report, lambda: again.influence_, lambda: again.labels_):
        with pytest.raises(AttributeError, match="a file keeps the model alone"):
            ask()


def test_types_are_overridden_and_columns_ignored():
    frame, _ = people()
    types = {"income": "normal", "children": "ignore", "height": "log"}
    model = AutoClass(types=types, **ONE).fit(frame)
    assert model.column_families() == {"height": "log", "income": "normal", "town": "categorical", "children": "ignore"}
    other = frame.assign(children=0)
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(other))


def test_correlated_columns_share_a_term():
    rng = np.random.default_rng(1)
    kind = rng.integers(2, size=200)
    a = rng.normal(size=200) + 8.0 * kind
    x = np.column_stack([a, a + 0.1 * rng.normal(size=200)])
    together = AutoClass(2, types={(0, 1): "correlated"}, **ONE).fit(x)
    apart = AutoClass(2, **ONE).fit(x)
    assert agreement(together.labels_, kind) == 1.0
    assert together.log_marginal_ > apart.log_marginal_ + 100
    logs = AutoClass(2, types={(0, 1): "correlated-log"}, **ONE).fit(np.exp(0.3 * x))
    assert agreement(logs.labels_, kind) == 1.0
    assert np.isfinite(logs.score(np.exp(0.3 * x)))


def test_missing_numbers_as_an_outcome_or_at_random():
    frame, _ = people()
    outcome, random = (AutoClass(missing=how, **ONE).fit(frame) for how in ("outcome", "random"))
    assert "income_missing" in outcome.parameters()
    assert "income_missing" not in random.parameters()
    full = outcome.impute(frame)
    assert not full.isna().any().any()
    assert (full["income"] > 0).all()


def test_a_fixed_number_of_classes():
    frame, _ = people()
    assert AutoClass(2, **ONE).fit(frame).n_components_ == 2


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path):
    model, frame, _ = fitted
    model.save(tmp_path / "m.safetensors")
    again = emkit.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert again.n_components_ == 3
    assert not hasattr(again, "log_marginal_")  # a file keeps the model alone


def test_the_same_seed_gives_the_same_answer(fitted):
    model, frame, _ = fitted
    assert AutoClass(**ONE).fit(frame).log_marginal_ == model.log_marginal_


def test_the_programs_files_are_fitted():
    """The program itself reaches -7587.30 with three classes on this table."""
    data = read_autoclass(FOLDER / "autoclass_synthetic.db2")
    model = AutoClass(**ONE).fit(data)
    assert model.log_marginal_ >= -7587.3007 - 0.01
    settings = AutoClass(**data.settings)
    assert settings.get_params()["types"][("x", "y")] == "correlated"
    assert (model.predict(data) == model.labels_).all()


def test_cars_are_classified_better_than_by_the_program():
    """205 cars, 26 columns: the program reaches -16,126.5 in a minute, and emkit's first try -15,860 or better."""
    model = AutoClass(**ONE).fit(read_autoclass(FOLDER / "imports-85c.db2"))
    assert model.log_marginal_ >= -15_910


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"types": {"height": "wide"}}, ParameterError, "choose one of 'normal'"),
        ({"types": {"weight": "normal"}}, ParameterError, "types: there is no column 'weight'"),
        ({"types": {"height": "correlated"}}, ParameterError, "tuple of several columns"),
        ({"types": {("height", "income"): "normal"}}, ParameterError, "several columns are 'correlated'"),
        ({"types": {("height", "children"): "correlated", "height": "log"}}, ParameterError, "has two"),
        ({"errors": {"height": 0.0}}, ParameterError, "errors: that of column 'height' is 0"),
        ({"errors": {"height": 10.0}}, DataError, "not more than ten errors of measurement"),
        ({"missing": "never"}, ParameterError, "missing='never'"),
        ({"n_components": 1000}, DataError, "n_components=1000 is more than the 180 row"),
        ({"n_components": "some"}, ParameterError, "give 'auto' or a number"),
        ({"init": {"weights": [1.0]}}, ParameterError, "cannot start from values"),
        ({"max_tries": None, "time_limit": None}, ParameterError, "max_tries"),
        ({"max_tries": 0}, ParameterError, "max_tries=0"),
        ({"max_tries": 2.5}, ParameterError, "max_tries=2.5"),
        ({"max_tries": "many"}, ParameterError, "max_tries='many'"),
        ({"time_limit": -1}, ParameterError, "time_limit=-1"),
        ({"time_limit": "long"}, ParameterError, "time_limit='long'"),
        ({"n_kept": "all"}, ParameterError, "n_kept='all'"),
        ({"start_classes": "many"}, ParameterError, "start_classes='many'"),
        ({"start_classes": (5, 3)}, ParameterError, "the fewest are more"),
        ({"n_components": 0}, ParameterError, "n_components=0"),
        ({"n_components": 2.5}, ParameterError, "n_components=2.5"),
        ({"errors": {"height": "small"}}, ParameterError, "errors"),
        ({"errors": {"height": float("nan")}}, ParameterError, "errors"),
        ({"zero_points": {"income": "low"}}, ParameterError, "zero_points"),
        ({"zero_points": {"income": 1e9}}, DataError, "income"),
    ],
)
def test_bad_settings_are_named(settings, error, said):
    frame, _ = people()
    with pytest.raises(error, match=said):
        AutoClass(**{**ONE, **settings}).fit(frame)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_columns_that_tell_no_classes_apart_are_left_out_with_a_word(fitted, kind):
    model, frame, _ = fitted
    n = len(frame)
    more = frame.assign(
        name=[f"person {i}" for i in range(n)], born=pd.date_range("2000-01-01", periods=n), nothing=np.nan, one=3.5, same="x"
    )

    def made(table):
        if kind == "pandas":
            return table
        arrow = pytest.importorskip("pyarrow").Table.from_pandas(table)
        return arrow if kind == "pyarrow" else pytest.importorskip("polars").from_arrow(arrow)

    with pytest.warns(UserWarning, match="left out") as caught:
        wider = AutoClass(**ONE).fit(made(more))
    said = str(caught[0].message)
    for words in ("'name' (texts that are all different)", "'born' (dates or times)", "'nothing' (no cells)", "'one' (one value"):
        assert words in said
    assert "'same' (one value" in said and "height" not in said
    np.testing.assert_array_equal(wider.labels_, model.labels_)
    others = more.assign(name="nobody", same="y", one=7.0)
    np.testing.assert_array_equal(wider.predict(made(others)), model.labels_)
    if kind == "pandas":
        full = wider.impute(others)
        pd.testing.assert_frame_equal(full[["name", "born", "nothing", "one"]], others[["name", "born", "nothing", "one"]])
        assert not full["income"].isna().any()


def test_a_type_that_is_told_is_not_overruled():
    frame, _ = people()
    with pytest.raises(DataError, match="'nothing' has no observed value"):
        AutoClass(types={"nothing": "normal"}, **ONE).fit(frame.assign(nothing=np.nan))
    with pytest.raises(DataError, match="not more than ten errors"):
        AutoClass(types={"one": "normal"}, **ONE).fit(frame.assign(one=1.5))


def test_a_table_of_nothing_but_constants_is_refused():
    with pytest.raises(DataError, match="no column is left"):
        AutoClass(**ONE).fit(pd.DataFrame({"a": [1.0] * 20}))


def test_a_time_limit_shorter_than_a_try_gives_an_answer():
    frame, _ = people()
    with pytest.warns(ConvergenceWarning, match="within its first try"):
        model = AutoClass(time_limit=1e-9, random_state=0).fit(frame)
    assert not model.converged_
    assert model.n_components_ >= 1
    assert "time limit" in model.search_ended_
    with pytest.warns(ConvergenceWarning, match="within its first try"):
        assert AutoClass(monitors=[TimeLimit(0.0)], random_state=0).fit(frame).n_components_ >= 1


def test_a_time_limit_is_used_unless_tries_agree(monkeypatch):
    told = {}
    real = autoclass.search
    monkeypatch.setattr(autoclass, "search", lambda *args, **more: told.update(more) or real(*args, **{**more, "max_tries": 1}))
    frame, _ = people()
    AutoClass(random_state=0).fit(frame)
    assert (told["max_tries"], told["agree"]) == (5, None)
    AutoClass(time_limit=60, random_state=0).fit(frame)
    assert (told["time_limit"], told["max_tries"], told["agree"]) == (60, None, 3)
    AutoClass(time_limit=60, max_tries=2, random_state=0).fit(frame)
    assert (told["max_tries"], told["agree"]) == (2, None)


def test_an_interrupt_keeps_the_best_so_far():
    class Impatient(emkit.Monitor):
        asked_before = 0

        def asked(self):
            self.asked_before += 1
            if self.asked_before > 3:
                raise KeyboardInterrupt

    frame, _ = people()
    with pytest.warns(ConvergenceWarning, match="by an interrupt"):
        model = AutoClass(monitors=[Impatient()], random_state=0).fit(frame)
    assert model.result_.reason is StopReason.INTERRUPTED
    assert "interrupted" in model.search_ended_
    assert np.isfinite(model.score(frame))


def test_classes_come_in_the_order_that_is_asked_for():
    frame, _ = people()
    heights = AutoClass(**ONE, order_by="auto").fit(frame[["height"]])
    assert (np.diff(heights.height_means_.ravel()) > 0).all()
    assert (heights.labels_ == heights.predict(frame[["height"]])).all()


def test_what_a_type_has_no_use_for_is_refused_and_hints_can_be_followed():
    table = pd.DataFrame({"n": np.arange(-10.0, 10.0) + 0.5, "c": list("ab") * 10})
    with pytest.raises(ParameterError, match="zero_points: column 'n' is of the type 'normal', which has none"):
        AutoClass(types={"n": "normal"}, zero_points={"n": -20}).fit(table)
    with pytest.raises(ParameterError, match="errors: column 'c' is of the type 'categorical'"):
        AutoClass(errors={"c": 1}).fit(table)
    with pytest.raises(DataError, match="lower that in zero_points, or give the column the type 'normal'"):
        AutoClass(types={"n": "log"}).fit(table)
    for followed in ({"types": {"n": "normal"}}, {"types": {"n": "log"}, "zero_points": {"n": -20}}):
        AutoClass(max_tries=1, random_state=0, **followed).fit(table)
    with pytest.raises(NotFittedError):
        AutoClass().class_report()
