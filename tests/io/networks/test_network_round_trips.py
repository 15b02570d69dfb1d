"""Whatever a network is called and holds, every format gives it back to the last bit."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from network_samples import ASIA, EVERY_FORMAT, random_network, two_nodes

from emkit.core.errors import ParameterError
from emkit.io.networks import Network, read_network, write_network
from emkit.io.networks.dispatch import FORMATS


@pytest.mark.parametrize("name", EVERY_FORMAT)
@pytest.mark.parametrize("seed", range(60))
def test_awkward_names_and_bits_survive(name, seed):
    network = random_network(seed)
    text = FORMATS[name].write(network)
    assert FORMATS[name].read(text) == network
    text.encode("utf-8")  # a lone surrogate, which UTF-8 has not, is escaped


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_all_seventeen_digits_survive(name):
    p = np.array([0.1 + 2**-55, 1e-300, 5e-324, 1 / 3, 0.0])
    p[-1] = 1.0 - p[:-1].sum()
    network = Network(("x",), (("a", "b", "c", "d", "e"),), ((),), (p,))
    again = FORMATS[name].read(FORMATS[name].write(network))
    assert again.tables[0].tobytes() == p.tobytes()


@pytest.mark.parametrize("name", EVERY_FORMAT)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_files_are_told_by_their_suffix(name, packed, tmp_path):
    network = replace(read_network(ASIA), title="Asia", remarks={"source": "Lauritzen & Spiegelhalter"})
    for suffix in FORMATS[name].suffixes:
        path = tmp_path / f"a.b{suffix.upper()}{packed}"
        write_network(network, path)
        assert read_network(path) == network
        assert (path.read_bytes()[:2] == b"\x1f\x8b") == bool(packed)


def test_a_compressed_file_is_unpacked_whatever_its_name(tmp_path):
    path = tmp_path / "asia.bif"
    path.write_bytes(gzip.compress(ASIA.read_bytes()))
    assert read_network(str(path)) == read_network(ASIA)


def test_the_same_network_makes_the_same_bytes(tmp_path):
    for path in (one := tmp_path / "one.net.gz", two := tmp_path / "two.net.gz"):
        write_network(two_nodes(), path)
    assert one.read_bytes() == two.read_bytes()


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"does not tell its format.*xdsl"):
        read_network(tmp_path / "network.txt")
    with pytest.raises(ParameterError, match="format is 'dne'; there are 'bif'"):
        write_network(two_nodes(), tmp_path / "x.bif", "dne")
    write_network(two_nodes(), tmp_path / "network.txt", "uai")
    assert read_network(tmp_path / "network.txt", "uai") == two_nodes()


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_network(tmp_path / "none.bif")
