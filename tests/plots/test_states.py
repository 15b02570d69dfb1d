"""Pictures of hidden Markov models."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from emkit import HMM, DataError, GaussianHMM, ParameterError, plots


def test_points_are_in_the_colour_of_the_decoded_state(chain, counts):
    ax, path = plots.states_over_time(chain, counts), chain.predict(counts)
    for k in range(2):
        at, values = np.asarray(ax.collections[k].get_offsets()).T
        np.testing.assert_array_equal(at, np.flatnonzero(path == k))
        np.testing.assert_array_equal(values, counts[path == k, 0])


def test_means_are_a_line_for_each_stay(chain, counts):
    ax, path = plots.states_over_time(chain, counts), chain.predict(counts)
    (lines,) = [c for c in ax.collections if c.get_label() == "mean of the state"]
    segments = lines.get_segments()
    assert len(segments) == 1 + (np.diff(path) != 0).sum()
    np.testing.assert_allclose([s[0, 1] for s in segments], chain.rates_[path[np.r_[True, np.diff(path) != 0]], 0])


def test_the_band_is_the_posterior(chain, counts):
    ax, gamma = plots.states_over_time(chain, counts), chain.predict_proba(counts)
    band = next(c for c in ax.collections if c.get_label() == "P(state 0)")
    vertices = band.get_paths()[0].vertices
    top = vertices[:, 1].max()
    assert top == pytest.approx(0.9 * 0.13 * gamma[:, 0].max())
    height = [vertices[np.isclose(vertices[:, 0], t - 0.5), 1].max() for t in (10, 45)]
    np.testing.assert_allclose(height, 0.9 * 0.13 * np.maximum(gamma[[10, 45], 0], gamma[[9, 44], 0]))


def test_sequences_are_parted_and_columns_have_panels():
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = GaussianHMM(2, random_state=0, n_init=1).fit(x, lengths=[20, 40])
    axes = model.plot(x, lengths=[20, 40])
    assert len(axes) == 2
    assert [line.get_xdata()[0] for line in axes[0].lines if len(line.get_xdata()) == 2] == [20]
    assert np.isnan(axes[0].lines[0].get_ydata()).sum() == 1
    wide = HMM(1, random_state=0).fit(np.random.default_rng(0).normal(size=(30, 8)))
    with pytest.raises(ParameterError, match=r"8 panels are too many: choose columns by columns=\[...\]"):
        wide.plot(np.zeros((5, 8)))
    assert wide.plot(np.zeros((5, 8)), columns=3).get_ylabel() == "x3"


def test_dates_can_stand_on_the_axis_and_missing_steps_are_counted(chain, counts):
    x = counts.astype(float)
    x[5] = np.nan
    ax = plots.states_over_time(chain, x, time=pd.date_range("2000-01-01", periods=len(x)).to_numpy())
    assert ax.get_title(loc="right") == "1 step lacks a value"
    ax.figure.canvas.draw()
    with pytest.raises(DataError, match="time has shape"):
        plots.states_over_time(chain, counts, time=[1, 2])


def test_symbols_have_their_names():
    words = np.random.default_rng(0).choice(["rain", "sun$"], 40)[:, None]
    model = HMM(2, emission="categorical", random_state=0, n_init=1).fit(words)
    ax = model.plot(words)
    assert {"rain", "sun$"} <= {label.get_text() for label in ax.get_yticklabels()}
    bars = plots.profiles(model)[0].patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], model.probs_.reshape(2, -1).T.ravel(), atol=1e-12)


def test_transitions_are_written_out(chain):
    ax = plots.transitions(chain)
    np.testing.assert_allclose(ax.images[0].get_array(), chain.transmat_)
    assert [text.get_text() for text in ax.texts] == [f"{p:.2f}" for p in chain.transmat_.ravel()]
    ax = plots.transitions(chain, graph=True)
    arrows = [patch for patch in ax.patches if type(patch).__name__ == "FancyArrowPatch"]
    assert len(arrows) == 2
    np.testing.assert_allclose([a.get_linewidth() for a in arrows], 0.6 + 5 * chain.transmat_[[0, 1], [1, 0]])


def test_transitions_of_200_states():
    model = HMM(200, emission="poisson")
    model.startprob_, model.transmat_ = np.full(200, 1 / 200), np.full((200, 200), 1 / 200)
    model.rates_ = np.arange(1.0, 201.0)[:, None]
    assert not plots.transitions(model).texts
    ax = plots.transitions(model, graph=True)
    assert ax.get_title(loc="right") == "300 of 39,800 arrows drawn" and len(ax.patches) == 300 + 2 * 200


def test_mixtures_have_no_transitions(two, rows):
    for draw in (plots.transitions, lambda m: plots.states_over_time(m, rows[:, :2]), lambda m: plots.pseudo_residuals(m, rows)):
        with pytest.raises(ParameterError, match="hidden Markov models"):
            draw(two)


def test_pseudo_residuals_stand_against_normal_quantiles(chain, counts):
    axes = plots.pseudo_residuals(chain, counts)
    z, n = np.sort(chain.pseudo_residuals(counts)), len(counts)
    drawn = axes[1].lines[1]
    np.testing.assert_allclose(drawn.get_ydata(), z)
    np.testing.assert_allclose(drawn.get_xdata(), ndtri((np.arange(1, n + 1) - 0.5) / n))
    area = sum(bar.get_height() * bar.get_width() for bar in axes[0].patches)
    assert area == pytest.approx(1.0)
    away = chain.pseudo_residuals(counts) - z.mean()
    first = axes[2].collections[0].get_segments()[0][1, 1]
    assert first == pytest.approx((away[1:] @ away[:-1]) / (away @ away))


def test_hmmlearn_faces_are_drawn_too(counts):
    from emkit import PoissonHMM, VariationalGaussianHMM

    assert PoissonHMM(2, random_state=0).fit(counts).plot(counts).get_xlabel() == "step"
    model = VariationalGaussianHMM(2, random_state=0).fit(counts.astype(float))
    ax = model.plot(counts.astype(float), kind="components")
    total = ax.lines[-1]
    assert np.trapezoid(total.get_ydata(), total.get_xdata()) == pytest.approx(1.0, abs=0.03)
