"""The two data sets every paper on normal mixtures uses."""

from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "support" / "data"


@pytest.fixture(scope="session")
def datasets():
    """Old Faithful's eruptions (272 x 2: minutes, waiting time) and Fisher's and Anderson's irises (150 x 4: cm)."""
    return {
        "faithful": np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1),
        "iris": np.loadtxt(DATA / "iris.csv", delimiter=",", skiprows=1, usecols=range(4)),
    }
