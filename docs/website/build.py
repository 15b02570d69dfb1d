"""Builds the website from the Markdown of docs/, with pictures drawn anew.

python docs/website/build.py [--pictures as-they-are] [FOLDER]      into build/website

Pages are copied to a folder of their own first, with CHANGELOG.md and CONTRIBUTING.md beside them, and a gallery of all pictures.
A warning of Sphinx is an error: a link that leads nowhere, a page that no list names.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "docs"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from contents import FRONT, sections
from pages import ROOT, fences

HERE = Path(__file__).resolve().parent
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md")
_PICTURE = re.compile(r"!\[([^\]]*)\]\((?:\.\./)?(images/[^)]+)\)")


def main() -> int:
    """Copy, draw, build. The exit code is Sphinx's."""
    parser = argparse.ArgumentParser(description="the website of emkit")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "website")
    parser.add_argument("--pictures", choices=["anew", "as-they-are"], default="anew")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "docs"
        copy(source)
        if asked.pictures == "anew":
            import pictures

            pictures.main(source / "images")
        (source / "gallery.md").write_text(gallery(source), encoding="utf-8")
        from sphinx.cmd.build import build_main

        shutil.rmtree(asked.folder, ignore_errors=True)
        code = int(
            build_main(
                ["-q", "-W", "--keep-going", "-E", "-c", str(HERE), "-d", f"{name}/doctrees", str(source), str(asked.folder)]
            )
        )
    if not code:
        print(f"written: {asked.folder / 'index.html'}")
    return code


def copy(source: Path) -> None:
    """Pages and pictures, and what lies beside docs/, whose links lead from there."""
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("website", "*.py", "__pycache__"))
    for name in BESIDE:
        text = (ROOT / name).read_text(encoding="utf-8")
        (source / name).write_text(text.replace("](docs/", "]("), encoding="utf-8")
    front = source / f"{FRONT}.md"
    text = front.read_text(encoding="utf-8").replace("](../", "](")
    front.write_text(
        text.replace("- [API reference]", "- [Gallery](gallery.md): every picture of these pages.\n- [API reference]"),
        encoding="utf-8",
    )


def gallery(source: Path) -> str:
    """All pictures, each with a link to where it is explained."""
    out = [
        "# Gallery",
        "",
        "Every picture of these pages. Each leads to the code that draws it.",
        "",
        "::::{container} gallery",
        "",
    ]
    for pages in sections((source / f"{FRONT}.md").read_text(encoding="utf-8")).values():
        for page in (name for name in pages if name != "gallery"):
            out += [f"[![{said}]({image}) {said}]({page}.md{place})\n" for said, image, place in pictures_of(source / f"{page}.md")]
    return "\n".join([*out, "::::", ""])


def pictures_of(page: Path) -> list[tuple[str, str, str]]:
    """What is said of each picture, its path, and the anchor of the heading it stands under."""
    text = page.read_text(encoding="utf-8")
    code = {i for block in fences(text) for i in range(block.begin, block.end + 1)}
    found, place = [], ""
    for i, line in enumerate(text.splitlines()):
        if i in code:
            continue
        if line.startswith("#"):
            place = "#" + re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
        found += [(said, image, place) for said, image in _PICTURE.findall(line)]
    return found


if __name__ == "__main__":
    sys.exit(main())
