"""XMLBIF and XDSL as other programs write them."""

import numpy as np
import pytest

from emkit.core.errors import DataError
from emkit.io.networks import xdsl, xmlbif

DOG = """<?xml version="1.0"?>
<!-- written by JavaBayes -->
<!DOCTYPE BIF [
 <!ELEMENT BIF ( NETWORK )*>
 <!ATTLIST BIF VERSION CDATA #REQUIRED>
]>
<BIF VERSION="0.3">
<NETWORK>
<NAME>Dog &amp; cat</NAME>
<VARIABLE TYPE="nature">
  <NAME>bowel</NAME><OUTCOME>true</OUTCOME><OUTCOME>not
  true</OUTCOME><PROPERTY>position = (335, 99)</PROPERTY></VARIABLE>
<VARIABLE TYPE="nature"><NAME>family</NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME><PROPERTY /></VARIABLE>
<VARIABLE TYPE="nature"><NAME>dog</NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME></VARIABLE>
<DEFINITION><FOR>bowel</FOR><TABLE>0.01 0.99 </TABLE></DEFINITION>
<DEFINITION><FOR>family</FOR><TABLE>0.15 0.85 </TABLE></DEFINITION>
<DEFINITION><FOR>dog</FOR><GIVEN>bowel</GIVEN><GIVEN>family</GIVEN>
  <TABLE>0.99 0.01 <!-- true, false --> 0.97 0.03
  0.9 0.1 0.3 0.7</TABLE></DEFINITION>
</NETWORK></BIF>
"""

GENIE = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!-- This network was created in GeNIe Academic -->
<smile version="1.0" id="Wetter" numsamples="10000" discsamples="10000">
\t<nodes>
\t\t<cpt id="Rain" diagtype="observation">
\t\t\t<state id="Yes" fault="true" />
\t\t\t<state id="No" />
\t\t\t<probabilities>0.2 0.8</probabilities>
\t\t\t<property id="source">Zürich</property>
\t\t</cpt>
\t\t<submodel id="Garden">
\t\t\t<cpt id="Sprinkler">
\t\t\t\t<state id="On" />
\t\t\t\t<state id="Off" />
\t\t\t\t<parents>Rain</parents>
\t\t\t\t<probabilities>0.1 0.9 0.5 0.5</probabilities>
\t\t\t</cpt>
\t\t\t<deterministic id="Wet">
\t\t\t\t<state id="Yes" />
\t\t\t\t<state id="No" />
\t\t\t\t<parents>Rain Sprinkler</parents>
\t\t\t\t<resultingstates>Yes Yes Yes No</resultingstates>
\t\t\t</deterministic>
\t\t</submodel>
\t</nodes>
\t<extensions>
\t\t<genie version="1.0" app="GeNIe 3.0.5905.0 ACADEMIC" name="Wetter">
\t\t\t<node id="Rain"><name>Regen</name><interior color="e5f6f7" /><position>1 2 3 4</position></node>
\t\t</genie>
\t</extensions>
</smile>
"""


def test_xmlbif_has_the_child_fastest():
    network = xmlbif.read(DOG)
    assert network.names == ("bowel", "family", "dog") and network.title == "Dog & cat"
    assert network.said("bowel") == {"position": "(335, 99)"}
    assert np.array_equal(network.table("dog")[..., 0], [[0.99, 0.97], [0.9, 0.3]])


def test_xdsl_of_genie_with_a_submodel_and_a_deterministic_node(tmp_path):
    path = tmp_path / "weather.xdsl"
    path.write_bytes(GENIE.encode("latin-1"))
    network = xdsl.read(path)
    assert network.names == ("Rain", "Sprinkler", "Wet") and network.title == "Wetter"
    assert network.said("Rain") == {"source": "Zürich"}
    assert network.table("Sprinkler").tolist() == [[0.1, 0.9], [0.5, 0.5]]
    assert network.table("Wet")[..., 0].tolist() == [[1.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('cpt id="Rain" diagtype="observation"', 'noisymax id="Rain"', 5, "'Rain' is a 'noisymax'; only 'cpt'"),
        ("<parents>Rain</parents>", "<parents>Snow</parents>", 12, "node 'Sprinkler' has the parent 'Snow'"),
        ("0.2 0.8", "0.2 0.8 0.1", 5, "node 'Rain' has 3 numbers; its parents and states make 2"),
        ("0.2 0.8", "0.2 O.8", 5, "'O.8' is no number"),
        ("0.2 0.8", "0.2 0.2", 5, "node 'Rain' adds up to 0.4"),
        ("Yes Yes Yes No", "Yes Yes Yes Maybe", 18, "names 'Maybe', which is none of its states"),
        ("<resultingstates>Yes Yes Yes No</resultingstates>", "", 18, "node 'Wet' has 0 tables"),
        ('cpt id="Sprinkler"', 'cpt id="Rain"', 12, "two nodes are called 'Rain'"),
        ("</smile>", "", 32, "no well-formed XML"),
        ('<property id="source">', '<property id="emkit">', 5, "'emkit' is no JSON"),
    ],
)
def test_what_is_wrong_in_xdsl_is_said_with_its_line(old, new, line, message):
    broken = GENIE.replace(old, new, 1).replace("</cpt>", "</noisymax>" if "noisymax" in new else "</cpt>", 1)
    with pytest.raises(DataError, match=f"^<text>, line {line}: .*{message}"):
        xdsl.read(broken)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<VARIABLE TYPE="nature"><NAME>dog', '<VARIABLE TYPE="utility"><NAME>dog', "line 14: variable 'dog' is of type 'utility'"),
        ("<FOR>dog</FOR>", "<FOR>cat</FOR>", "line 17: .*FOR .'cat'.; that is not one variable"),
        ("<FOR>family</FOR>", "<FOR>bowel</FOR>", "line 16: node 'bowel' has two definitions"),
        ("<TABLE>0.15 0.85 </TABLE>", "", "line 16: .*'family' has 0 elements TABLE"),
        ("0.3 0.7", "0.3", "line 17: the table of node 'dog' has 7 numbers; its parents and states make 8"),
        ("<DEFINITION><FOR>family</FOR><TABLE>0.15 0.85 </TABLE></DEFINITION>", "", "line 13: node 'family' has no table"),
        ("<GIVEN>bowel", "<GIVEN>dog", "in a circle: 'dog' -> 'dog'"),
        ("BIF VERSION", "XBIF VERSION", "no well-formed XML: mismatched tag"),
    ],
)
def test_what_is_wrong_in_xmlbif_is_said(old, new, message):
    assert old in DOG
    with pytest.raises(DataError, match=message):
        xmlbif.read(DOG.replace(f"<{old}" if old.startswith("BIF") else old, f"<{new}" if old.startswith("BIF") else new, 1))


def test_entities_are_not_expanded():
    lines = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    bomb = f'<!DOCTYPE BIF [<!ENTITY e0 "ha">{lines}]><BIF><NETWORK><NAME>&e9;</NAME></NETWORK></BIF>'
    with pytest.raises(DataError, match="line 1: the entity 'e0' is declared"):
        xmlbif.read(bomb)
    outside = '<!DOCTYPE smile [<!ENTITY x SYSTEM "file:///etc/passwd">]><smile><nodes>&x;</nodes></smile>'
    with pytest.raises(DataError, match="the entity 'x' is declared"):
        xdsl.read(outside)


def test_deep_nesting_is_refused():
    with pytest.raises(DataError, match="nested more than 100 deep"):
        xdsl.read("<smile>" + "<nodes>" * 100_000)
