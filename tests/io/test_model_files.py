"""Model files: the same bits come back, and whatever is not a good file is refused in words."""

import errno
import json
import os
import pickletools
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.exceptions import NotFittedError

import emkit
from emkit import Checkpoint, GaussianMixture, ModelFileError, NormalInverseWishart

TYPES = ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"]
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(80, 2)), RNG.normal((6.0, 3.0), 1.0, (40, 2))])


def fitted(**settings):
    return GaussianMixture(2, **{"random_state": 0, "n_init": 3, **settings}).fit(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def good(path):
    """The bytes of a good file."""
    fitted().save(path)
    return path.read_bytes()


def assert_same(loaded, gm, x=X):
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        one, other = getattr(loaded, name), getattr(gm, name)
        np.testing.assert_array_equal(one, other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
    np.testing.assert_array_equal(loaded.predict_proba(x), gm.predict_proba(x))
    np.testing.assert_array_equal(loaded.score_samples(x), gm.score_samples(x))
    assert loaded.score(x) == gm.score(x)
    assert loaded.bic() == gm.bic()
    assert loaded.summary() == gm.summary()
    for name in (
        "log_likelihood",
        "log_prior",
        "n_iter",
        "reason",
        "trace",
        "remaining",
        "n_rows",
        "total_weight",
        "n_free",
    ):
        np.testing.assert_equal(getattr(loaded.result_, name), getattr(gm.result_, name))
    assert str(loaded.result_.starts) == str(gm.result_.starts)  # as text, where NaN equals NaN


# --- there and back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_same_bits_come_back(path, covariance_type):
    gm = fitted(covariance_type=covariance_type)
    gm.save(path)
    assert_same(emkit.load(path), gm)


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": None},
        {"prior": NormalInverseWishart(5.0, [1.0, 2.0], mean=[0.0, 1.0], mean_mass=0.5)},
        {"weights_prior": 2.0, "reg_covar": 1e-3},
        {"weights_prior": emkit.Dirichlet([2.0, 3.0])},
        {"fixed": {"weights": [0.25, 0.75], "covariances": 1.5}},
        {"means_init": np.array([[0, 0], [6, 3]]), "covariances_init": np.stack([np.eye(2)] * 2), "weights_init": (0.5, 0.5)},
        {"means_init": pd.DataFrame([[0, 0], [6, 3]])},
        {"random_state": np.random.default_rng(3), "monitors": [emkit.Trace()], "n_jobs": 1},
        {"tol": np.float64(1e-4), "max_iter": np.int64(200)},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_settings_survive(path, settings):
    gm = fitted(**settings)
    gm.save(path)
    loaded = emkit.load(path)
    assert_same(loaded, gm)
    if "random_state" not in settings:  # generators and monitors are of the process, not of the model
        again, original = loaded.fit(X), fitted(**settings)
        np.testing.assert_array_equal(again.means_, original.means_)


def test_column_names_and_missing_cells_survive(path):
    frame = pd.DataFrame(X, columns=["height", "größe"])
    frame.iloc[::7, 1] = np.nan
    gm = GaussianMixture(2, random_state=0).fit(frame)
    gm.save(path)
    loaded = emkit.load(path)
    assert loaded.feature_names_in_.tolist() == ["height", "größe"]
    assert_same(loaded, gm, frame)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"height": "weight"}))


def test_a_loaded_model_can_be_saved_again(path, tmp_path):
    gm = fitted()
    gm.save(path)
    emkit.load(path).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_saving_replaces_and_leaves_nothing_else(path):
    fitted(covariance_type="diag").save(path)
    gm = fitted()
    gm.save(str(path))  # a string will do
    assert_same(emkit.load(str(path)), gm)
    assert os.listdir(path.parent) == [path.name]


def test_a_model_loads_and_predicts_without_numba(path):
    """A server that only predicts a few rows pays neither for compiled code nor for data frames."""
    fitted().save(path)
    code = (
        "import sys, numpy as np, emkit\n"
        "gm = emkit.load(sys.argv[1])\n"
        "print(gm.predict(np.array([[0.0, 0.0], [6.0, 3.0]])).tolist())\n"
        "print(sorted({'numba', 'llvmlite', 'polars', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60)
    labels, heavy = done.stdout.splitlines()
    assert json.loads(labels) == fitted().predict([[0.0, 0.0], [6.0, 3.0]]).tolist()
    assert heavy == "[]"


def test_the_file_is_arrays_and_json_and_no_pickle(good, path):
    arrays = load_file(path)  # any safetensors reader can have the numbers
    np.testing.assert_array_equal(arrays["params.components.means"], fitted().means_)
    header = json.loads(good[8 : 8 + int.from_bytes(good[:8], "little")])
    description = json.loads(header["__metadata__"]["emkit"])
    assert description["estimator"] == "GaussianMixture"
    assert description["schema_version"] == 2
    for start in range(len(good)):  # a pickle begins with the PROTO opcode and runs to STOP
        if good[start : start + 1] == b"\x80":
            with pytest.raises(Exception):  # noqa: B017 - whatever pickletools says of bytes that are none
                list(pickletools.genops(good[start:]))


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_are_those_of_any_new_file(path):
    old = os.umask(0o027)
    try:
        fitted().save(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# --- what is not a good file ----------------------------------------------------------------------------------------------


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError, match=r"no such file.*model\.safetensors"):
        emkit.load(path)


def test_a_folder(tmp_path):
    with pytest.raises(ModelFileError, match="is a folder"):
        emkit.load(tmp_path)
    with pytest.raises(OSError, match=r"(?i)directory"):
        fitted().save(tmp_path)


@pytest.mark.parametrize("kept", ["nothing", "one byte", "the length", "half the header", "the header", "all but one byte"])
def test_a_file_cut_short(path, good, kept):
    header = 8 + int.from_bytes(good[:8], "little")
    sizes = {"nothing": 0, "one byte": 1, "the length": 8, "half the header": header // 2, "the header": header}
    path.write_bytes(good[: sizes.get(kept, len(good) - 1)])
    with pytest.raises(ModelFileError, match="damaged, cut short, or something else"):
        emkit.load(path)


def test_a_file_cut_short_anywhere(path, good):
    for size in range(0, len(good), 37):
        path.write_bytes(good[:size])
        with pytest.raises(ModelFileError):
            emkit.load(path)


def test_a_single_flipped_bit_is_noticed_wherever_it_is(path, good):
    """In a number as well: a model that is silently another one would be worse than no model."""
    rng = np.random.default_rng(0)
    for position in rng.choice(len(good), 400, replace=False):
        damaged = bytearray(good)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(ModelFileError):
            emkit.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n" * 50, bytes(range(256)) * 20, b"\xff" * 100, b"{}", b"\x02\0\0\0\0\0\0\0{}"]
)
def test_something_else_altogether(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        emkit.load(path)


def test_somebody_elses_safetensors_file(path):
    save_file({"layer.weight": np.ones((3, 3))}, path, {"format": "pt"})
    with pytest.raises(ModelFileError, match=r"is a \.safetensors file, but not one that emkit wrote"):
        emkit.load(path)


def rewrite(path, change):
    """The file with its description changed as an emkit of another version might have written it, checksum included."""
    from emkit.io.container import write

    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    description = json.loads(header["__metadata__"]["emkit"])
    change(description)
    write(path, description, load_file(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=99), "schema version 99, this emkit reads up to 2; upgrade emkit"),
        (lambda d: d.update(schema_version="new"), "description is damaged"),
        (lambda d: d.update(kind="checkpoint"), "holds a 'checkpoint', not a model"),
        (lambda d: d.update(estimator="GaussianCopula"), "'GaussianCopula', which is not part of this emkit"),
        (lambda d: d.update(schema_version=1), "schema version 1, which emkit wrote before its first release.*fit again"),
        (
            lambda d: d["model"].update(type="emkit.models.forest:Forest"),
            r"class 'Forest' of 'emkit.models.forest'.*load\(path, classes",
        ),
        (lambda d: d["model"]["has"]["family"].update(type="os:system"), "class 'system' of 'os', which is not part of this emkit"),
        (lambda d: d["model"].update(has={"n_components": 3, "kind": "x"}), "does not make sense"),
        (lambda d: d.pop("result"), "does not make sense.*result"),
        (lambda d: d["result"].update(reason="TIRED"), "does not make sense.*TIRED"),
        (lambda d: d["settings"].update(n_clusters=3), "settings do not make sense.*n_clusters"),
        (lambda d: d.update(settings=3), "does not make sense"),
    ],
)
def test_a_description_that_this_version_cannot_read(path, good, change, message):
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message):
        emkit.load(path)


def test_a_checkpoint_is_not_a_model(path):
    GaussianMixture(2, n_init=1, random_state=0, checkpoint=Checkpoint(path, every=1)).fit(X)
    assert path.exists()
    with pytest.raises(ModelFileError, match="holds a 'checkpoint', not a model"):
        emkit.load(path)


# --- when saving fails ----------------------------------------------------------------------------------------------------


def test_nothing_to_save_before_fit(path):
    with pytest.raises(NotFittedError):
        GaussianMixture().save(path)
    assert not path.exists()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_disk_full_leaves_the_old_file(path, good, monkeypatch, call):
    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        fitted(covariance_type="diag").save(path)
    monkeypatch.undo()
    assert path.read_bytes() == good
    assert os.listdir(path.parent) == [path.name]  # no half-written file stays behind


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_file_that_the_system_refuses_to_write_leaves_the_old_one(path, good):
    """A real failure of a real write: the process may not write files of more than 1,000 bytes."""
    code = (
        "import resource, sys, emkit\n"
        "gm = emkit.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    gm.set_params(tol=0.5).save(sys.argv[1])\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == os.strerror(errno.EFBIG)
    assert path.read_bytes() == good
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fitted().save(tmp_path / "nowhere" / "model.safetensors")
