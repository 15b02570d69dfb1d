"""The documentation is true: its code runs, prints what it says, and its links lead somewhere."""

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emkit

sys.path.insert(0, str(Path(__file__).parent))
from pages import ROOT, commands, fences, needs, pages, run_page, trimmed

PAGES = pages()
OTHERS = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_runs_and_prints_what_the_page_says(page):
    text = page.read_text(encoding="utf-8")
    for module in needs(text):
        pytest.importorskip(module)
    blocks = fences(text)
    for i, printed in run_page(page).items():
        assert trimmed(printed) == trimmed(blocks[i].text), f"{name_of(page)} line {blocks[i].begin + 1}"


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(page):
    for target in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if heading and there.suffix == ".md":
            assert heading in anchors(there.read_text(encoding="utf-8")), f"{name_of(page)} links to {target}"


def links(text):
    lines = text.splitlines()
    code = {i for block in fences(text) for i in range(block.begin, block.end + 1)}
    prose = "\n".join(line for i, line in enumerate(lines) if i not in code)
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose))


def anchors(text):
    """Headings as GitHub turns them into anchors."""
    code = {i for block in fences(text) for i in range(block.begin, block.end + 1)}
    headings = [line.lstrip("#").strip() for i, line in enumerate(text.splitlines()) if i not in code and line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def modules():
    return [info.name for info in pkgutil.walk_packages(emkit.__path__, "emkit.") if not info.name.endswith("__main__")]


@pytest.mark.parametrize("name", [name for name in modules() if not name.startswith("emkit.kernels")])
def test_doctests(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda script: script.name)
def test_examples_run(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_public_name_has_a_docstring():
    bare = [name for name in emkit.__all__ if name != "__version__" and not getattr(emkit, name).__doc__]
    assert not bare


def test_reference_is_up_to_date():
    sys.path.insert(0, str(ROOT / "docs"))
    from make_reference import reference

    there = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert there == reference(), "docs/reference.md is old: run python docs/make_reference.py"


@pytest.mark.parametrize(("page", "shown", "lines"), [("family", "rayleigh", 90), ("model", "own_model", 160)])
def test_things_of_your_own_are_short(page, shown, lines):
    """The pages show what the conformance tests check: a file for a family (or two of them), two for a model; and one line."""
    blocks = fences((ROOT / "docs" / "how-to" / f"your-own-{page}.md").read_text(encoding="utf-8"))
    files = [block.text for block in blocks if block.files]
    assert files[0] + "\n" == (ROOT / "tests" / "support" / f"{shown}.py").read_text(encoding="utf-8")
    assert sum(len(text.splitlines()) for text in files) <= lines
    assert [len(block.text.splitlines()) for block in blocks if block.line_of] == [1]


def test_changelog_has_an_entry_for_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{emkit.__version__}]" in text


class TestPages:
    """The runner itself: a page that lies must not pass."""

    def write(self, tmp_path, text):
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        return page

    def test_reports_what_was_printed(self, tmp_path):
        page = self.write(tmp_path, "```python\nx = 1\n```\n\nThen\n\n```python\nprint(x + 1)\n```\n\n```text\n3\n```\n")
        assert run_page(page) == {2: "2\n"}

    def test_an_error_in_a_block_is_an_error(self, tmp_path):
        with pytest.raises(ZeroDivisionError):
            run_page(self.write(tmp_path, "```python\n1 / 0\n```\n"))

    def test_printing_without_a_text_block_is_an_error(self, tmp_path):
        with pytest.raises(AssertionError, match="no text block"):
            run_page(self.write(tmp_path, "```python\nprint(1)\n```\n"))

    def test_a_block_is_skipped_only_with_a_reason(self, tmp_path):
        assert run_page(self.write(tmp_path, "<!-- not run: needs a cluster -->\n```python\n1 / 0\n```\n")) == {}
        with pytest.raises(ZeroDivisionError):
            run_page(self.write(tmp_path, "<!-- not run: -->\n```python\n1 / 0\n```\n"))

    def test_commands_of_a_console_block(self):
        block = "$ cd data\n$ emkit fit a.csv \\\n    -k 3\nsome output\n$ emkit inspect x\n# exit 2\n"
        assert commands(block) == [("emkit fit a.csv -k 3", 0), ("emkit inspect x", 2)]
