"""Draws the pictures of docs/how-to/plots.md by running its code, and a still picture of the moving demo.

python docs/make_gallery.py
"""

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "docs"))
from pages import ROOT, fences
from PIL import Image

from emkit.demo.animation import Scene
from emkit.demo.ways import document_way, faithful_way

PAGE, IMAGES = ROOT / "docs" / "how-to" / "plots.md", ROOT / "docs" / "images"


def main() -> None:
    """Run the page beside the data of the tests, and take its pictures."""
    names: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for data in (ROOT / "tests" / "support" / "data").glob("*.csv"):
            shutil.copy(data, folder)
        for block in fences(PAGE.read_text(encoding="utf-8")):
            if block.language == "python":
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(block.text, names)
        for picture in sorted(Path(folder).glob("*.png")):
            keep(picture)
        still = Path(folder) / "plots-animation.png"
        scene = Scene(document_way(0, 4), faithful_way(12))
        scene.show((1, 1.75))
        scene.figure.savefig(still, dpi=70)
        keep(still)


def keep(picture: Path) -> None:
    """With 128 colours: half as large, and nobody sees it."""
    with Image.open(picture) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(IMAGES / picture.name, optimize=True)
    print(f"{picture.name}: {(IMAGES / picture.name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
