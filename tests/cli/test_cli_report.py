"""``emkit report``."""

import numpy as np
import pytest


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
        assert "'rows' is a folder, and this needs rows in memory" in one_line(emkit(command, model, "rows"))
    assert "level" in one_line(emkit("report", model, data, "--level", 95))
    (tmp_path / "other.csv").write_text("p,q\n1,2\n3,4\n")
    assert "has no columns 'a', 'b'" in one_line(emkit("report", model, "other.csv"))
    assert "no such file" in one_line(emkit("report", model, "nothing.csv"))
    assert "no such file" in one_line(emkit("report", "nothing.safetensors", data))
    assert not (tmp_path / "report.html").exists()
