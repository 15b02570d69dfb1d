"""Networks from files and to files, in the format that the name of the file tells."""

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emkit.core.errors import ParameterError
from emkit.io.container import put
from emkit.io.networks import bif, net, uai, xdsl, xmlbif
from emkit.io.networks.record import Network


@dataclass(frozen=True)
class Format:
    """How a format is read and written."""

    read: Callable[[str | os.PathLike[str]], Network]
    write: Callable[[Network], str]
    suffixes: tuple[str, ...]


FORMATS = {
    "bif": Format(bif.read, bif.write, (".bif",)),
    "xmlbif": Format(xmlbif.read, xmlbif.write, (".xmlbif", ".bifxml", ".xbif", ".xml")),
    "net": Format(net.read, net.write, (".net", ".hugin")),
    "xdsl": Format(xdsl.read, xdsl.write, (".xdsl",)),
    "uai": Format(uai.read, uai.write, (".uai",)),
}
"""Of each name of a format."""


def read_network(path: str | os.PathLike[str], format: str | None = None) -> Network:
    """The network in a file.

    Parameters
    ----------
    path : path
        With a suffix that tells the format; ``.gz`` may follow. Compressed files are unpacked whatever their name.
    format : {"bif", "xmlbif", "net", "xdsl", "uai"}, optional
        Where the suffix does not tell.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ParameterError
        Where the format is not known.
    DataError
        Where the file makes no network: names file, line and node.
    """
    return _format(path, format).read(Path(path))


def write_network(network: Network, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a network to a file, whole or not at all, over what is there; compressed where the name ends in ``.gz``.

    Every format gives the same network back: names, states, tables to the last bit, properties.
    """
    data = _format(path, format).write(network).encode("utf-8")
    put(path, gzip.compress(data, mtime=0) if Path(path).suffix.lower() == ".gz" else data)


def _format(path: str | os.PathLike[str], name: str | None) -> Format:
    if name is not None:
        if name not in FORMATS:
            raise ParameterError(f"format is {name!r}; there are {', '.join(map(repr, FORMATS))}", parameter="format")
        return FORMATS[name]
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    for known in FORMATS.values():
        if suffixes and suffixes[-1] in known.suffixes:
            return known
    every = ", ".join(suffix for known in FORMATS.values() for suffix in known.suffixes)
    raise ParameterError(
        f"the name of {os.fspath(path)!r} does not tell its format; it ends in one of {every} (or these with .gz), "
        f"or give format=, one of {', '.join(map(repr, FORMATS))}",
        parameter="format",
    )
