"""``predict``, ``forecast`` and ``inspect`` of a hidden Markov model."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import emkit as library


@pytest.fixture
def fitted(emkit, visits):
    """The model of ``visits``, as m.safetensors and loaded."""
    assert emkit(*visits.fit, "--out", "m.safetensors").exit_code == 0
    return library.load("m.safetensors")


def lines_of(result):
    assert result.exit_code == 0, result.stderr
    return [line.split(",") for line in result.stdout.splitlines()]


class TestPredict:
    def test_rows_keep_their_order_and_gain_states(self, emkit, visits, fitted):
        result = emkit("predict", "m.safetensors", "visits.csv")
        lines = lines_of(result)
        assert lines[0] == [*visits.table.column_names, "state", "p0", "p1"] and result.stderr == ""
        assert [line[0] for line in lines[1:]] == visits.table["id"].to_pylist()
        rows = visits.table.select(["id", "t", "n"])
        assert [int(line[-3]) for line in lines[1:]] == fitted.predict(rows).tolist()
        np.testing.assert_array_equal(np.array([line[-2:] for line in lines[1:]], dtype=float), fitted.predict_proba(rows))
        alone = fitted.set_params(sequence=None, order=None).predict(visits.series["007"])
        own = sorted((int(line[1]), int(line[-3])) for line in lines[1:] if line[0] == "007")
        assert [state for _, state in own] == alone.tolist()

    def test_json_and_files(self, emkit, visits, fitted, one_line):
        rows = [json.loads(line) for line in emkit("predict", "m.safetensors", "visits.csv", "--json").stdout.splitlines()]
        assert len(rows) == 60 and all(row["p0"] + row["p1"] == pytest.approx(1) for row in rows)
        assert "60 rows written" in emkit("predict", "m.safetensors", "visits.csv", "--out", "r.parquet").stderr
        assert parquet.read_table("r.parquet")["state"].to_pylist() == [row["state"] for row in rows]
        assert "give --out rows.jsonl" in one_line(emkit("predict", "m.safetensors", "visits.csv", "--json", "--out", "r.csv"))

    def test_name_clash(self, emkit, fitted, tmp_path, one_line):
        (tmp_path / "new.csv").write_text("state,n, id ,t\n?,3,a,1\n?,,a,2\n")
        assert "already has a column 'state'; give the added columns a prefix" in one_line(
            emkit("predict", "m.safetensors", "new.csv")
        )
        lines = lines_of(emkit("predict", "m.safetensors", "new.csv", "--prefix", "em_"))
        assert lines[0] == ["state", "n", " id ", "t", "em_state", "em_p0", "em_p1"] and lines[2][:4] == ["?", "", "a", "2"]

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("t,n\n1,3\n", "'new.csv' has no column 'id' that 'm.safetensors' tells sequences apart by; it has: t, n"),
            ("id,n\na,3\n", "'new.csv' has no column 't' that 'm.safetensors' puts steps in order by; it has: id, n"),
            ("id,t\na,1\n", "'new.csv' has no column 'n' that 'm.safetensors' was fitted to"),
            ("id,t,n\na,1,3\na,1,4\n", "sequence 'a' has t = 1 twice"),
            ("id,t,n\nb,1,3\na,1,3\na,4,4\n", "sequence 'a' jumps from t = 1 to 4"),
            ("id,t,n\na,1,3\n,2,4\n", "column 'id' row 1 is empty"),
            ("id,t,n\na,2,3\na,1,0.5\n", "column 'n' row 1 is 0.5, expected a count"),
            ("id,t,n\na,2,3\na,1,x\n", "column 'n' is not of numbers (row 1 is 'x')"),
            ("id,t,n\n", "found 0 row(s)"),
        ],
    )
    def test_refused(self, emkit, fitted, tmp_path, content, expected, one_line):
        (tmp_path / "new.csv").write_text(content)
        for command in ("predict", "forecast"):
            assert expected in one_line(emkit(command, "m.safetensors", "new.csv"))

    def test_gaps_of_new_data(self, emkit, fitted, tmp_path, one_line):
        (tmp_path / "new.csv").write_text("id,t,n\na,1,3\na,4,14\n")
        missing, ignored = (lines_of(emkit("predict", "m.safetensors", "new.csv", "--gaps", g)) for g in ("missing", "ignore"))
        assert len(missing) == len(ignored) == 3 and missing[1] != ignored[1]
        assert "choose one of 'error'" in one_line(emkit("predict", "m.safetensors", "new.csv", "--gaps", "x"))

    def test_an_impossible_sequence_is_named_by_its_key(self, emkit, tmp_path, one_line):
        (tmp_path / "old.csv").write_text("id,s\nu,0\nu,1\nu,0\nv,2\nv,2\n")
        fixed = '{"probs": [[0.5, 0.5, 0], [0, 0, 1]], "transmat": [[1, 0], [0, 1]]}'
        words = ["--emission", "categorical", "-k", 2, "--sequence", "id", "--fixed", fixed, "--out", "m.safetensors"]
        assert emkit("fit", "old.csv", "--model", "hmm", *words).exit_code == 0
        (tmp_path / "new.csv").write_text("id,s\nu,0\nw,2\nu,1\nw,0\n")
        for command in ("predict", "forecast"):
            assert "sequence 'w' has probability zero under the model" in one_line(emkit(command, "m.safetensors", "new.csv"))
        (tmp_path / "new.csv").write_text("id,s\nu,0\nw,7\n")
        assert "column 's' row 1 holds the symbol 7, but n_categories=3 allows 0 to 2" in one_line(
            emkit("predict", "m.safetensors", "new.csv")
        )


class TestForecast:
    def test_each_sequence_and_step(self, emkit, visits, fitted):
        result = emkit("forecast", "m.safetensors", "visits.csv", "--horizon", 4)
        lines = lines_of(result)
        assert lines[0] == ["id", "t", "step", "p0", "p1", "mean_n", "sd_n"] and result.stderr == ""
        assert [line[0] for line in lines[1:]] == [key for key in visits.first for _ in range(4)]
        fitted.set_params(sequence=None, order=None)
        for i, key in enumerate(visits.first):
            rows = np.array([line[1:] for line in lines[1 + 4 * i : 5 + 4 * i]], dtype=float)
            expected = fitted.forecast(visits.series[key], 4)
            np.testing.assert_array_equal(rows[:, 0], len(visits.series[key]) + np.arange(4))  # the order column goes on
            np.testing.assert_array_equal(rows[:, 1], [1, 2, 3, 4])
            np.testing.assert_allclose(rows[:, 2:4], expected.states, rtol=1e-12)
            np.testing.assert_allclose(rows[:, 4:], np.column_stack([expected.mean, expected.sd]), rtol=1e-12)

    def test_earthquakes(self, emkit, quakes):
        words = ["--emission", "poisson", "-k", 2, "--order", "year", "--n-init", 1, "--out", "m.safetensors"]
        assert emkit("fit", "quakes.csv", "--model", "hmm", *words).exit_code == 0
        rows = [
            json.loads(x) for x in emkit("forecast", "m.safetensors", "quakes.csv", "--horizon", 400, "--json").stdout.splitlines()
        ]
        assert [row["year"] for row in rows] == list(range(2007, 2407)) and "survival" not in rows[0]
        model = library.load("m.safetensors")
        stationary = model.stationary_
        assert [rows[-1]["p0"], rows[-1]["p1"]] == pytest.approx(stationary.tolist())
        assert rows[-1]["mean_count"] == pytest.approx(float(stationary @ model.rates_[:, 0]))

    def test_an_end_state_gives_survival(self, emkit, visits):
        assert emkit(*visits.fit, "--set", "end=true", "--out", "m.safetensors").exit_code == 0
        lines = lines_of(emkit("forecast", "m.safetensors", "visits.csv", "--horizon", 3))
        assert lines[0][3] == "survival"
        survival = np.array([line[3] for line in lines[1:]], dtype=float).reshape(3, 3)
        assert (survival < 1).all() and (np.diff(survival, axis=1) < 0).all()

    def test_after_a_certain_end_there_is_nothing(self, emkit, tmp_path):
        (tmp_path / "x.csv").write_text("id,n\na,0\na,9\nb,1\nb,8\n")
        given = ["transmat_init=[[0,1],[0,0]]", "endprob_init=[0,1]", "startprob_init=[1,0]", "rates_init=[[1],[9]]", "end=true"]
        words = ["--emission", "poisson", "-k", 2, "--sequence", "id", *(w for g in given for w in ("--set", g))]
        assert emkit("fit", "x.csv", "--model", "hmm", *words, "--out", "m.safetensors").exit_code == 0
        rows = [json.loads(line) for line in emkit("forecast", "m.safetensors", "x.csv", "--json").stdout.splitlines()]
        assert rows[0] == {"id": "a", "step": 1, "survival": 0.0, "p0": None, "p1": None, "mean_n": None, "sd_n": None}

    def test_keys_keep_their_type_outside_text(self, emkit, fitted, tmp_path):
        parquet.write_table(pa.table({"id": [5, 5, 3], "t": [2, 1, 1], "n": [1, 2, 15]}), tmp_path / "new.parquet")
        assert emkit("forecast", "m.safetensors", "new.parquet", "--out", "f.parquet", "--quiet").stderr == ""
        found = parquet.read_table("f.parquet")
        assert found["id"].to_pylist() == [5, 3] and found["t"].to_pylist() == [3, 2]
        (tmp_path / "new.csv").write_text("id,t,n\n05,2,1\n05,1,2\n")
        assert lines_of(emkit("forecast", "m.safetensors", "new.csv"))[1][:2] == ["05", "3"]
        assert json.loads(emkit("forecast", "m.safetensors", "new.csv", "--json").stdout)["id"] == 5

    def test_refused(self, emkit, fitted, model, tmp_path, one_line):
        assert "takes rows as independent" in one_line(emkit("forecast", model, "d.csv"))
        assert "--horizon" in one_line(emkit("forecast", model, "d.csv", "--horizon", 0))
        assert "rows are written as .csv" in one_line(emkit("forecast", model, "d.csv", "--out", "x.xlsx"))
        assert "was fitted without one" in one_line(emkit("predict", model, "d.csv", "--gaps", "ignore"))

    def test_name_clash(self, emkit, tmp_path, one_line):
        (tmp_path / "x.csv").write_text("step,n\n1,3\n1,4\n2,3\n")
        words = ["--emission", "poisson", "-k", 1, "--sequence", "step", "--out", "m.safetensors"]
        assert emkit("fit", "x.csv", "--model", "hmm", *words).exit_code == 0
        assert "already has a column 'step'" in one_line(emkit("forecast", "m.safetensors", "x.csv"))
        assert lines_of(emkit("forecast", "m.safetensors", "x.csv", "--prefix", "f_"))[0][:2] == ["step", "f_step"]


def test_inspect(emkit, fitted):
    text = emkit("inspect", "m.safetensors").stdout
    for part in (
        "hmm in 'm.safetensors'",
        "columns: n\n",
        "sequence='id'",
        "order='t'",
        "startprob, shape (2,)",
        "rates, shape (2, 1)",
    ):
        assert part in text
    held = json.loads(emkit("inspect", "m.safetensors", "--json").stdout)
    assert held["parameters"]["transmat"] == fitted.transmat_.tolist() and held["aic"] == fitted.aic()


def test_models_of_the_other_estimators(emkit, tmp_path):
    x = np.random.default_rng(0).poisson(4, (30, 1)).astype(float)
    model = library.PoissonHMM(2, random_state=0, n_iter=5, tol=0).fit(x)
    model.save(tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", x)
    rows = [json.loads(line) for line in emkit("predict", "m.safetensors", "x.npy", "--json").stdout.splitlines()]
    assert [row["state"] for row in rows] == model.predict(x).tolist()
    assert lines_of(emkit("forecast", "m.safetensors", "x.npy"))[0] == ["step", "p0", "p1", "mean_x0", "sd_x0"]
    assert json.loads(emkit("inspect", "m.safetensors", "--json").stdout)["estimator"] == "PoissonHMM"


class TestFolders:
    """Sequences in files, which go on from one to the next."""

    @pytest.fixture
    def walks(self, tmp_path):
        """Six sequences in the files of the folder walks, told apart by id and, in other words, by name; and as a table."""
        rng = np.random.default_rng(0)
        who = np.repeat(np.arange(6), [40, 3, 60, 1, 25, 11])
        names = np.array(["ann", "bob", "cy", "di", "ed", "flo"])[who]
        table = pa.table({"id": who, "v": rng.normal(4.0 * (np.arange(len(who)) // 8 % 2), 1.0), "name": names})
        (tmp_path / "walks").mkdir()
        for i, begin in enumerate(range(0, len(who), 47)):
            parquet.write_table(table.slice(begin, 47), tmp_path / "walks" / f"{i}.parquet", row_group_size=20)
        return table

    def result(self, folder):
        return pa.concat_tables(parquet.read_table(path) for path in sorted(folder.iterdir()))

    def test_a_folder_becomes_a_folder(self, emkit, walks, tmp_path):
        words = ("--model", "hmm", "-k", 2, "--sequence", "id", "--columns", "v", "--n-init", 1, "--out", "m.safetensors")
        assert emkit("fit", "walks", *words).exit_code == 0
        said = emkit("predict", "m.safetensors", "walks", "--out", "out")
        assert said.exit_code == 0 and "140 rows written to the folder 'out'" in said.stderr, said.stderr
        model = library.load("m.safetensors")
        for sequence in ("id", "name"):
            more = ("--sequence", sequence, "--prefix", f"{sequence}_")
            assert emkit("predict", "m.safetensors", "walks/*.parquet", "--out", f"by-{sequence}", *more).exit_code == 0
            assert self.result(tmp_path / f"by-{sequence}")[f"{sequence}_state"].equals(self.result(tmp_path / "out")["state"])
        found = model.table(walks.select(["id", "v"]))
        np.testing.assert_array_equal(self.result(tmp_path / "out")["state"], found["state"])
        np.testing.assert_allclose(self.result(tmp_path / "out")["p1"], found["p1"], atol=1e-12)

    def test_a_model_that_knows_no_sequences_is_told_them(self, emkit, walks, tmp_path, one_line):
        x, lengths = walks["v"].to_numpy()[:, None], np.unique(walks["id"], return_counts=True)[1]
        model = library.HMM(2, n_init=1, random_state=0).fit(x, lengths=lengths)
        model.save("m.safetensors")
        parquet.write_table(walks, "walks.parquet")
        assert "set sequence=" in one_line(emkit("predict", "m.safetensors", "walks", "--out", "out"))
        assert "has 2 beside 'id'" in one_line(emkit("predict", "m.safetensors", "walks.parquet", "--sequence", "id"))
        for path in [tmp_path / "walks.parquet", *(tmp_path / "walks").iterdir()]:
            parquet.write_table(parquet.read_table(path).select(["id", "v"]), path)
        (tmp_path / "one").mkdir()
        for data, out in (("walks", "out"), ("walks.parquet", "one/rows.parquet")):
            said = emkit("predict", "m.safetensors", data, "--out", out, "--sequence", "id")
            assert said.exit_code == 0, said.stderr
        for folder in ("out", "one"):
            np.testing.assert_array_equal(self.result(tmp_path / folder)["state"], model.predict(x, lengths))

    def test_refusals(self, emkit, walks, visits, model, one_line):
        assert "rows are independent" in one_line(emkit("predict", model, "d.csv", "--sequence", "name"))
        assert emkit(*visits.fit, "--out", "m.safetensors").exit_code == 0
        assert "puts steps in order" in one_line(emkit("predict", "m.safetensors", "visits.csv", "--sequence", "t"))
        assert "order= beside a stream" in one_line(emkit("predict", "m.safetensors", "walks", "--out", "out"))
        assert "give --out a folder" in one_line(emkit("predict", "m.safetensors", "walks"))
