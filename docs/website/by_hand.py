"""Pictures that no page's own code draws: of the earthquakes, of all shapes and numbers of components, of the demo, of a report."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from pyarrow import csv

from emkit import HMM, GaussianMixture, select
from emkit.demo.animation import Scene
from emkit.demo.ways import document_way, faithful_way

ROOT = Path(__file__).resolve().parents[2]
DATA, IMAGES = ROOT / "tests" / "support" / "data", ROOT / "docs" / "images"
COLOURS = ("#4477aa", "#ccbb44", "#cc3311")


def earthquakes(path: Path) -> None:
    """The counts, the rate of the decoded state, and the smoothed probabilities."""
    data = np.genfromtxt(DATA / "earthquakes.csv", delimiter=",", skip_header=1)
    years, counts = data[:, 0], data[:, 1:]
    model = HMM(3, emission="poisson", random_state=0).fit(counts)
    states, probabilities = model.predict(counts), model.predict_proba(counts)

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5.4), sharex=True, height_ratios=(2.2, 1), layout="constrained")
    top.plot(years, counts[:, 0], color="0.75", linewidth=1, zorder=1)
    top.scatter(years, counts[:, 0], c=[COLOURS[k] for k in states], s=18, zorder=3)
    top.step(years, model.rates_[states, 0], where="mid", color="black", linewidth=1.3, zorder=2, label="rate of the decoded state")
    top.set(ylabel="major earthquakes", ylim=(0, None), xlim=(years[0] - 0.5, years[-1] + 0.5))
    top.legend(frameon=False, loc="upper right")
    labels = [f"state {k}, rate {rate:.1f}" for k, rate in enumerate(model.rates_[:, 0])]
    bottom.stackplot(years, probabilities.T, colors=COLOURS, labels=labels, linewidth=0)
    bottom.set(ylabel="P(state | all counts)", ylim=(0, 1), xlabel="year")
    figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def choose_how_many(path: Path) -> None:
    """BIC of Old Faithful for every shape and one to nine components."""
    x = np.genfromtxt(DATA / "faithful.csv", delimiter=",", skip_header=1)
    found = select(GaussianMixture(), x, grid={"n_components": range(1, 10), "covariance_type": "all"}, drop=False, random_state=0)
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    found.plot(ax=axes)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def animation(path: Path) -> None:
    """One moment of the moving demo."""
    scene = Scene(document_way(0, 4), faithful_way(12))
    scene.show((1, 1.75))
    scene.figure.savefig(path, dpi=70)


def demo(path: Path) -> None:
    """As the command draws it."""
    subprocess.run([sys.executable, "-m", "emkit", "demo", "--out", str(path)], check=True, stdout=subprocess.DEVNULL)


def report(path: Path) -> None:
    """The upper part of a report, as chromium shows it; where that is not at hand, the picture that there is."""
    if shutil.which("chromium") is None:
        shutil.copy(IMAGES / path.name, path)
        return
    table = csv.read_csv(DATA / "faithful.csv")
    with tempfile.TemporaryDirectory() as folder:
        page = GaussianMixture(2, random_state=0).fit(table).report(Path(folder) / "faithful.html", table)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,1360"]
        subprocess.run(["chromium", *flags, f"--screenshot={path}", page.as_uri()], check=True, capture_output=True)
    with Image.open(path) as shot:
        small = shot.convert("RGB").resize((900, 1020), Image.Resampling.LANCZOS)
    small.save(path)


DRAWN = {
    "earthquakes.png": earthquakes,
    "choose-how-many.png": choose_how_many,
    "plots-animation.png": animation,
    "demo.png": demo,
    "report.png": report,
}
"""By name."""
