"""``import emkit`` costs next to nothing, and every public name can be had."""

import subprocess
import sys

import pytest

import emkit

HEAVY = (
    "numba",
    "scipy",
    "pyarrow",
    "matplotlib",
    "pandas",
    "polars",
    "sklearn",
    "narwhals",
    "rich",
    "typer",
    "safetensors",
    "jinja2",
)


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    assert not modules_after("import emkit") & set(HEAVY)


def test_core_loads_numpy_only():
    loaded = modules_after("import emkit.core.fit, emkit.core.model, emkit.core.prior, emkit.core.result, emkit.core.monitor")
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)


def test_a_small_fit_compiles_nothing():
    """Below the work threshold NumPy does it: no numba, no wait."""
    code = """
import numpy as np, emkit
x = np.random.default_rng(0).standard_normal((2000, 2))
emkit.GaussianMixture(3, n_init=2, max_iter=5, tol=0, random_state=0).fit(x)
"""
    assert not modules_after(code) & {"numba", "matplotlib"}


@pytest.mark.parametrize("name", emkit.__all__)
def test_every_public_name(name):
    assert getattr(emkit, name) is not None
    assert name in dir(emkit)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'GausianMixture'"):
        emkit.GausianMixture  # noqa: B018
