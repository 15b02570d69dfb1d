"""Draws docs/images/earthquakes.png: the counts, the rate of the decoded state, and the smoothed probabilities.

python docs/make_earthquakes_figure.py
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from emkit import HMM

ROOT = Path(__file__).resolve().parents[1]
COLOURS = ("#4477aa", "#ccbb44", "#cc3311")


def main() -> None:
    """Fit three states and draw."""
    data = np.genfromtxt(ROOT / "tests" / "support" / "data" / "earthquakes.csv", delimiter=",", skip_header=1)
    years, counts = data[:, 0], data[:, 1:]
    model = HMM(3, emission="poisson", random_state=0).fit(counts)
    path, probabilities = model.predict(counts), model.predict_proba(counts)

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5.4), sharex=True, height_ratios=(2.2, 1), layout="constrained")
    top.plot(years, counts[:, 0], color="0.75", linewidth=1, zorder=1)
    top.scatter(years, counts[:, 0], c=[COLOURS[k] for k in path], s=18, zorder=3)
    top.step(years, model.rates_[path, 0], where="mid", color="black", linewidth=1.3, zorder=2, label="rate of the decoded state")
    top.set(ylabel="major earthquakes", ylim=(0, None), xlim=(years[0] - 0.5, years[-1] + 0.5))
    top.legend(frameon=False, loc="upper right")
    labels = [f"state {k}, rate {rate:.1f}" for k, rate in enumerate(model.rates_[:, 0])]
    bottom.stackplot(years, probabilities.T, colors=COLOURS, labels=labels, linewidth=0)
    bottom.set(ylabel="P(state | all counts)", ylim=(0, 1), xlabel="year")
    figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(ROOT / "docs" / "images" / "earthquakes.png", dpi=110)


if __name__ == "__main__":
    main()
