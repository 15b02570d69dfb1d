"""Mixtures over tables of any kind on the command line: --types, what was inferred, unseen levels, impute."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import emkit as library


@pytest.fixture
def people(tmp_path):
    """Two kinds of people as people.csv, with an identifier that no model needs and some empty cells."""
    rng = np.random.default_rng(0)
    n = 200
    kind = rng.integers(2, size=n)
    columns = {
        "id": [f"{i:03d}" for i in range(n)],
        "age": rng.normal(np.array([30.0, 60.0])[kind], 5.0).round(1).tolist(),
        "visits": rng.poisson(np.array([1.0, 8.0])[kind]).tolist(),
        "region": np.where(rng.random(n) < np.array([0.9, 0.2])[kind], "north", "south").tolist(),
        "smokes": (rng.random(n) < np.array([0.1, 0.8])[kind]).tolist(),
    }
    for row, name in ((3, "age"), (4, "visits"), (5, "region"), (6, "smokes"), (7, "age"), (7, "visits")):
        columns[name][row] = None
    table = pa.table(columns)
    csv.write_csv(table, tmp_path / "people.csv")
    return table


FIT = ("fit", "people.csv", "--model", "mixture", "-k", 2, "--columns", "age,visits,region,smokes")


@pytest.fixture
def model(emkit, people):
    result = emkit(*FIT, "--out", "m.safetensors")
    assert result.exit_code == 0, result.stderr
    return "m.safetensors"


# --- fit --------------------------------------------------------------------------------------------------------------


def test_what_was_inferred_is_said(emkit, people):
    result = emkit(*FIT)
    assert result.exit_code == 0
    expected = "types: age gaussian, visits poisson, region categorical, smokes bernoulli (inferred; --types says otherwise)"
    assert f"emkit: {expected}" in result.stderr
    assert "table (1 diag Gaussian, 1 poisson, 1 categorical, 1 bernoulli)" in result.stdout
    assert "what sets each apart" in result.stdout
    assert "types:" not in emkit(*FIT, "--quiet").stderr
    assert "types:" not in emkit("fit", "people.csv", "-k", 2, "--columns", "age").stderr


def test_types_are_taken(emkit, people):
    result = emkit(*FIT, "--types", "visits=gaussian, region=categorical", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["families"] == {"age": "gaussian", "visits": "gaussian", "region": "categorical", "smokes": "bernoulli"}
    assert "visits_means" in found["parameters"] and "2 of them inferred" in result.stderr
    every = "age=gaussian,visits=poisson,region=categorical,smokes=bernoulli"
    result = emkit(*FIT, "--types", every)
    assert result.exit_code == 0 and "types:" not in result.stderr
    by_hand = library.Mixture(2, dict(pair.split("=") for pair in every.split(",")), random_state=0)
    assert by_hand.fit(people.drop_columns("id")).summary() in result.stdout


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("agee=gaussian", "'people.csv' has no column 'agee' among those to fit; it has: age, visits, region, smokes"),
        ("id=categorical", "has no column 'id' among those to fit"),
        ("age=poison", "--types gives column 'age' the family 'poison'; choose one of: gaussian, categorical, bernoulli, poisson"),
        ("age=gaussian,age=poisson", "--types gives column 'age' a family twice, gaussian and poisson"),
        ("age", "--types 'age': write COLUMN=FAMILY"),
        ("age=", "--types 'age=': write COLUMN=FAMILY"),
        ("", "--types is empty"),
        ("age=poisson", "column 'age' row 0 is"),
        ("region=poisson", "column 'region' row 0 is the text"),
    ],
)
def test_types_refused(emkit, people, one_line, types, message):
    assert message in one_line(emkit(*FIT, "--types", types, "--quiet"))


def test_types_are_for_mixtures(emkit, people, one_line):
    line = one_line(emkit("fit", "people.csv", "-k", 2, "--types", "age=gaussian"))
    assert "gaussian-mixture has no setting 'family' (--model mixture does)" in line
    line = one_line(emkit(*FIT, "--types", "age=gaussian", "--set", "family=poisson"))
    assert "--types and --set family=... both give families" in line


def test_names_with_commas_and_equals_signs(emkit, tmp_path):
    (tmp_path / "d.csv").write_text('"a, b",c=d\n' + "".join(f"{i % 3},{i % 5}\n" for i in range(60)))
    result = emkit("fit", "d.csv", "--model", "mixture", "-k", 1, "--types", '"a, b=categorical",c=d=poisson', "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["families"] == {"a, b": "categorical", "c=d": "poisson"}


def test_inspect_shows_each_column_s_family(emkit, model):
    result = emkit("inspect", model)
    assert "columns: age gaussian, visits poisson, region categorical (north, south), smokes bernoulli" in result.stdout
    found = json.loads(emkit("inspect", model, "--json").stdout)
    assert found["families"] == {"age": "gaussian", "visits": "poisson", "region": "categorical", "smokes": "bernoulli"}


# --- new rows ---------------------------------------------------------------------------------------------------------


def test_unseen_levels(emkit, model, tmp_path, one_line):
    (tmp_path / "new.csv").write_text("age,visits,region,smokes\n30,1,north,false\n60,8,east,true\n")
    line = one_line(emkit("predict", model, "new.csv"))
    assert "column 'region' row 1 is 'east', a level that was not there in the fit (it had 'north', 'south')" in line
    assert line.endswith("(here: --unseen)")
    result = emkit("predict", model, "new.csv", "--unseen", "missing")
    assert result.exit_code == 0
    assert [row.split(",")[4] for row in result.stdout.splitlines()[1:]] == ["0", "1"]
    filled = emkit("impute", model, "new.csv", "--unseen", "missing")
    assert filled.stdout.splitlines()[2] == "60,8,east,true"
    assert "a level that was not there" in one_line(emkit("impute", model, "new.csv"))


# --- impute -----------------------------------------------------------------------------------------------------------


def test_missing_cells_are_filled_in_and_the_rest_stays_as_written(emkit, model, people, tmp_path):
    result = emkit("impute", model, "people.csv")
    assert result.exit_code == 0 and "6 missing cells filled in" in result.stderr
    before, after = (text.splitlines() for text in ((tmp_path / "people.csv").read_text(), result.stdout))
    assert after[0] == before[0].replace('"', "") and len(after) == 201
    rows = [line.split(",") for line in after[1:]]
    assert rows[0] == before[1].replace('"', "").split(",")
    filled = library.load(model).impute(people.drop_columns("id"))
    assert float(rows[3][1]) == filled["age"][3].as_py() and float(rows[4][2]) == filled["visits"][4].as_py()
    assert rows[5][3] == filled["region"][5].as_py() and rows[6][4] == str(filled["smokes"][6].as_py()).lower()


def test_written_forms_are_kept(emkit, model, tmp_path):
    text = 'id;age;visits;region;smokes\n"007";30,50;NA;north;true\n8;;8;;\n'
    (tmp_path / "new.csv").write_text(text)
    lines = emkit("impute", model, "new.csv").stdout.splitlines()
    assert lines[1].startswith("007,30.50,") and lines[1].endswith(",north,true")
    assert "" not in lines[2].split(",") and "NA" not in lines[1]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_draws_stand_below_one_another(emkit, model, people, suffix, tmp_path):
    result = emkit("impute", model, "people.csv", "--draws", 3, "--seed", 5, "--out", f"rows.{suffix}")
    assert result.exit_code == 0, result.stderr
    assert "6 missing cells filled in, 3 times" in result.stderr and f"600 rows written to 'rows.{suffix}'" in result.stderr
    path = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        rows = pa.Table.from_pylist([json.loads(line) for line in path.read_text().splitlines()])
    else:
        rows = csv.read_csv(path) if suffix == "csv" else parquet.read_table(path)
    assert rows.column_names == [*people.column_names, "draw"]
    assert rows["draw"].to_pylist() == [1] * 200 + [2] * 200 + [3] * 200
    assert all(rows[name].null_count == 0 for name in rows.column_names)
    assert pa.types.is_integer(rows["visits"].type)
    fitted = library.load(model).set_params(random_state=5)
    for i, draw in enumerate(fitted.impute(people.drop_columns("id"), n_draws=3)):
        assert rows["visits"].to_pylist()[200 * i : 200 * (i + 1)] == draw["visits"].to_pylist()
    again = emkit("impute", model, "people.csv", "--draws", 3, "--seed", 5)
    assert again.stdout == emkit("impute", model, "people.csv", "--draws", 3, "--seed", 5).stdout


def test_a_column_draw_that_is_there_already(emkit, model, tmp_path, one_line):
    (tmp_path / "new.csv").write_text("age,visits,region,smokes,draw\n30,1,north,,4\n")
    assert "already has a column 'draw'" in one_line(emkit("impute", model, "new.csv", "--draws", 2))
    assert emkit("impute", model, "new.csv", "--draws", 2, "--prefix", "em_").stdout.splitlines()[0].endswith("draw,em_draw")
    assert emkit("impute", model, "new.csv").stdout.splitlines()[1].endswith(",4")


def test_impute_refuses(emkit, model, tmp_path, one_line):
    (tmp_path / "new.csv").write_text("age,visits,region\n30,1,north\n")
    assert "has no column 'smokes' that 'm.safetensors' was fitted to" in one_line(emkit("impute", model, "new.csv"))
    assert "give --out rows.jsonl" in one_line(emkit("impute", model, "people.csv", "--json", "--out", "x.csv"))
    assert emkit("impute", model, "people.csv", "--draws", 0).exit_code == 2


def test_a_model_without_names(emkit, tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 2))
    x[3, 1] = np.nan
    library.GaussianMixture(1).fit(x).save("m.safetensors")
    np.save(tmp_path / "x.npy", x)
    result = emkit("impute", "m.safetensors", "x.npy", "--out", "out.parquet")
    assert result.exit_code == 0, result.stderr
    out = parquet.read_table("out.parquet")
    assert np.isfinite(out["x1"].to_numpy()).all() and out["x0"].to_numpy().tolist() == x[:, 0].tolist()


def test_an_hmm_keeps_its_keys(emkit, visits, tmp_path):
    assert emkit(*visits.fit, "--out", "m.safetensors").exit_code == 0
    lines = (tmp_path / "visits.csv").read_text().splitlines()
    head = lines[0].replace('"', "").split(",")
    cells = lines[5].split(",")
    cells[head.index("n")] = ""
    lines[5] = ",".join(cells)
    (tmp_path / "holes.csv").write_text("\n".join(lines) + "\n")
    result = emkit("impute", "m.safetensors", "holes.csv")
    assert result.exit_code == 0, result.stderr
    out = [line.split(",") for line in result.stdout.splitlines()]
    assert out[1] == lines[1].replace('"', "").split(",") and out[5][head.index("n")] != ""
    assert "1 missing cell filled in" in result.stderr
