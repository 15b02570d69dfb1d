"""The website: every page is in its contents, every picture is drawn by something, and Sphinx has nothing to complain of."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from pages import ROOT, fences, needs, pages

WEBSITE = ROOT / "docs" / "website"


@pytest.fixture(scope="module")
def website():
    sys.path.insert(0, str(WEBSITE))
    yield
    sys.path.remove(str(WEBSITE))


def test_every_page_stands_in_the_contents_once(website):
    from contents import sections

    listed = [page for found in sections((ROOT / "docs" / "index.md").read_text(encoding="utf-8")).values() for page in found]
    there = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in (ROOT / "docs").rglob("*.md")} - {"index"}
    assert sorted(listed) == sorted(there | {"../CHANGELOG", "../CONTRIBUTING"})


def test_every_picture_is_drawn_by_a_page_or_by_hand(website):
    from by_hand import DRAWN

    code = "\n".join(
        block.text for page in pages() for block in fences(page.read_text(encoding="utf-8")) if block.language == "python"
    )
    saved = set(re.findall(r'savefig\("([^"]+\.png)"', code))
    assert {image.name for image in (ROOT / "docs" / "images").glob("*.png")} <= saved | set(DRAWN)


def _listed(extras: dict[str, list[str]], extra: str) -> set[str]:
    """Names of what an extra brings, extras of emkit that it names included."""
    found = set()
    for requirement in extras[extra]:
        own = re.fullmatch(r"emkit\[(.+)\]", requirement)
        found |= (
            set().union(*(_listed(extras, one) for one in own[1].split(",")))
            if own
            else set(re.findall(r"[a-z][\w-]*", requirement))
        )
    return found


def test_the_extra_of_the_website_brings_what_its_pages_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    brought = _listed({**extras, "none": project["dependencies"]}, "none") | _listed(extras, "docs") | {"emkit"}
    of_module, missing = packages_distributions(), set()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for block in fences(text):
            if block.language != "python" or block.skipped:
                continue
            trees = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Import | ast.ImportFrom)]
            names = {alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module for node in trees if isinstance(node, ast.ImportFrom) and node.module}
            tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - set(needs(text))
            missing |= {(page.name, top) for top in tops if top in of_module and not brought & set(of_module[top])}
    assert not missing


def test_sphinx_builds_it_without_a_warning(tmp_path):
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed)
    command = [sys.executable, str(WEBSITE / "build.py"), "--pictures", "as-they-are", str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    front, gallery = ((tmp_path / "site" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "gallery"))
    assert 'href="how-to/plots.html"' in front and 'href="CHANGELOG.html"' in front
    assert gallery.count("<img") >= len(list((ROOT / "docs" / "images").glob("*.png"))) - 1  # the demo's is the README's
    elsewhere = re.compile(r'(?:src|<link[^>]* href)="https?:')
    assert not elsewhere.search(front), "a page asks the network for something"
