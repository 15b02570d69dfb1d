"""What a notebook shows: short, and with names from data escaped; progress that is one line."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import sklearn

from emkit import GaussianMixture, Mixture, likelihood_ratio_test, select
from emkit.core.monitor import PrintProgress
from emkit.core.notebook import preformatted
from emkit.estimators.progress import NotebookProgress, progress

OURS = preformatted("")[:10]


@pytest.mark.parametrize("name", ["Mixture", "HMM", "GaussianHMM", "BayesianNetwork", "RBFRegressor", "MixtureOfRegressions"])
def test_fitted_estimators_have_their_summary_below_the_diagram(every, name):
    fitted, _ = every[name]
    shown = fitted._repr_html_()
    first = fitted.summary().splitlines()[0]
    assert "sk-top-container" in shown and shown.count(OURS) == 1 and first in shown[shown.rindex(OURS) :]
    assert fitted._repr_mimebundle_()["text/html"].count(first) == 1
    assert len(shown[shown.rindex(OURS) :]) < 4000


def test_names_are_escaped(mixed):
    fitted, _ = mixed
    shown = fitted._repr_html_()
    below = shown[shown.rindex(OURS) :]
    assert "&lt;script&gt;alert" in below and "<script>alert" not in below


def test_what_is_not_fitted_has_the_diagram_alone():
    model = Mixture(2)
    assert OURS not in model._repr_mimebundle_()["text/html"] and "Mixture" in model._repr_html_()
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_") and set(model._repr_mimebundle_()) == {"text/plain"}


def test_results_show_what_print_does(every):
    fitted, given = every["GaussianMixture"]
    x = given["X"]
    errors = fitted.standard_errors(x)
    assert "means[0, 0]" in errors._repr_html_() and "std. error" in errors._repr_html_()
    assert fitted.result_.starts_summary() in fitted.result_._repr_html_()
    found = select(GaussianMixture(n_init=1), x, grid={"n_components": [1, 2]}, random_state=0)
    assert found.summary().splitlines()[0] in found._repr_html_()
    smaller = GaussianMixture(1).fit(x)
    test = likelihood_ratio_test(smaller, fitted, x, n_replicates=19, random_state=0)
    assert str(test).splitlines()[0] in test._repr_html_()


def test_long_texts_are_cut_and_escaped():
    shown = preformatted("\n".join(f"<b>{i}" for i in range(100)))
    assert "&lt;b&gt;59" in shown and "&lt;b&gt;60" not in shown and "40 more lines" in shown and "<b>" not in shown


@pytest.fixture
def kernel(monkeypatch):
    """A stand-in for IPython in a kernel; what it was told to show, and to put in its place."""
    said = []

    class ZMQInteractiveShell:
        pass

    def display(data, raw, display_id):
        assert raw and display_id
        said.append(["display", data["text/plain"]])
        return SimpleNamespace(update=lambda data, raw: said.append(["update", data["text/plain"]]))

    package, part = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython, part.display = ZMQInteractiveShell, display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    return said


def test_progress_in_a_notebook_is_one_line_for_each_fit(kernel, capsys):
    x = np.random.default_rng(0).normal(size=(60, 1))
    model = GaussianMixture(2, verbose=1, verbose_interval=1, n_init=1, tol=0, max_iter=3)
    for _ in range(2):
        model.fit(x)
    kinds = [kind for kind, _ in kernel]
    assert kinds.count("display") == 2 and kinds[0] == "display" and kinds.count("update") >= 6
    assert "iteration 3" in " ".join(text for _, text in kernel) and "stopped at max_iter" in kernel[-1][1]
    assert capsys.readouterr().err == ""


def test_progress_elsewhere_is_lines_on_stderr(kernel, monkeypatch):
    assert isinstance(progress(), NotebookProgress)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert type(progress()) is PrintProgress
    monkeypatch.delitem(sys.modules, "IPython")
    assert type(progress()) is PrintProgress
