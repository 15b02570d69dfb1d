"""Compiled code is kept on disk where that is possible, and nothing breaks where it is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import emkit

# A kernel of a few lines, made with the project's own decorator: compiles in a moment, unlike the real ones.
PROBE = """
import sys
sys.path.insert(0, {folder!r})
import probe_kernel
assert probe_kernel.twice(21) == 42
print(sum(probe_kernel.twice.stats.cache_hits.values()))
"""
KERNEL = """
from emkit.kernels.jit import SUMS, kernel

@kernel(**SUMS)
def twice(x):
    return 2 * x
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a module that has a kernel in it."""
    place = tmp_path / "package"
    place.mkdir()
    (place / "probe_kernel.py").write_text(KERNEL)
    return place


def run(folder: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROBE.format(folder=str(folder))],
        env={**clean, "PYTHONPATH": str(Path(emkit.__file__).parents[1]), **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.nb[ci]"))


def test_cached_in_the_folder_that_was_named(folder, tmp_path):
    cache = tmp_path / "cache"
    assert run(folder, NUMBA_CACHE_DIR=str(cache)) == "0"
    assert files(cache) and not files(folder)
    assert run(folder, NUMBA_CACHE_DIR=str(cache)) == "1"


def test_cached_beside_the_source(folder):
    assert run(folder) == "0"
    assert files(folder)
    assert run(folder) == "1"


def test_installed_where_nothing_can_be_written(folder, tmp_path):
    """The user's cache folder is used; with that unwritable too, the kernel still runs."""
    # A file where the cache folder would have to be: nobody, not even root, can make a folder there.
    (folder / "__pycache__").write_text("")
    home = tmp_path / "home"
    home.mkdir()
    assert run(folder, HOME=str(home), XDG_CACHE_HOME=str(home / "cache")) == "0"
    assert files(home)
    assert run(folder, HOME=str(home), XDG_CACHE_HOME=str(home / "cache")) == "1"
    shutil.rmtree(home)
    home.write_text("")
    assert run(folder, HOME=str(home), XDG_CACHE_HOME=str(home / "cache")) == "0"


def test_the_kernels_of_the_package_ask_to_be_cached():
    """Every public kernel goes through the decorator, so what holds for the probe holds for them."""
    from emkit.kernels import gaussian

    assert type(gaussian.mixture_pass._cache).__name__ != "NullCache"
    assert gaussian.mixture_pass.targetoptions["nogil"] is True
    assert not gaussian.mixture_pass.targetoptions.get("parallel")


def test_cached_code_is_stale_when_another_kernel_changes(folder, tmp_path):
    """Helpers of one file are compiled into kernels of another, whose own file does not change."""
    package = tmp_path / "site"
    shutil.copytree(Path(emkit.__file__).parent, package / "emkit", ignore=shutil.ignore_patterns("*.nb?", "__pycache__"))
    settings = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(package)}
    assert [run(folder, **settings) for _ in range(2)] == ["0", "1"]
    (package / "emkit" / "kernels" / "tiles.py").open("a").write("\n# changed\n")
    assert [run(folder, **settings) for _ in range(2)] == ["0", "1"]


REAL = """
import numpy as np
from emkit import ArraySource, Gaussian
Gaussian("diag").compile(ArraySource(np.random.default_rng(0).standard_normal((1_000_000, 2))), 4)
from emkit.kernels.gaussian import mixture_pass
print(sum(mixture_pass.stats.cache_hits.values()))
"""


def test_the_real_kernel_is_compiled_once(tmp_path):
    """Two fresh processes: the first compiles and writes, the second reads."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(emkit.__file__).parents[1])}
    said = [
        subprocess.run([sys.executable, "-c", REAL], env=environment, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["0", "1"]
    assert any("mixture_pass" in file.name for file in files(tmp_path))
