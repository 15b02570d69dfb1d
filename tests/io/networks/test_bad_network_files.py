"""Files that are broken anywhere are refused with a DataError, soon and without much memory."""

import gzip
import random

import pytest
from network_samples import ASIA, EVERY_FORMAT, random_network

from emkit.core.errors import DataError
from emkit.io.networks import bif, read_network, uai, xdsl
from emkit.io.networks.dispatch import FORMATS


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_a_file_with_anything_changed_is_read_or_refused(name):
    rng = random.Random(1)
    for seed in range(40):
        text = FORMATS[name].write(random_network(seed))
        for _ in range(5):
            place = rng.randrange(len(text))
            kind = rng.randrange(3)
            sign = rng.choice('{}()[]|,;"\\/#<>&=019.e- \nxyz')
            broken = [
                text[:place],
                text[:place] + sign * rng.choice((1, 50)) + text[place:],
                text[:place] + sign + text[place + 9 :],
            ][kind]
            try:
                FORMATS[name].read(broken)
            except DataError as error:
                assert str(error).startswith("<text>")  # noqa: PT017 - some changes do no harm


@pytest.mark.parametrize("name", EVERY_FORMAT)
@pytest.mark.parametrize("text", ["", " \n", "\x00", "{", "<a/>", "network", "BAYES"])
def test_what_is_no_network_is_refused(name, text):
    with pytest.raises(DataError, match=r"^<text>"):
        FORMATS[name].read(text)


def test_a_table_is_refused_before_it_is_made():
    names = [f"v{i}" for i in range(30)]
    lines = [f"variable {name} {{ type discrete [ 2 ] {{ a, b }}; }}" for name in names]
    lines += [f"probability ( {name} ) {{ table 0.5, 0.5; }}" for name in names[1:]]
    lines.append(f"probability ( v0 | {', '.join(names[1:])} ) {{ default 0.5, 0.5; }}")
    with pytest.raises(DataError, match="line 60: the table of node 'v0' with its 29 parents has more entries than 67,108,864"):
        bif.read("\n".join(lines))
    ones = [f'<cpt id="a{i}"><state id="x"/><parents>{" ".join(f"a{j}" for j in range(i))}</parents>' for i in range(40)]
    with pytest.raises(DataError, match="node 'a32' has 32 parents, more than 31"):
        xdsl.read("<smile><nodes>" + "".join(f"{one}<probabilities>1</probabilities></cpt>" for one in ones) + "</nodes></smile>")


def test_names_in_json_are_checked():
    body = "BAYES 1 2 1 1 0 2 .5 .5\n# emkit "
    for said in (
        "[" * 100_000,
        "[]",
        '{"names": "x"}',
        '{"names": ["a"], "states": [["x"]]}',
        '{"names": ["a"], "states": [[1, 2]]}',
    ):
        with pytest.raises(DataError, match=r"^<text>, line 2"):
            uai.read(body + said)


def test_damaged_compressed_files_are_refused(tmp_path):
    whole = gzip.compress(ASIA.read_bytes())
    path = tmp_path / "asia.bif.gz"
    for data in (whole[:-20], whole[:40] + b"\xff" * 40 + whole[80:]):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"asia.bif.gz: the compressed file is damaged"):
            read_network(path)
    with pytest.raises(DataError, match="is a folder"):
        read_network(tmp_path, "bif")


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "mine.bif"
    path.write_text(ASIA.read_text().replace("0.05, 0.95", "0.05", 1))
    with pytest.raises(DataError, match=r"mine.bif, line 31: .*node 'tub' has 1 numbers for 2 states"):
        read_network(path)
