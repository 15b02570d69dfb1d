"""Draws the pictures of the pages: by the pages' own code, where it saves them, and by hand.

python docs/website/pictures.py [FOLDER]      into docs/images, or another folder
"""

import re
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "docs"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from by_hand import DRAWN
from pages import ROOT, fences, pages, run_page
from PIL import Image

IMAGES = ROOT / "docs" / "images"
_SAVES = re.compile(r'savefig\("([^"]+\.png)"')


def main(into: Path = IMAGES) -> None:
    """Draw all of them into a folder. Raises RuntimeError if a picture of docs/images is drawn by nothing."""
    known = {image.name for image in IMAGES.glob("*.png")}
    undrawn = known - set(DRAWN)
    for page in pages():
        code = "\n".join(block.text for block in fences(page.read_text(encoding="utf-8")) if block.language == "python")
        wanted = sorted(known & set(_SAVES.findall(code)))
        if wanted:
            run_page(page, keep=lambda folder, wanted=wanted: take(folder, wanted, into))
            undrawn -= set(wanted)
    if undrawn:
        raise RuntimeError(f"nothing draws {', '.join(sorted(undrawn))}")
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in DRAWN.items():
            draw(Path(folder) / name)
        take(Path(folder), list(DRAWN), into)


def take(folder: Path, names: list[str], into: Path) -> None:
    """With 128 colours: half as large, and nobody sees it."""
    for name in names:
        with Image.open(folder / name) as image:
            image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(into / name, optimize=True)
        print(f"{name}: {(into / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*(Path(name) for name in sys.argv[1:2]))
