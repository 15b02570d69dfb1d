"""Takes the picture of a report in docs/how-to/report.md: ``python docs/make_report_picture.py``. Needs chromium and pillow."""

import subprocess
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

from emkit import GaussianMixture

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """The upper part of the page, in few colours."""
    x = pd.read_csv(ROOT / "tests" / "support" / "data" / "faithful.csv")
    with tempfile.TemporaryDirectory() as folder:
        page = GaussianMixture(2, random_state=0).fit(x).report(Path(folder) / "faithful.html", x)
        shot = Path(folder) / "shot.png"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,1360"]
        subprocess.run(["chromium", *flags, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
        picture = Image.open(shot).convert("RGB").resize((900, 1020), Image.Resampling.LANCZOS)
        picture.quantize(96, Image.Quantize.FASTOCTREE).save(ROOT / "docs" / "images" / "report.png", optimize=True)


if __name__ == "__main__":
    main()
