"""Pictures of how a fit went, of searches, and of regressions."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression

from emkit import (
    BayesianNetwork,
    GaussianMixture,
    MixtureOfExpertsClassifier,
    MixtureOfRegressions,
    ParameterError,
    RBFRegressor,
    load,
    plots,
    select,
)


@pytest.fixture(scope="module")
def many_starts(rows):
    return GaussianMixture(4, n_init=8, random_state=0).fit(rows)


def test_a_trace_is_the_result_s(many_starts):
    result = many_starts.result_
    ax = plots.trace(many_starts)
    best, *others = ax.lines
    np.testing.assert_array_equal(best.get_ydata(), result.trace)
    done = [start for start in result.starts if start.objective is not None]
    assert all(start.trace[-1] == start.objective and len(start.trace) == start.n_iter + 1 for start in done)
    drawn = sorted(tuple(line.get_ydata()) for line in others)
    assert len(drawn) > 1 and sorted([*drawn, result.trace]) == sorted(start.trace for start in done)
    assert all(line.get_zorder() < best.get_zorder() for line in others)
    assert len(plots.trace(many_starts, gap=True).lines) == len(ax.lines)


def test_traces_of_starts_are_kept_in_files(many_starts, tmp_path):
    many_starts.save(tmp_path / "two.safetensors")
    assert [s.trace for s in load(tmp_path / "two.safetensors").result_.starts] == [s.trace for s in many_starts.result_.starts]


def test_several_traces_are_a_line_each_and_gaps_fall(rows):
    fits = {f"${s}": GaussianMixture(2, n_init=1, random_state=s).fit(rows) for s in range(3)}
    ax = plots.trace(fits, gap=True)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["$0", "$1", "$2"]
    assert all(np.all(np.diff(line.get_ydata()) <= 1e-9) for line in ax.lines) and ax.get_yscale() == "log"
    assert len(plots.trace(list(fits.values())).lines) == 3


def test_starts_are_a_dot_each(rows):
    model = GaussianMixture(2, random_state=0).fit(rows)
    ax = plots.starts(model)
    full = ax.collections[1].get_offsets()
    done = [s.objective for s in model.result_.starts if s.objective is not None]
    np.testing.assert_allclose(sorted(np.asarray(full)[:, 0]), sorted(done))
    hidden = len(ax.collections[0].get_offsets())
    left = int(ax.get_title(loc="right").split()[0]) if ax.get_title(loc="right") else 0
    assert hidden + left + len(done) == len(model.result_.starts)


def test_nothing_fitted_has_no_trace():
    model = GaussianMixture(1)
    with pytest.raises(NotFittedError):
        plots.trace(model)
    model.weights_, model.means_, model.covariances_ = [1.0], [[0.0]], [[[1.0]]]
    with pytest.raises(ParameterError, match="set by hand"):
        plots.starts(model)
    stream = GaussianMixture(1).partial_fit(np.random.default_rng(0).normal(size=(50, 2)))
    for draw in (plots.trace, plots.starts):
        with pytest.raises(ParameterError, match="partial_fit learnt from a stream, which has neither iterations nor starts"):
            draw(stream)
    with pytest.raises(ParameterError, match="no fit"):
        plots.trace([])
    with pytest.raises(ParameterError, match="give a fitted estimator"):
        plots.trace(LinearRegression())


def test_criteria_of_a_search(rows):
    found = select(GaussianMixture(), rows, grid={"n_components": [1, 2], "covariance_type": ["EII", "VVV"]}, random_state=0)
    ax = plots.criteria(found, "icl")
    assert ax.get_ylabel() == "icl" and [len(line.get_xdata()) for line in ax.lines] == [2, 2]
    rows_of = [i for i, shape in enumerate(found.table["covariance_type"]) if shape == "EII"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [found.table["icl"][i] for i in rows_of])
    assert found.plot().get_ylabel() == "bic"
    with pytest.raises(ParameterError, match="by='cv'"):
        plots.criteria(found, "cv")
    with pytest.raises(ParameterError, match="what emkit"):
        plots.criteria(3)


@pytest.fixture(scope="module")
def wave():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (100, 1))
    return x, np.sin(6 * x[:, 0]) + rng.normal(0, 0.1, 100)


def test_a_prediction_has_its_band_and_units(wave):
    x, y = wave
    model = RBFRegressor(random_state=0).fit(x, y)
    ax = model.plot(x, y, level=0.5)
    mean = next(line for line in ax.lines if line.get_label() == "mean")
    grid = mean.get_xdata()
    np.testing.assert_allclose(mean.get_ydata(), model.predict(grid[:, None]))
    low, high = model.predict_interval(grid[:, None], 0.5)
    band = next(c for c in ax.collections if c.get_label() == "interval").get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(low.min()) and band.max() == pytest.approx(high.max())
    assert sum(c.get_label().startswith("unit") for c in ax.collections) == model.n_units_
    np.testing.assert_allclose(ax.lines[0].get_ydata(), y)


def test_any_regressor_is_drawn_in_the_form_of_its_data(wave):
    x, y = wave
    frame = pd.DataFrame({"a_$": x[:, 0], "b": y, "c": 1.0})
    model = LinearRegression().fit(frame, y)
    ax = plots.prediction(model, frame, y, columns="a_$")
    assert ax.get_xlabel() == "a_$" and len(ax.lines) == 2
    ax = plots.prediction(model, frame, y, columns=["a_$", "b"])
    assert len(ax.collections) >= 1
    with pytest.raises(ParameterError, match=r"there are 3: choose by columns=\[...\]"):
        plots.prediction(model, frame)
    with pytest.raises(NotFittedError):
        plots.prediction(LinearRegression(), frame)
    with pytest.raises(ParameterError, match="give the data, X"):
        RBFRegressor(random_state=0).fit(x, y).plot()
    empty = frame.assign(b=np.nan)
    with pytest.raises(ValueError, match="column 'b' has no value at all"):
        plots.prediction(model, empty, columns="a_$")


def test_other_columns_stay_at_their_medians():
    rng = np.random.default_rng(0)
    x = rng.normal([0, 5, 0], 1, (60, 3))
    model = LinearRegression().fit(x, x @ [1.0, 2.0, 3.0])
    line = plots.prediction(model, x, columns=0).lines[0]
    rest = 2 * np.median(x[:, 1]) + 3 * np.median(x[:, 2])
    np.testing.assert_allclose(line.get_ydata(), line.get_xdata() + rest)


def test_classes_of_a_mixture_of_regressions_have_a_line_each(wave):
    x, y = wave
    model = MixtureOfRegressions(2, random_state=0).fit(x, y)
    ax = model.plot(x, y)
    lines = [line for line in ax.lines if line.get_label().startswith("class")]
    np.testing.assert_allclose(lines[1].get_ydata(), model.predict_each(lines[1].get_xdata()[:, None])[:, 1])


def test_a_classifier_has_probabilities():
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (200, 2))
    y = np.where(np.abs(x[:, 0]) > 1.5, "$out", "in")
    model = MixtureOfExpertsClassifier(2, random_state=0).fit(x[:, :1], y)
    ax = model.plot(x[:, :1], y)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), model.predict_proba(ax.lines[0].get_xdata()[:, None])[:, 0])
    assert [len(c.get_offsets()) for c in ax.collections[:2]] == [(y == "$out").sum(), (y == "in").sum()]
    ax = plots.prediction(LogisticRegression().fit(x, y), x, y)
    assert ax.images[0].get_array().shape == (80, 80, 3)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["$out", "in"]


def test_a_network_has_the_tables_that_are_asked_for():
    rows = np.random.default_rng(0).integers(2, size=(50, 3))
    net = BayesianNetwork("x0->x1, x1->x2").fit(rows)
    texts = [text.get_text() for text in net.plot(tables=["x1"]).texts if text.get_text()]
    assert texts[0] == "x0" and texts[1].startswith("x1\n") and texts[2] == "x2"
    assert all("\n" in text.get_text() for text in plots.network(net, tables=True).texts if text.get_text())
    with pytest.raises(ParameterError, match="tables: there is no node 'y'"):
        net.plot(tables="y")
    with pytest.raises(ParameterError, match="no single hidden label"):
        plots.components(net, rows)
    with pytest.raises(ParameterError, match="give a fitted BayesianNetwork"):
        plots.network(3)


def test_no_display_is_needed(tmp_path):
    """A backend with windows was asked for, and there is no display."""
    code = (
        "import numpy as np; from emkit import GaussianMixture; x = np.arange(20.0)[:, None] % 7;"
        "ax = GaussianMixture(1, n_init=1).fit(x).plot(x); ax.figure.savefig('a.png')"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**env, "MPLBACKEND": "TkAgg"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_an_unwritable_path_is_matplotlib_s_error(two, rows, tmp_path):
    with pytest.raises(OSError):
        two.plot(rows[:, :2]).figure.savefig(tmp_path / "no such folder" / "a.png")


def test_emkit_does_not_import_matplotlib_before_a_picture():
    code = "import sys, emkit, emkit.plots; assert 'matplotlib' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_settings_of_matplotlib_are_left_alone(two, rows):
    import matplotlib

    before = dict(matplotlib.rcParams)
    two.plot(rows[:, :2])
    assert dict(matplotlib.rcParams) == before
