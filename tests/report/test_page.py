"""A report is one page that says what was fitted, whether to trust it, and what sets its parts apart."""

import re
import sys
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from emkit import DataError, GaussianMixture, LatentClass, ParameterError
from emkit._names import group
from emkit.report import parameters as table_of_parameters
from emkit.report.page import page
from emkit.report.subject import number, percent
from emkit.report.traits import moments


class Outline(HTMLParser):
    """Headings, tags with attributes, and the text of a page; fails on tags that do not close in order."""

    void = frozenset({"meta", "link", "br", "img"})

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.tags, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th", "dt", "dd"):
            self.texts.append(" ")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            return
        self.texts.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings.append((int(self.open[-1][1]), data))

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def read(path):
    return Outline(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*group("estimators"), *group("regressors")])
def test_every_estimator_has_a_page_that_stands_alone_and_can_be_read_aloud(every, written, name):
    _, given = every[name]
    found = read(written(name))
    levels = [level for level, _ in found.headings]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b <= a + 1 for a, b in pairwise(levels))
    assert name in found.headings[0][1] and f"{len(given['X'])} rows" in found.text
    assert found.tags.count(("caption", {})) == len(found.all("table")) > 0
    assert all(attrs.get("scope") in ("row", "col") for attrs in found.all("th"))
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    pictures = found.all("svg")
    assert pictures and all(one["role"] == "img" and one["aria-label"] for one in pictures)
    for _, attrs in found.tags:
        for word in ("src", "href", "xlink:href"):
            address = attrs.get(word, "#")
            assert address.startswith("data:") or address == "#" or address[1:] in ids
        assert not any(word.startswith("on") for word in attrs)
    assert not found.all("script")


def test_names_from_data_are_shown_letter_by_letter(mixed, tmp_path):
    fitted, table = mixed
    found = read(fitted.report(tmp_path / "r.html", table, errors=False, title="</title><script>alert(3)</script>"))
    assert not found.all("script") and not found.all("img")
    for name in (*table.columns, *table["kind"].unique(), "</title><script>alert(3)</script>"):
        assert name in found.text


def test_the_verdict_of_a_good_fit(every, tmp_path):
    fitted, given = every["GaussianMixture"]
    text = read(fitted.report(tmp_path / "r.html", **given)).text
    assert "Nothing speaks against this fit." in text
    assert "Fitted to 272 rows of 2 columns: x0, x1." in text and "No cell is missing." in text
    assert "2 of 2 starts that were carried on reached this optimum" in text
    high, low = np.argsort(-fitted.means_[:, 0])
    assert f"component {high}: 64 % of the rows Set apart by high x0 (4.29, in all rows 3.488); high x1 (79.97" in text
    assert f"component {low}: 36 % of the rows Set apart by low x0 (2.03" in text


def test_intervals_are_those_of_conf_int(every, tmp_path):
    fitted, given = every["GaussianMixture"]
    low, high = fitted.conf_int(given["X"], level=0.9)["means"][1, 0]
    text = read(fitted.report(tmp_path / "r.html", **given, level=0.9)).text
    mean, error = fitted.means_[1, 0], fitted.standard_errors(given["X"])["means"][1, 0]
    assert "90 % intervals" in text
    assert f"means component 1, x0 {mean:.4g} {error:.4g} {low:.4g} {high:.4g}" in text
    assert "component 0, x0 \u00d7 x1" in text and "component 0, x1 \u00d7 x0" not in text  # of a symmetric matrix once


def test_entries_are_named_by_what_they_are_of(written):
    assert "transmat state 0, to state 1" in read(written("HMM")).text
    assert "probs class 1, q, 0" in read(written("LatentClass")).text
    assert "q p 0, q 1" in read(written("BayesianNetwork")).text
    assert "kind_probs component 0, v]]>" in read(written("Mixture")).text


def test_standard_errors_that_are_too_dear_are_left_out_with_a_word(every, monkeypatch):
    fitted, given = every["GaussianHMM"]
    monkeypatch.setattr(table_of_parameters, "BUDGET", 0.0)
    assert "would take about" in page(fitted._subject(**given), errors="auto")
    variational, rows = every["VariationalGaussianHMM"]
    assert "There are no standard errors" in page(variational._subject(**rows), errors=True)


def test_what_is_wrong_is_named_with_advice(tmp_path):
    rng = np.random.default_rng(0)
    answers = rng.integers(0, 2, (60, 2))
    with pytest.warns(UserWarning, match="fewer classes"):
        model = LatentClass(3, random_state=0, n_init=1).fit(answers)
    text = read(model.report(tmp_path / "r.html", answers, errors=True)).text
    assert "Usable, with" in text and "not identified by the data" in text and "probs[" in text and "Fix or tie" in text
    x = rng.normal(size=(60, 2))
    with pytest.warns(UserWarning, match="max_iter"):
        cut = GaussianMixture(3, random_state=0, n_init=1, max_iter=1).fit(x)
    text = read(cut.report(tmp_path / "r.html", x, errors=False)).text
    assert "Do not trust this fit yet" in text and "Raise max_iter" in text


def test_holes_by_column_and_other_rows_than_those_of_the_fit(every, tmp_path):
    fitted, given = every["GaussianMixture"]
    holes = given["X"][:50].copy()
    holes[:5, 0], holes[:, 1] = np.nan, np.nan
    text = read(fitted.report(tmp_path / "r.html", holes)).text
    assert "No value at all in x1." in text and "55 cells of 100 are missing: x0 (10 %)." in text
    assert "These are not just the rows of the fit" in text
    assert "Fitted to 272 rows. This page looks at it with 50 rows" in text
    new = fitted.__sklearn_clone__().fit(given["X"])  # which has not been asked for standard errors
    assert "Intervals are of the rows of the fit, which these are not" in page(new._subject(holes))


def test_200_components(tmp_path):
    x = np.random.default_rng(0).normal(size=(600, 2))
    model = GaussianMixture(200, random_state=0, n_init=1, init_params="random_from_data", tol=0, max_iter=2).fit(x)
    path = model.report(tmp_path / "r.html", x, errors=False)
    text = read(path).text
    assert "The 12 largest of 200" in text and "The first 300 of" in text and path.stat().st_size < 2e6


def test_many_rows_make_no_large_page(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000, 2)) + 4.0 * rng.integers(0, 2, (100_000, 1))
    model = GaussianMixture(2, random_state=0, n_init=1, max_iter=5, tol=0).fit(x)
    assert model.report(tmp_path / "r.html", x, errors=False).stat().st_size < 1e6


def test_weights_count(tmp_path):
    table = pd.DataFrame({"sex": ["f", "m", "f", "m"], "ship": ["a", "b", "b", "a"]})
    weights = np.array([90.0, 80.0, 10.0, 5.0])
    with pytest.warns(UserWarning, match="not identified"):
        model = LatentClass(2, random_state=0, n_init=3, max_iter=20, tol=0).fit(table, sample_weight=weights)
    text = read(model.report(tmp_path / "r.html", table, sample_weight=weights, errors=False)).text
    assert "Fitted to 4 rows (weight 185)" in text and "These are not just" not in text
    share = weights @ model.predict_proba(table) / weights.sum()
    assert f"{100 * share.max():.0f} % of the rows" in text


def test_refusals_come_before_anything_is_written(every, tmp_path):
    fitted, given = every["GaussianMixture"]
    x, path = given["X"], tmp_path / "r.html"
    for wrong in ({"level": 95}, {"errors": "yes"}, {"lengths": [272]}):
        with pytest.raises(ParameterError):
            fitted.report(path, x, **wrong)
    with pytest.raises(NotFittedError):
        GaussianMixture(2).report(path, x)
    with pytest.raises(DataError, match="expecting 2"):
        fitted.report(path, x[:, :1])
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        fitted.report(tmp_path, x)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        fitted.report(tmp_path / "none" / "r.html", x)
    with pytest.raises(DataError, match="no such file"):
        fitted.report(path, tmp_path / "rows.parquet")
    network, rows = every["RBFRegressor"]
    with pytest.raises(ParameterError, match="has no 'labels'"):
        network.report(path, rows["X"], labels=[0])
    assert not list(tmp_path.iterdir())


def test_pictures_leave_pyplot_and_its_settings_alone(every):
    import matplotlib.pyplot as plt

    fitted, given = every["GaussianMixture"]
    before = plt.get_fignums()
    with plt.rc_context({"text.color": "red", "font.size": 30.0}):
        loud = page(fitted._subject(**given), errors=False)
        assert plt.rcParams["font.size"] == 30.0
    calm = page(fitted._subject(**given), errors=False)
    assert plt.get_fignums() == before
    changing = re.compile(r"Made by emkit .*?</p>")  # the time
    assert changing.sub("", loud) == changing.sub("", calm)


def test_a_missing_jinja2_is_named(every, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    fitted, given = every["GaussianMixture"]
    with pytest.raises(ImportError, match="pip install jinja2"):
        fitted.report(tmp_path / "r.html", **given)


def test_parameters_that_were_set_by_hand(tmp_path):
    model = GaussianMixture(2)
    model.weights_, model.means_, model.covariances_ = [0.5, 0.5], [[0.0, 0.0], [5.0, 5.0]], [np.eye(2)] * 2
    x = np.random.default_rng(0).normal(size=(20, 2))
    text = read(model.report(tmp_path / "r.html", x, errors=False)).text
    assert "Not fitted: the parameters were set by hand." in text and "Not drawn: nothing was fitted" in text


def test_what_is_nothing_but_rounding_is_not_shown():
    assert [percent(p).replace("\u00a0", " ") for p in (1.2e-15, 1e-6, 1.0 - 1e-14, 0.004)] == [
        "0 %",
        "under 0.01 %",
        "100 %",
        "0.4 %",
    ]
    yes, weights = np.repeat([0.0, 1.0], [77, 33]), np.random.default_rng(4).uniform(1, 3, 110)
    means = moments(yes[:, None], np.column_stack([1 - yes, yes]) * weights[:, None], weights)[0]
    assert means[0, 0] == 0.0 and means[1, 0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (25060.2, "25,060"),
        (-123456789.0, "-123,500,000"),
        (1.5e12, "1.5e+12"),
        (9999.4, "9999"),
        (0.00012345, "0.0001234"),
        (np.nan, "\u2013"),
    ],
)
def test_numbers_of_rows_have_no_power_of_ten(value, said):
    assert number(value) == said
