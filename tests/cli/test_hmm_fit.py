"""``emkit fit --model hmm``: the library's model, from rows in any order, with the columns that say which row is what."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import emkit as library


def test_earthquakes(emkit, quakes):
    words = ["fit", "quakes.csv", "--model", "hmm", "--emission", "poisson", "-k", 3, "--order", "year"]
    result = emkit(*words, "--out", "m.safetensors", "--n-init", 3)
    assert result.exit_code == 0, result.stderr
    assert (
        "3 states, poisson emissions, 1 column, 107 rows" in result.stdout and "model written to 'm.safetensors'" in result.stderr
    )
    ours = library.load("m.safetensors")
    theirs = library.HMM(3, emission="poisson", order="year", n_init=3, random_state=0).fit(quakes)
    assert ours.result_.log_likelihood == theirs.result_.log_likelihood == pytest.approx(-328.5275, abs=2e-3)
    np.testing.assert_array_equal(ours.transmat_, theirs.transmat_)
    np.testing.assert_allclose(ours.rates_.ravel(), [13.134, 19.713, 29.710], atol=0.05)  # tol leaves 1e-3 nats to gain
    assert ours.feature_names_in_.tolist() == ["count"] and ours.order == "year"


@pytest.mark.parametrize(
    ("emission", "column", "parameter", "shape"),
    [
        ("poisson", "n", "rates", (2, 1)),
        ("gaussian", "v", "means", (2, 1)),
        ("bernoulli", "b", "probs", (2, 1)),
        ("categorical", "b", "probs", (2, 2)),
    ],
)
def test_every_emission(emkit, visits, emission, column, parameter, shape):
    words = ["--emission", emission, "-k", 2, "--sequence", "id", "--order", "t", "--columns", column, "--n-init", 1]
    result = emkit("fit", "visits.csv", "--model", "hmm", *words, "--json", "--quiet")
    assert result.exit_code == 0 and result.stderr == ""
    found = json.loads(result.stdout)
    assert found["model"] == "hmm" and found["estimator"] == "HMM" and found["columns"] == [column]
    assert found["settings"]["sequence"] == "id" and found["settings"]["emission"] == emission
    assert np.shape(found["parameters"][parameter]) == shape and np.shape(found["parameters"]["transmat"]) == (2, 2)
    assert found["bic"] > found["aic"]


@pytest.mark.parametrize("words", [["--model", "multinomial-hmm"], ["--model", "hmm", "--emission", "multinomial"]])
def test_multinomial_rows(emkit, tmp_path, words):
    """A column for each outcome; what the rows add up to can be said."""
    (tmp_path / "x.csv").write_text(
        "a,b,c\n" + "".join(f"{t % 4},{4 - t % 4},{t // 10}\n{4 - t % 4},{t % 4},{t // 10}\n" for t in range(10))
    )
    for n, code in ([], 0), (["--set", "n_trials=4"], 0), (["--set", "n_trials=5"], 2):
        result = emkit("fit", "x.csv", *words, "-k", 2, "--n-init", 1, "--out", "m.safetensors", *n)
        assert result.exit_code == code, result.stderr
    assert "row 0 adds up to 4, but n_trials=5" in result.stderr
    model = library.load("m.safetensors")
    assert model.n_trials == 4 and model.parameters()["probs"].shape == (2, 3)


def test_rows_in_any_order_are_the_sequences_that_they_are(emkit, visits):
    result = emkit(*visits.fit, "--json", "--tol", 0, "--max-iter", 8)
    found = json.loads(result.stdout)
    model = library.HMM(2, emission="poisson", n_init=1, random_state=0, tol=0, max_iter=8)
    model.fit([visits.series[key] for key in visits.first])
    assert found["log_likelihood"] == model.result_.log_likelihood


def test_sequences_are_told_apart_as_they_are_written(emkit, tmp_path):
    (tmp_path / "x.csv").write_text("id,t,n\n" + "".join(f"{key},{t},{t * 3 % 7}\n" for key in ("7", "007") for t in range(9)))
    result = emkit("fit", "x.csv", "--model", "hmm", "--emission", "poisson", "-k", 1, "--sequence", "id", "--order", "t")
    assert result.exit_code == 0, result.stderr  # as one sequence, each t would be there twice


def test_settings_reach_the_estimator(emkit, visits):
    fixed = ["--fixed", '{"rates": [[3], [15]], "transmat": [[null, 0.25], [null, null]]}']
    found = json.loads(emkit(*visits.fit, *fixed, "--set", "start=stationary", "--set", "sticky=1", "--json").stdout)
    assert found["parameters"]["rates"] == [[3.0], [15.0]] and found["parameters"]["transmat"][0] == [0.75, 0.25]
    assert found["n_free"] == 1 and found["settings"]["start"] == "stationary"
    mixed = ["--columns", "v", "-k", 2, "--set", "n_mix=2", "--covariance-type", "spherical", "--max-iter", 1]
    result = emkit("fit", "visits.csv", "--model", "hmm", "--sequence", "id", *mixed, "--json", "--n-init", 1)
    assert result.exit_code == 3 and np.shape(json.loads(result.stdout)["parameters"]["weights"]) == (2, 2)


def test_known_states(emkit, visits):
    found = json.loads(emkit(*visits.fit, "--labels", "known", "--json").stdout)
    model = library.HMM(2, emission="poisson", sequence="id", order="t", n_init=1, random_state=0)
    model.fit(visits.table.select(["id", "t", "n"]), states=visits.table["known"].cast("float64").to_numpy())
    assert found["log_likelihood"] == model.result_.log_likelihood and found["columns"] == ["n"]


def test_weights_are_those_of_sequences(emkit, visits, one_line):
    found = json.loads(emkit(*visits.fit, "--weights", "w", "--json").stdout)
    model = library.HMM(2, emission="poisson", sequence="id", order="t", n_init=1, random_state=0)
    model.fit(visits.table.select(["id", "t", "n"]), sample_weight=[2.0 if key == "x" else 1.0 for key in visits.first])
    assert found["log_likelihood"] == model.result_.log_likelihood
    assert "a sequence has one weight, the same in all its rows; sequence '" in one_line(emkit(*visits.fit, "--weights", "b"))


def test_gaps(emkit, tmp_path, one_line):
    (tmp_path / "x.csv").write_text("y,n\n1,1\n2,4\n5,5\n6,3\n7,9\n")
    words = ["fit", "x.csv", "--model", "hmm", "--emission", "poisson", "-k", 1, "--order", "y", "--json", "--quiet"]
    assert "jumps from y = 2 to 5" in one_line(emkit(*words)) and "(here: --gaps)" in one_line(emkit(*words))
    assert json.loads(emkit(*words, "--gaps", "missing").stdout)["n_rows"] == 7
    assert json.loads(emkit(*words, "--gaps", "ignore").stdout)["n_rows"] == 5


def test_dates_put_steps_in_order(emkit, quakes, tmp_path):
    year = pa.array([f"{y}-06-01" for y in quakes["year"].to_pylist()])
    table = pa.table({"day": year.cast(pa.date32()), "count": quakes["count"]})
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(107)))
    csv.write_csv(shuffled, tmp_path / "x.csv")
    parquet.write_table(shuffled, tmp_path / "x.parquet")
    values = [
        json.loads(emkit("fit", path, *options, "--json", "--n-init", 1).stdout)["log_likelihood"]
        for path, order in (("x.csv", "day"), ("x.parquet", "day"), ("quakes.csv", "year"))
        for options in [["--model", "hmm", "--emission", "poisson", "-k", 2, "--order", order]]
    ]
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("y,n\n1,1\n2,4\n2,5\n", ["--order", "y"], "the sequence has y = 2 twice"),
        ("y,n\n1,1\n,4\n2,5\n", ["--order", "y"], "'x.csv': column 'y' row 1 is empty; every row needs its place"),
        ("y,n\na,1\nb,4\n", ["--order", "y"], "column 'y' must hold numbers or dates"),
        ("id,n\na,1\n,4\n", ["--sequence", "id"], "'x.csv': column 'id' row 1 is empty; every row belongs to a sequence"),
        ("id,n\n1,1\nNA,4\n", ["--sequence", "id"], "column 'id' row 1 is empty"),
        ("id,n\n1,1\n", ["--sequence", "who"], "'x.csv' has no column 'who'; it has: id, n"),
        ("id,n\n1,1\n", ["--order", "when"], "'x.csv' has no column 'when'"),
        ("id,n\n1,1\n", ["--order", "id", "--sequence", "id"], "--sequence and --order both name 'id'"),
        ("id,n\n1,1\n", ["--order", "id", "--columns", "n,id"], "--columns names 'id', which --order names too"),
        ("id,n\n1,1\n", ["--sequence", "id", "--gaps", "missing"], "name that column with --order"),
        ("id,n\n1,1\n", ["--order", "id", "--gaps", "x"], "gaps='x': choose one of 'error', 'missing', 'ignore'"),
        ("y,n\n2,1\n1,1.5\n", ["--order", "y", "--emission", "poisson"], "column 'n' row 1 is 1.5, expected a count 0, 1, 2"),
        ("y,n\n2,1\n1,-3\n", ["--order", "y", "--emission", "poisson"], "column 'n' row 1 is -3, expected a count"),
        ("y,n\n2,1\n1,0.5\n", ["--order", "y", "--emission", "categorical"], "column 'n' row 1 is 0.5, expected a category"),
        ("n\n1\n2\n", ["--emission", "bernoulli"], "column 'n' row 1 is 2, expected 0 or 1"),
        ("n\n1\n2\n", ["--emission", "spline"], "emission='spline': choose one of"),
        ("a,b,c\n1,0,0\n0,1,0\n0,0,1\n", ["--emission", "categorical"], "look one-hot encoded"),
        ("n,s\n1,x\n2,0\n", ["--labels", "s"], "column 's' is not of numbers (row 0 is 'x')"),
        ("n,s\n1,2\n2,0\n", ["--labels", "s"], "states row 0 is 2; they are numbered 0 to 0"),
        ("n\n1\n2\n", ["--set", "colour=1"], "hmm has no setting 'colour'"),
        ("n\n1\n2\n", ["--set", "n_states=2"], "hmm has no setting 'n_states'"),
        ("n\n1\n2\n", ["-k", 3], "n_states=3 is more than the 2 step(s)"),
        ("n\n1\n2\n", ["--fixed", '{"transmat": [[0.5]]}'], "transmat"),
    ],
)
def test_refused(emkit, tmp_path, content, options, expected, one_line):
    (tmp_path / "x.csv").write_text(content)
    line = one_line(emkit("fit", "x.csv", "--model", "hmm", "-k", 1, *options, "--quiet"))
    assert expected in line and "x.argmax" not in line


def test_what_each_model_lacks(emkit, quakes, one_line):
    assert "say how many states the hmm has, e.g. -k 3" in one_line(emkit("fit", "quakes.csv", "--model", "hmm"))
    words = ["fit", "quakes.csv", "-k", 2]
    line = one_line(emkit(*words, "--emission", "poisson", "--order", "year"))
    assert "gaussian-mixture has no setting 'emission', 'order' (--model hmm does)" in line
    assert "has no setting 'reg_covar' (--model gaussian-mixture does)" in one_line(
        emkit(*words, "--model", "hmm", "--set", "reg_covar=1")
    )
    assert "labels row 0 is 1900; they are numbered 0 to 1" in one_line(emkit(*words, "--labels", "year"))


def test_sequences_in_a_folder(emkit, one_line, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "walks"
    folder.mkdir()
    who = np.repeat(np.arange(30), 40)
    table = pa.table({"who": who, "x": rng.normal(4.0 * (np.arange(1200) // 20 % 2), 1.0), "y": rng.normal(size=1200)})
    for i in range(2):
        parquet.write_table(table.slice(610 * i, 610), folder / f"{i}.parquet")
    out = tmp_path / "model.safetensors"
    said = emkit("fit", folder, "--model", "hmm", "-k", 2, "--sequence", "who", "--columns", "x", "--out", out)
    assert said.exit_code == 0 and "1 columns, 1200 rows" in said.stdout.replace("1 column,", "1 columns,")
    assert "sequence" in one_line(emkit("fit", folder, "--model", "hmm", "-k", 2))
    assert "1200 rows written" in emkit("predict", out, folder, "--out", tmp_path / "labelled").stderr
