import json

import numpy as np
import pytest
from PIL import Image

from emkit.demo.problem import PRINTED_MEANS, document_formula, draw_values


def test_numbers_and_picture(emkit, tmp_path):
    result = emkit("demo")
    assert result.exit_code == 0 and "picture written to 'emkit-demo.png'" in result.stderr
    assert all(repr(value) in result.stdout for value in PRINTED_MEANS) and "Bayes' rule" in result.stdout
    assert sum(line.split()[:1] == [str(i)] for i in range(21) for line in result.stdout.splitlines()) == 21
    with Image.open(tmp_path / "emkit-demo.png") as picture:
        picture.load()
        assert picture.format == "PNG" and picture.width > 1000
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50  # drawn upon, not blank


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ours_is_within_sampling_error_and_the_document_s_formula_is_not(emkit, seed):
    result = emkit("demo", "--seed", seed, "--json", "--quiet", "--out", "x.png")
    assert result.stderr == ""
    found = json.loads(result.stdout)
    # The sd of a mean of 1,000 values of sd 2 is 0.063; a little more since which values are whose is not known.
    assert max(found["emkit"]["error"]) < 4 * 0.07
    assert np.mean(found["document_formula"]["error"]) > 2 * np.mean(found["emkit"]["error"])
    assert np.all(np.diff(found["emkit"]["log_likelihood"]) >= -1e-8)
    assert found["emkit"]["trace"][0] == [0, 1] and len(found["emkit"]["trace"]) == 21


def test_the_formula_and_the_values_are_the_document_s():
    """Its cells, as they stand in the document, after a seed."""
    np.random.seed(5)  # noqa: NPY002 - the document's generator
    gauss = {"1": [1, 2], "2": [9, 2]}
    values = []
    for _ in range(2000):
        choice = np.random.choice(np.arange(1, 3), p=[0.5, 0.5])  # noqa: NPY002
        values.append(np.random.normal(gauss[str(choice)][0], gauss[str(choice)][1], 1)[0])  # noqa: NPY002
    np.testing.assert_array_equal(draw_values(5), values)
    h, sigma, data = [0, 1], 2, np.array(values)[:200]
    probs = np.zeros((200, 2))
    for _ in range(3):
        for i in range(len(data)):
            for j in range(2):
                nom = np.exp(-1 / 2 * sigma**2) * (data[i] - h[j]) ** 2
                denom = 0
                for n in range(2):
                    denom += np.exp(-1 / 2 * sigma**2) * (data[i] - h[n]) ** 2
                probs[i][j] = nom / denom
        for js in range(2):
            h[js] = np.sum(probs[:, js] * data) / np.sum(probs[:, js])
    np.testing.assert_allclose(document_formula(data, 3)[-1], h, rtol=1e-12)


def test_a_failed_picture_leaves_the_old_one(emkit, tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"old")

    def full(run, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emkit.demo.figure.draw_demo", full)
    result = emkit("demo", "--out", "x.png", "--iterations", 1)
    assert result.exit_code == 2 and "cannot write 'x.png': No space left on device" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"] and (tmp_path / "x.png").read_bytes() == b"old"


def test_a_moving_picture(emkit, tmp_path):
    result = emkit("demo", "--animate", "x.gif", "--iterations", 1, "--json")
    assert result.exit_code == 0 and "moving picture written to 'x.gif'" in result.stderr
    assert json.loads(result.stdout)["animation"] == "x.gif"
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.format == "GIF" and picture.n_frames > 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["emkit-demo.png", "x.gif"]


def test_what_cannot_be_a_moving_picture_is_refused_before_any_work(emkit, tmp_path, monkeypatch):
    result = emkit("demo", "--animate", "x.avi")
    assert result.exit_code == 2 and "moving pictures are written as .gif and .mp4, not as '.avi'" in result.stderr
    monkeypatch.setattr("emkit.demo.animation.can_write", lambda kind: False)
    result = emkit("demo", "--animate", "x.mp4")
    assert result.exit_code == 2 and "needs ffmpeg" in result.stderr
    monkeypatch.undo()
    result = emkit("demo", "--animate", "no/x.gif")
    assert result.exit_code == 2 and "cannot write 'no/x.gif'" in result.stderr
    assert not list(tmp_path.iterdir())
