"""The two data sets every paper on normal mixtures uses."""

import pytest

from support.datasets import faithful, iris


@pytest.fixture(scope="session")
def datasets():
    """Old Faithful's eruptions (272 x 2: minutes, waiting time) and Fisher's and Anderson's irises (150 x 4: cm)."""
    return {"faithful": faithful(), "iris": iris()}
