"""Runs the code blocks of a Markdown page, in order, and compares what they print with what the page says they print.

    python tests/docs/pages.py --update docs/tutorial.md      run a page and rewrite its ```text blocks

* A ``python`` block runs in the page's namespace; a ``text`` block right after it holds what it prints.
* In a ``console`` block, lines that begin with ``$ emkit`` run; a line ``# exit 3`` after one is its exit code (0 otherwise).
* ``<!-- not run: reason -->`` before a block skips it.
* ``<!-- file: PATHS -->`` before a python block: it does not run, it is a file (or several) of the page's folder, from which
  the page can import. ``<!-- line of: emkit/_names.py -->`` before a python block: it is a further line of the table of names.
  A page with files of the package runs on a copy of it.
* ``<!-- needs: MODULE -->`` anywhere: the tests skip the page where that is not installed.
* The page runs in a temporary folder that holds the CSV and AutoClass files of tests/support/data.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SKIP = re.compile(r"<!-- not run: \S.* -->")
_FILE = re.compile(r"<!-- file: (\S+(?: \S+)*) -->")
_LINE = re.compile(r"<!-- line of: (\S+) -->")
_EXIT = re.compile(r"# exit (\d+)")


@dataclass
class Fence:
    """A fenced block: ``begin`` is the index of its opening line, ``end`` of its closing one."""

    language: str
    begin: int
    end: int
    text: str
    skipped: bool
    follows: int | None
    """Index of the fence right before it, with only blank lines between; None if there is none."""
    files: tuple[str, ...] = ()
    """The files that the block is."""
    line_of: str | None = None
    """The file whose list the block is a line of."""


def needs(text: str) -> list[str]:
    """Modules that a page cannot run without, beside those that all pages may use."""
    return re.findall(r"^<!-- needs: (\S+) -->$", text, re.MULTILINE)


def pages() -> list[Path]:
    """README.md and every page of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fences(text: str) -> list[Fence]:
    """The fenced blocks of a page."""
    lines = text.splitlines()
    found: list[Fence] = []
    i = 0
    while i < len(lines):
        if not lines[i].startswith("```"):
            i += 1
            continue
        end = next((j for j in range(i + 1, len(lines)) if lines[j].rstrip() == "```"), None)
        if end is None:
            raise ValueError(f"line {i + 1}: a block that never ends")
        above = i - 1
        while above >= 0 and not lines[above].strip():
            above -= 1
        follows = len(found) - 1 if found and above == found[-1].end else None
        body = "\n".join(lines[i + 1 : end])
        said = lines[above].strip() if above >= 0 else ""
        file, line_of = (pattern.fullmatch(said) for pattern in (_FILE, _LINE))
        skipped = any(pattern.fullmatch(said) for pattern in (_SKIP, _FILE, _LINE))
        found.append(
            Fence(
                lines[i][3:].strip(), i, end, body, skipped, follows, tuple(file[1].split()) if file else (), line_of and line_of[1]
            )
        )
        i = end + 1
    return found


def commands(block: str) -> list[tuple[str, int]]:
    """The ``$ emkit`` lines of a console block, each with the exit code it should have."""
    out: list[tuple[str, int]] = []
    lines = block.splitlines()
    i = 0
    while i < len(lines):
        if lines[i].startswith("$ emkit"):
            command = lines[i][2:]
            while command.endswith("\\") and i + 1 < len(lines):
                i += 1
                command = command[:-1] + lines[i].lstrip("> ")
            after = _EXIT.match(lines[i + 1]) if i + 1 < len(lines) else None
            out.append((command, int(after[1]) if after else 0))
        i += 1
    return out


def run_command(command: str, expected: int) -> None:
    """Run one command line with this interpreter's own ``emkit``."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env={**os.environ, "PATH": path, "MPLBACKEND": "Agg"}
    )
    assert done.returncode == expected, f"$ {command}\nexit {done.returncode}, expected {expected}\n{done.stdout}\n{done.stderr}"


def run_page(page: Path, keep: Callable[[Path], Any] | None = None) -> dict[int, str]:
    """Run a page in a fresh temporary folder; what the python blocks printed, by the index of the ``text`` block that says so.

    ``keep`` is called with the folder before that is removed.
    """
    blocks = fences(page.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("*.csv", "*.db2", "*.hd2", "*.model"):
            for data in (ROOT / "tests" / "support" / "data").glob(kind):
                shutil.copy(data, folder)
        printed = run_elsewhere(page, folder) if write_files(blocks, Path(folder)) else run_here(page, folder)
        if keep is not None:
            keep(Path(folder))
        return printed


def write_files(blocks: list[Fence], folder: Path) -> bool:
    """Write the files that a page shows, those of the package into a copy of it; whether there are any."""
    paths = [path for block in blocks for path in (*block.files, *filter(None, [block.line_of]))]
    if any(path.startswith("emkit/") for path in paths):
        shutil.copytree(ROOT / "src" / "emkit", folder / "emkit")
    for block in blocks:
        for name in block.files:
            (folder / name).write_text(block.text + "\n", encoding="utf-8")
        if block.line_of:
            path = folder / block.line_of
            text = path.read_text(encoding="utf-8")
            end = text.index("\n)\n") + 1  # the first list of the file
            path.write_text(text[:end] + block.text + "\n" + text[end:], encoding="utf-8")
    return bool(paths)


def run_elsewhere(page: Path, folder: str) -> dict[int, str]:
    """Run a page in a process of its own, which imports from its folder first."""
    where = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, __file__, "--run", str(page), folder],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": where},
    )
    assert done.returncode == 0, done.stderr
    return {int(i): text for i, text in json.loads(done.stdout.splitlines()[-1]).items()}


def run_here(page: Path, folder: str) -> dict[int, str]:
    """Run a page in this process, in that folder."""
    blocks = fences(page.read_text(encoding="utf-8"))
    module = types.ModuleType(f"page_{page.stem.replace('-', '_')}")
    printed: dict[int, str] = {}
    before = Path.cwd()
    os.chdir(folder)
    sys.modules[module.__name__] = module
    try:
        for i, block in enumerate(blocks):
            if block.skipped:
                continue
            if block.language == "python":
                out = io.StringIO()
                # Blank lines above the code, so that a traceback gives the page's own line numbers.
                code = compile("\n" * (block.begin + 1) + block.text, str(page), "exec")
                with contextlib.redirect_stdout(out):
                    exec(code, module.__dict__)
                said = i + 1 < len(blocks) and blocks[i + 1].follows == i and blocks[i + 1].language == "text"
                if said:
                    printed[i + 1] = out.getvalue()
                else:
                    assert not out.getvalue().strip(), f"{page.name} line {block.begin + 1}: prints, but no text block says what"
            elif block.language == "console":
                for command, expected in commands(block.text):
                    run_command(command, expected)
    finally:
        os.chdir(before)
        del sys.modules[module.__name__]
    return printed


def trimmed(text: str) -> str:
    """Without spaces at the ends of lines and blank lines at either end."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()).strip("\n")


def update(page: Path) -> None:
    """Rewrite the page's text blocks with what its code prints."""
    lines = page.read_text(encoding="utf-8").splitlines()
    blocks = fences("\n".join(lines))
    for i, text in sorted(run_page(page).items(), reverse=True):
        lines[blocks[i].begin + 1 : blocks[i].end] = trimmed(text).splitlines()
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        print("\n" + json.dumps(run_here(Path(sys.argv[2]), sys.argv[3])))
        sys.exit()
    if sys.argv[1:2] != ["--update"]:
        sys.exit(__doc__)
    for name in sys.argv[2:] or [str(page) for page in pages()]:
        update(Path(name).resolve())
