"""Networks on the command line: fitted from a file's structure or from edges, with hidden nodes; asked, filled in, refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import emkit as library

ASIA = Path(__file__).parents[1] / "io" / "networks" / "asia.bif"


@pytest.fixture
def clinic(tmp_path):
    """Patients drawn from the network asia.bif, a tenth of the cells missing, as a.csv; returns the table."""
    shutil.copy(ASIA, tmp_path / "asia.bif")
    network = library.BayesianNetwork.from_file(ASIA, random_state=0)
    table = pd.DataFrame(network.sample(1000)[0], columns=network.feature_names_in_)
    table = table.mask(np.random.default_rng(0).random(table.shape) < 0.1)
    table.to_csv(tmp_path / "a.csv", index=False)
    return table


@pytest.fixture
def fitted(emkit, clinic):
    """A network with the structure of asia.bif fitted to a.csv, saved as m.safetensors."""
    done = emkit("fit", "a.csv", "--model", "bayes-net", "--structure", "asia.bif", "--out", "m.safetensors", "--quiet")
    assert done.exit_code == 0, done.stderr
    return done


def test_fit_with_the_structure_of_a_file(fitted, clinic):
    assert fitted.stdout.startswith("Bayesian network: 8 nodes, 8 edges, 8 columns, 1000 rows")
    network, ours = library.load("m.safetensors"), library.BayesianNetwork.from_file("asia.bif", random_state=0).fit(clinic)
    assert network.structure_.states == ours.structure_.states
    assert network.score(clinic) == pytest.approx(ours.score(clinic), abs=1e-4)


def test_fit_with_edges_and_hidden_nodes(emkit, clinic):
    done = emkit("fit", "a.csv", "--model", "bayes-net", "--edges", "H->xray,H->dysp,H->tub", "--latent", "H=2", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Bayesian network: 9 nodes, 3 edges, 1 hidden, 8 columns") and "H (hidden): 0, 1" in done.stdout


def test_nodes_of_a_file_may_be_hidden(emkit, clinic):
    clinic.drop(columns="either").to_csv("few.csv", index=False)
    words = ["fit", "few.csv", "--model", "bayes-net", "--structure", "asia.bif", "--latent", "either", "--quiet"]
    done = emkit(*words, "--out", "h.safetensors")
    assert done.exit_code == 0 and "either (hidden) given lung, tub: yes, no" in done.stdout
    assert emkit("predict", "h.safetensors", "few.csv", "--out", "p.csv", "--quiet").exit_code == 0
    assert set(pd.read_csv("p.csv")["either"]) <= {"yes", "no"}


def test_query_a_model_and_a_file(emkit, fitted):
    for path, network in (
        ("m.safetensors", library.load("m.safetensors")),
        ("asia.bif", library.BayesianNetwork.from_file("asia.bif")),
    ):
        expected = network.query("lung", {"dysp": "yes"})
        assert emkit("query", path, "--given", "dysp=yes", "--of", "lung").stdout.strip() == str(expected)
        told = json.loads(emkit("query", path, "--given", "dysp=yes", "--of", "lung,smoke", "--json").stdout)
        values = network.query(["lung", "smoke"], {"dysp": "yes"}).values
        np.testing.assert_allclose(told["answers"][0]["probabilities"], values, rtol=1e-12)


def test_do_soft_and_most_probable(emkit, clinic):
    network = library.BayesianNetwork.from_file("asia.bif")
    shown = emkit("query", "asia.bif", "--do", "lung=yes", "--of", "smoke").stdout
    assert shown.strip() == str(network.do({"lung": "yes"}).query("smoke"))
    shown = emkit("query", "asia.bif", "--soft", "dysp=yes:2;no:1", "--of", "lung").stdout
    assert shown.strip() == str(network.query("lung", soft={"dysp": [2, 1]}))
    found = json.loads(emkit("query", "asia.bif", "--given", "xray=yes", "--most-probable", "--json").stdout)
    assert found["most_probable"] == network.most_probable({"xray": "yes"})[0]


def test_impute_once_and_with_draws(emkit, fitted, clinic):
    assert emkit("impute", "m.safetensors", "a.csv", "--out", "i.csv").exit_code == 0
    filled = pd.read_csv("i.csv")
    assert filled.notna().all(axis=None) and filled.where(clinic.notna()).equals(clinic)
    assert emkit("impute", "m.safetensors", "a.csv", "--draws", 2, "--out", "d.csv").exit_code == 0
    drawn = pd.read_csv("d.csv")
    assert len(drawn) == 2000 and drawn["draw"].tolist() == [1] * 1000 + [2] * 1000 and drawn.notna().all(axis=None)


def test_columns_that_a_table_lacks_are_not_observed(emkit, fitted, clinic, one_line):
    clinic[["xray", "smoke"]].to_csv("two.csv", index=False)
    assert emkit("predict", "m.safetensors", "two.csv", "--out", "p.csv").exit_code == 0
    network, told = library.load("m.safetensors"), pd.read_csv("p.csv")
    assert told["lung (predicted)"].tolist() == network.predict(clinic[["xray", "smoke"]], "lung").tolist()
    assert emkit("impute", "m.safetensors", "two.csv", "--out", "i.csv").exit_code == 0
    assert pd.read_csv("i.csv").columns.tolist() == ["xray", "smoke"]
    clinic[["xray"]].rename(columns={"xray": "other"}).to_csv("none.csv", index=False)
    assert "has no columns 'asia'" in one_line(emkit("predict", "m.safetensors", "none.csv", "--quiet"))


def test_names_with_spaces_quotes_and_letters_from_anywhere(emkit, tmp_path):
    table = pd.DataFrame({"wet grass": ["no, dry", "yes", "yes"] * 20, 'Größe "x"': [0, 1, 1] * 20})
    table.to_csv("w.csv", index=False)
    done = emkit("fit", "w.csv", "--model", "bayes-net", "--edges", 'wet grass->Größe "x"', "--out", "w.safetensors", "--quiet")
    assert done.exit_code == 0, done.stderr
    shown = emkit("query", "w.safetensors", "--given", 'wet grass="no, dry"')
    assert shown.exit_code == 0 and "1.000000" in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("query asia.bif --given dysp=maybe", "node 'dysp' has no state 'maybe'; its states are yes, no"),
        ("query asia.bif --given dispnea=yes", "there is no node 'dispnea'"),
        ("query asia.bif --given lung=yes,either=no", "rule out 'lung' in state 'yes' and 'either' in state 'no' together"),
        ("query nowhere.bif", "no such file"),
        ("query a.csv", "does not tell its format"),
        ("fit a.csv --model bayes-net --edges asia->tub,tub->asia --quiet", "the edges run in a circle: 'asia' -> 'tub' -> 'asia'"),
        ("fit a.csv --model bayes-net --edges H->tub --quiet", "edges name 'H', which is no column"),
        ("fit a.csv --model bayes-net --edges H->tub --latent H --quiet", "say how many states"),
        ("fit a.csv --model bayes-net --edges asia->tub --latent asia=2 --quiet", "'asia' is a column of the data"),
        ("fit a.csv --model bayes-net --edges asia->tub --structure asia.bif --quiet", "leave one out"),
        ("fit a.csv --model bayes-net --structure nowhere.bif --quiet", "nowhere.bif"),
        ("fit a.csv --model gaussian-mixture --edges asia->tub --quiet", "edges"),
    ],
)
def test_mistakes_are_one_line(emkit, clinic, one_line, words, message):
    assert message in one_line(emkit(*words.split(" ")))


def test_states_that_the_file_lacks_are_named(emkit, clinic, one_line):
    clinic.assign(lung=clinic["lung"].replace("no", "unclear")).to_csv("u.csv", index=False)
    line = one_line(emkit("fit", "u.csv", "--model", "bayes-net", "--structure", "asia.bif", "--quiet"))
    assert "column 'lung' row" in line and "'unclear', which is no state of that node; it has 'yes', 'no'" in line


def test_columns_of_numbers_are_gaussian_nodes(emkit, tmp_path):
    rng = np.random.default_rng(0)
    kind, age = np.where(rng.random(300) < 0.4, "a", "b"), rng.integers(20, 60, 300)
    dose = np.where(kind == "a", 3.0, 0.0) + 0.1 * age + rng.normal(size=300)
    table = pd.DataFrame({"kind": kind, "age": age, "dose": dose}).mask(rng.random((300, 3)) < 0.1)
    table.to_csv("d.csv", index=False)
    words = ["fit", "d.csv", "--model", "bayes-net", "--edges", "kind->dose,age->dose", "--types", "age=gaussian"]
    done = emkit(*words, "--out", "d.safetensors", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "3 nodes, 2 of them Gaussian" in done.stdout and "dose given kind, age: a number" in done.stdout
    network = library.load("d.safetensors")
    answer = emkit("query", "d.safetensors", "--given", "age=30", "--given", "kind=a", "--of", "dose", "--quiet")
    assert answer.stdout.strip() == str(network.query("dose", {"age": 30, "kind": "a"}))
    told = json.loads(emkit("query", "d.safetensors", "--given", "dose=9", "--json", "--quiet").stdout)["answers"]
    assert [one["nodes"] for one in told] == [["kind"], ["age"]]
    assert told[1]["mean"] == pytest.approx(network.query("age", {"dose": 9}).mean)
    best = emkit("query", "d.safetensors", "--given", "dose=9", "--most-probable", "--json", "--quiet")
    assert json.loads(best.stdout)["most_probable"]["dose"] == pytest.approx(9.0)
    assert emkit("impute", "d.safetensors", "d.csv", "--out", "full.csv", "--quiet").exit_code == 0
    assert pd.read_csv("full.csv").notna().all().all()
    assert emkit("predict", "d.safetensors", "d.csv", "--out", "p.csv", "--quiet").exit_code == 0
    assert {"dose (predicted)", "sd(dose)"} <= set(pd.read_csv("p.csv").columns)


def test_learn_the_edges_of_a_network(emkit, clinic):
    words = ["fit", "a.csv", "--model", "bayes-net", "--learn", "--max-parents", "2", "--forbid", "xray->dysp", "--json"]
    done = emkit(*words, "--require", "asia->tub", "--tiers", "asia,smoke;xray,dysp", "--out", "l.safetensors")
    assert done.exit_code == 0, done.stderr
    assert "learning the graph" in done.stderr
    said = json.loads(done.stdout)
    edges = {(edge["from"], edge["to"]) for edge in said["edges"]}
    assert ("asia", "tub") in edges and ("xray", "dysp") not in edges and said["search_ended"] is None
    assert {"from": "asia", "to": "tub", "compelled": True} in said["edges"]
    assert set(library.load("l.safetensors").edges) == edges


def test_a_search_that_runs_out_of_time_keeps_its_best_with_exit_code_3(emkit, clinic):
    done = emkit("fit", "a.csv", "--model", "bayes-net", "--learn", "--time-limit", "0", "--out", "l.safetensors")
    assert done.exit_code == 3 and "the search was cut off (time limit); model written" in done.stderr
    assert np.isfinite(library.load("l.safetensors").score(clinic))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--forbid a->b", "--forbid says how edges are learnt; add --learn"),
        ("--max-parents 2 --edges asia->tub", "--max-parents says how edges are learnt; add --learn"),
        ("--learn --require snow->tub", "required: there is no column 'snow' (here: --require)"),
        ("--learn --score bicc", "score='bicc'"),
        ("--learn --latent H=2", "needs a graph to begin with"),
    ],
)
def test_what_learn_refuses(emkit, clinic, words, message):
    done = emkit("fit", "a.csv", "--model", "bayes-net", "--quiet", *words.split())
    assert done.exit_code == 2 and message in done.stderr
