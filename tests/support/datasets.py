"""Data sets of the literature, in ``tests/support/data``."""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data"


def faithful():
    """Old Faithful's eruptions, (272, 2): minutes, waiting time."""
    return np.loadtxt(FOLDER / "faithful.csv", delimiter=",", skiprows=1)


def iris():
    """Fisher's and Anderson's irises, (150, 4): cm."""
    return np.loadtxt(FOLDER / "iris.csv", delimiter=",", skiprows=1, usecols=range(4))


def earthquakes():
    """Major earthquakes in each year from 1900 to 2006, (107, 1)."""
    return np.loadtxt(FOLDER / "earthquakes.csv", delimiter=",", skiprows=1, ndmin=2)[:, -1:]


def npreg():
    """The artificial data of R's flexmix, (200, 3): x, a response that is normal about two curves, and a Poisson one."""
    return np.loadtxt(FOLDER / "npreg.csv", delimiter=",", skiprows=1)


def co2():
    """Gross national product and emissions of carbon dioxide a head of 28 countries in 1996, (28, 2)."""
    return np.loadtxt(FOLDER / "co2data.csv", delimiter=",", skiprows=1)


def acidity():
    """Log(acid-neutralising capacity + 50) of 155 lakes in the northeastern United States, (155, 1)."""
    return np.loadtxt(FOLDER / "acidity.csv", skiprows=1, ndmin=2)
