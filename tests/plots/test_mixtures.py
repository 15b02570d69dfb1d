"""Pictures of components: what stands where, not pixels."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError

from emkit import DataError, GaussianMixture, LatentClass, Mixture, ParameterError, plots
from emkit.plots.densities import covariances, ellipses
from emkit.plots.mixtures import bin_edges


def heights(ax):
    """Of all bars, component by component."""
    return np.concatenate([steps.get_data().values - steps.get_data().baseline for steps in ax.patches])


def test_bars_and_densities_of_one_column_each_have_area_1(two, rows):
    x = rows[:, :1]
    model = GaussianMixture(2, random_state=0).fit(x)
    ax = plots.components(model, x)
    wide = np.concatenate([np.diff(steps.get_data().edges) for steps in ax.patches])
    assert (heights(ax) * wide).sum() == pytest.approx(1.0)
    first, second, total = ax.lines[:3]
    grid = total.get_xdata()
    np.testing.assert_allclose(total.get_ydata(), np.exp(model.score_samples(grid[:, None])), rtol=1e-9)
    np.testing.assert_allclose(first.get_ydata() + second.get_ydata(), total.get_ydata(), rtol=1e-12)
    # Bars of component 0 hold its responsibilities.
    own = (heights(ax) * wide)[: len(wide) // 2].sum()
    assert own == pytest.approx(model.predict_proba(x)[:, 0].mean())


def test_a_weight_of_2_is_the_row_twice(rows):
    x, weights = rows[:, :1], np.arange(120) % 3
    model = GaussianMixture(2, random_state=0).fit(x)
    view = model._view(x)
    edges = bin_edges(np.repeat(x[:, 0], weights), False)
    got = heights(plots.components(model, x, sample_weight=weights))
    resp = view.responsibilities
    for k in range(2):
        counted, _ = np.histogram(np.repeat(x[:, 0], weights), edges, weights=np.repeat(resp[:, k], weights))
        bars = got[k * (len(edges) - 1) : (k + 1) * (len(edges) - 1)]
        np.testing.assert_allclose(bars, counted / (weights.sum() * np.diff(edges)), atol=1e-12)
    with pytest.raises(DataError, match="sample_weight has shape"):
        plots.components(model, x, sample_weight=[1.0])


@pytest.mark.parametrize("covariance_type", ["full", "diag", "tied", "spherical"])
def test_covariances_are_those_of_the_parameters(rows, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0, n_init=2).fit(rows)
    found = covariances(model._view(), 0, 2)
    whitener = model.result_.params.components.covariances
    for k in range(2):
        whole = np.broadcast_to(whitener, (2, *whitener.shape[1:]))[k]
        whole = whole if whole.ndim == 2 else np.diag(np.broadcast_to(whole, 3))
        np.testing.assert_allclose(found[k], whole[np.ix_([0, 2], [0, 2])], rtol=1e-10, atol=1e-12)


def test_an_ellipse_holds_its_share(two):
    view = two._view()
    outline = ellipses(view, 0, 1, 0.8)[1]
    away = outline - two.means_[1]
    squared = np.einsum("ni,ij,nj->n", away, two.precisions_[1], away)
    np.testing.assert_allclose(squared, -2 * np.log(0.2), rtol=1e-9)  # the chi-squared quantile with two degrees of freedom


def test_points_are_in_the_collection_of_their_component(two, rows):
    x = rows[:, :2].copy()
    x[0, 0], x[1, 1], x[2] = np.nan, np.nan, np.nan
    ax = plots.components(two, x)
    labels = two.predict(x)
    for k in range(2):
        mine = np.isfinite(x).all(axis=1) & (labels == k)
        np.testing.assert_allclose(np.asarray(ax.collections[k].get_offsets()), x[mine])
    ticks = [len(c.get_offsets()) for c in ax.collections[2:]]
    assert ticks == [1, 1]  # a row without its first cell, and one without its second
    assert ax.get_title(loc="right") == "1 row lacks both values"


def test_colours_fade_with_uncertainty(two, rows):
    x = rows[:, :2]
    ax, resp = plots.components(two, x), two.predict_proba(x)
    mine = resp.argmax(axis=1) == 0
    alpha = ax.collections[0].get_facecolors()[:, 3]
    assert alpha[resp[mine, 0].argmin()] == alpha.min() and alpha[resp[mine, 0].argmax()] == alpha.max()


def test_a_matrix_of_pairs_has_each_pair_once(three, rows):
    axes = plots.components(three, rows)
    assert axes.shape == (3, 3)
    assert [[one.get_visible() for one in line] for line in axes] == [[True, False, False], [True, True, False], [True] * 3]
    assert axes[2, 0].get_xlabel() == "x0" and axes[2, 0].get_ylabel() == "x2"
    np.testing.assert_allclose(np.asarray(axes[2, 1].collections[0].get_offsets())[:, 0], rows[three.predict(rows) == 0, 1])


def test_axes_that_are_given_are_used_and_checked(three, two, rows):
    figure = Figure()
    axes = figure.subplots(3, 3)
    assert (plots.components(three, rows, ax=axes) == axes).all()
    with pytest.raises(ParameterError, match="ax holds 1 axes, this picture needs an array of 3 x 3"):
        plots.components(three, rows, ax=figure.add_subplot())
    with pytest.raises(ParameterError, match="ax is no matplotlib axes"):
        plots.components(two, rows[:, :2], ax="here")


def test_what_cannot_be_drawn_is_refused_by_name(two, rows):
    with pytest.raises(NotFittedError):
        plots.components(GaussianMixture(), rows)
    with pytest.raises(ParameterError, match="not of dict"):
        plots.components({}, rows)
    with pytest.raises(ParameterError, match="columns: 7 cannot be drawn here; those that can are 0, 1"):
        plots.components(two, columns=7)
    with pytest.raises(ParameterError, match="there twice"):
        plots.components(two, columns=[0, 0])
    with pytest.raises(ParameterError, match="level=2"):
        plots.components(two, level=2)
    wide = GaussianMixture(1, covariance_type="diag", random_state=0).fit(np.random.default_rng(0).normal(size=(50, 8)))
    with pytest.raises(ParameterError, match=r"8 columns cannot be read: choose some by columns=\[...\]"):
        plots.components(wide)
    assert plots.components(wide, columns=[3, 5]).get_xlabel() == "x3"


def test_200_components_have_a_scale_of_colours(rows):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(200, 2))
    model = GaussianMixture(200, covariance_type="spherical")
    model.weights_, model.means_, model.covariances_ = np.full(200, 1 / 200), means, np.full(200, 0.1)
    ax = plots.components(model, means)
    assert len(ax.lines) == 200 and ax.get_legend() is None and len(ax.child_axes) == 1
    assert len({line.get_color() for line in ax.lines}) > 190
    ax.figure.canvas.draw()
    assert len(plots.profiles(model)) == 2
    assert plots.responsibilities(model, means).get_ylim() == (0, 1)


def test_a_column_without_any_value_still_has_its_densities(two, rows):
    x = rows[:, :2].copy()
    x[:, 0] = np.nan
    ax = plots.components(two, x, columns=0)
    assert not ax.patches and ax.get_title(loc="right") == "120 rows lack a value"
    assert np.ptp(ax.lines[2].get_xdata()) > 6


def test_names_are_letters(rows):
    frame = pd.DataFrame(rows[:, :2], columns=["$a_b$ <b>", "_c"])
    ax = GaussianMixture(2, random_state=0).fit(frame).plot(frame)
    assert ax.get_xlabel() == "$a_b$ <b>" and not ax.xaxis.label.get_parse_math()
    ax.figure.canvas.draw()


def test_noise_has_no_ellipse_and_its_own_name(rows):
    model = GaussianMixture(2, noise=True, random_state=0).fit(rows[:, :2])
    ax = plots.components(model, rows[:, :2])
    assert len(ax.lines) == 2
    assert [text.get_text()[:6] for text in ax.get_legend().get_texts()] == ["compon", "compon", "noise "]


def test_counts_have_bars_about_whole_numbers(chain, counts):
    ax = plots.components(chain, counts)
    assert ax.get_ylabel() == "probability"
    assert heights(ax).sum() == pytest.approx(1.0)
    grid, total = ax.lines[-1].get_data()
    assert (grid == np.arange(counts.min(), counts.max() + 1)).all()
    share = chain.predict_proba(counts).mean(axis=0)
    from scipy.stats import poisson

    np.testing.assert_allclose(total, poisson.pmf(grid[:, None], chain.rates_.ravel()) @ share, rtol=1e-10)


def test_columns_without_margins_have_no_densities():
    x = np.random.default_rng(0).multinomial(9, [0.2, 0.3, 0.5], 40)
    ax = plots.components(Mixture(1, "multinomial", random_state=0).fit(x), x, columns=0)
    assert not ax.lines and heights(ax).sum() == pytest.approx(1.0)


def test_mean_angles_stand_among_the_data():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(4.5, 0.3, 60), rng.normal(1.0, 0.3, 60)])
    ax = plots.components(Mixture(1, "von_mises", random_state=0).fit(x), x)
    np.testing.assert_allclose(
        [np.mean(ends) for ends in (ax.lines[0].get_xdata()[:-1], ax.lines[0].get_ydata()[:-1])], [4.5, 1.0], atol=0.1
    )


def test_responsibilities_are_sorted_bands(two, rows):
    ax = plots.responsibilities(two, rows[:, :2])
    resp = two.predict_proba(rows[:, :2])
    area = [np.ptp(band.get_paths()[0].vertices[:, 1]) for band in ax.collections]
    assert len(ax.collections) == 2 and max(area) <= 1.0 + 1e-9
    path = ax.collections[0].get_paths()[0].vertices
    first = path[(path[:, 0] == 0) & (path[:, 1] > 0), 1].max()
    assert first == pytest.approx(resp[resp.argmax(axis=1) == 0, 0].max())


def test_uncertainty_is_as_mclust_has_it(two, three, rows):
    unsure = 1 - two.predict_proba(rows[:, :2]).max(axis=1)
    ax = plots.uncertainty(two, rows[:, :2])
    sizes = [len(c.get_offsets()) for c in ax.collections]
    cuts = np.quantile(unsure, [0.75, 0.95])
    assert sizes == [(unsure <= cuts[0]).sum(), ((unsure > cuts[0]) & (unsure <= cuts[1])).sum(), (unsure > cuts[1]).sum()]
    line = plots.uncertainty(three, rows).lines[0].get_ydata()
    np.testing.assert_allclose(line, np.sort(1 - three.predict_proba(rows).max(axis=1)))
    with pytest.raises(ParameterError, match="columns: uncertainty is drawn over one or two columns, not 3"):
        plots.uncertainty(three, rows, columns=[0, 1, 2])


def test_parallel_lines_are_standardised_rows_and_means(three, rows):
    ax = plots.parallel(three, rows)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    labels = three.predict(rows)
    for k in range(2):
        drawn = np.array([segment[:, 1] for segment in ax.collections[k].get_segments()])
        np.testing.assert_allclose(drawn, scaled[labels == k])
        np.testing.assert_allclose(ax.lines[k].get_ydata(), (three.means_[k] - rows.mean(axis=0)) / rows.std(axis=0))
    with pytest.raises(ParameterError, match="at least two columns of numbers, there is 1"):
        plots.parallel(three, rows, columns=[1])


def test_profiles_are_the_probabilities_of_levels():
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=300)
    frame = pd.DataFrame(
        {"$item": np.where(rng.random(300) < np.array([0.9, 0.2])[kind], "yes", "no"), "b": rng.integers(3, size=300)}
    )
    frame["c"] = np.where(kind == 1, "u", "v")
    model = LatentClass(2, random_state=0).fit(frame)
    axes = model.plot()
    assert [ax.get_title(loc="left") for ax in axes] == ["$item", "b", "c"]
    for j, ax in enumerate(axes):
        levels = len(model.columns_[j].levels)
        bars = np.array([bar.get_width() for bar in ax.patches]).reshape(levels, 2)
        np.testing.assert_allclose(bars.T, model.probs_[:, j, :levels], atol=1e-12)
    assert axes[0].get_yticklabels()[0].get_text().startswith("class 0 (")


def test_items_that_differ_between_groups_ask_for_the_group():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(2, size=(200, 3)), columns=list("abc"))
    frame["land"] = rng.choice(["x", "y"], 200)
    model = LatentClass(2, groups="land", free_items=["a"], random_state=0, n_init=2).fit(frame)
    axes = plots.profiles(model, columns=["a", "b"])
    assert "given" in axes[0].get_title(loc="right") and not axes[0].patches and len(axes[1].patches) == 4
    axes = plots.profiles(model, columns=["a"], given={"land": "y"})
    entries = [e["probabilities"] for e in model.item_probabilities() if e["item"] == "a" and e["group"] == "y"]
    np.testing.assert_allclose([bar.get_width() for bar in axes[0].patches], np.concatenate(entries), atol=1e-12)
    with pytest.raises(ParameterError, match="given: column 'land' has no level 'z'"):
        plots.profiles(model, given={"land": "z"})


def test_a_mixed_table_is_drawn_by_profiles():
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=200)
    frame = pd.DataFrame({"age": rng.normal(30 + 20 * kind, 4), "sex": rng.choice(["f", "m"], 200)})
    model = Mixture(2, random_state=0).fit(frame)
    axes = model.plot(frame)
    centres = [line.get_xdata()[0] for line in axes[0].lines]
    np.testing.assert_allclose(sorted(centres), np.sort(model.age_means_.ravel()))
    assert len(axes[1].patches) == 4
    with pytest.raises(ParameterError, match="columns: 'sex' cannot be drawn here; those that can are 'age'"):
        plots.components(model, frame, columns=["age", "sex"])


def test_plot_chooses(two, three, rows, chain, counts):
    assert two.plot(rows[:, :2]).get_ylabel() == "x1"
    assert two.plot(kind="trace").get_xlabel() == "iteration"
    assert chain.plot().get_xlabel() == "to state"
    assert chain.plot(counts).get_xlabel() == "step"
    with pytest.raises(ParameterError, match="kind='pie'"):
        two.plot(rows, kind="pie")
    with pytest.raises(ParameterError, match="responsibilities shows rows: give the data, X"):
        two.plot(kind="responsibilities")


def test_many_rows_are_thinned_and_said_so(two):
    x = np.random.default_rng(0).normal(size=(20_000, 2))
    ax = plots.components(two, x)
    assert sum(len(c.get_offsets()) for c in ax.collections) == 5000
    assert ax.get_title(loc="right") == "5,000 of 20,000 rows drawn"


def test_displays_are_scikit_learn_s(two, rows):
    display = plots.ComponentsDisplay.from_estimator(two, rows[:, :2], level=0.5)
    assert display.ax_.figure is display.figure_
    ax = Figure().add_subplot()
    assert display.plot(ax).ax_ is ax and len(ax.collections) == 2
