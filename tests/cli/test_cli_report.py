"""``emkit report``."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet


def test_a_page_of_a_fit_and_its_rows(emkit, data, model, tmp_path):
    said = emkit("report", model, data, "-o", "out.html", "--title", "Three <clusters>")
    assert said.exit_code == 0 and said.stdout == "" and "written to 'out.html'" in said.stderr
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<h1>Three &lt;clusters&gt;</h1>" in text and "Fitted to 300 rows of 2 columns: a, b." in text
    assert "1 cell of 600 is missing: a (0.33\u00a0%)." in text and "95 % intervals" in text


def test_weights_and_no_errors(emkit, data, tmp_path):
    fit = ["fit", data, "-k", 3, "--columns", "a,b", "--weights", "w", "--n-init", 1, "--seed", 0]
    assert emkit(*fit, "--out", "w.safetensors").exit_code == 0
    assert emkit("report", "w.safetensors", data, "--weights", "w", "--no-errors", "-q").stderr == ""
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "These are not just" not in text and "Standard errors were left out, as was asked." in text


@pytest.mark.parametrize(
    ("fit", "again"),
    [
        (["--model", "gaussian-hmm", "--columns", "a", "--labels", "known", "--set", "n_iter=5"], ["--labels", "known"]),
        (["--model", "regressions", "--columns", "a", "--target", "b", "--max-iter", 5], []),
    ],
)
def test_known_states_and_targets(emkit, tmp_path, fit, again):
    random = np.random.default_rng(0)
    rows = ["a,b,known", *(f"{a:.3f},{2 * a + b:.3f},{int(a > 0)}" for a, b in random.normal(size=(60, 2)))]
    (tmp_path / "d.csv").write_text("\n".join(rows) + "\n")
    said = emkit("fit", "d.csv", "-k", 2, "--n-init", 1, *fit, "--out", "m.safetensors")
    assert said.exit_code in (0, 3), said.output
    said = emkit("report", "m.safetensors", "d.csv", "--no-errors", "-o", "r.html", *again)
    assert said.exit_code == 0, said.output
    assert "These are not just" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_refusals(emkit, data, model, one_line, tmp_path):
    assert "call it .html" in one_line(emkit("report", model, data, "-o", "out.pdf"))
    assert "No such file" in one_line(emkit("report", model, data, "-o", "none/out.html"))
    (tmp_path / "folder.html").mkdir()
    assert "it is a folder" in one_line(emkit("report", model, data, "-o", "folder.html"))
    (tmp_path / "rows").mkdir()
    for command in ("report", "errors"):
        assert "the folder 'rows' holds no file" in one_line(emkit(command, model, "rows"))
    assert "'rows' is a folder, and this needs rows in memory" in one_line(emkit("select", "rows", "-k", "1:2"))
    assert "level" in one_line(emkit("report", model, data, "--level", 95))
    (tmp_path / "other.csv").write_text("p,q\n1,2\n3,4\n")
    assert "has no columns 'a', 'b'" in one_line(emkit("report", model, "other.csv"))
    assert "no such file" in one_line(emkit("report", model, "nothing.csv"))
    assert "no such file" in one_line(emkit("report", "nothing.safetensors", data))
    assert not (tmp_path / "report.html").exists()


def test_of_a_folder(emkit, tmp_path):
    (tmp_path / "rows").mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        parquet.write_table(pa.table({"a": rng.normal(size=200), "w": rng.random(200)}), tmp_path / "rows" / f"{i}.parquet")
    assert emkit("fit", "rows", "-k", "1", "--weights", "w", "--out", "f.safetensors").exit_code == 0
    assert emkit("report", "f.safetensors", "rows", "--weights", "w", "-o", "f.html").exit_code == 0
    assert "400 rows" in (tmp_path / "f.html").read_text(encoding="utf-8")
    found = json.loads(emkit("errors", "f.safetensors", "rows", "--weights", "w", "--json").stdout)["parameters"]
    assert 0.04 < found["means"]["std_error"][0][0] < 0.1
    refused = emkit("errors", "f.safetensors", "rows", "--labels", "w")
    assert refused.exit_code == 2 and "needs the rows in memory" in " ".join(refused.output.split())
