"""AutoClass on the 205 cars of the program's own example: the score reached in a given time, beside the program where it is there.

The program is run as Debian ships it (``autoclass -search``), with the same wall-clock time; without it ours runs alone. And how
often the true number of classes is found in simulated tables of mixed columns.
"""

import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import AutoClass, read_autoclass

_DATA = Path(__file__).parents[1] / "tests" / "support" / "data"
# Blanks, a colon and the case of the words differ between versions and between the screen and the log. A longer name that ends in
# the word, such as marginal_probability, is another quantity.
_SCORE = re.compile(
    r"(?<![\w-])(?:PROBABILITY|log_a_posteriori_prob)\s*[:=]?\s*(?:exp\s*\(\s*)?(-?\d[\d.]*(?:e[+-]?\d+)?)", re.IGNORECASE
)


def ours(budget: float, seed: int) -> dict[str, Any]:
    """The score after so many seconds."""
    cars = read_autoclass(_DATA / "imports-85c.db2")
    one = measure.took(lambda: AutoClass(time_limit=budget, max_tries=None, random_state=seed).fit(cars))
    model = one.value
    return {
        "log_marginal": model.log_marginal_,
        "classes": model.n_components_,
        "tries": model.tries_,
        "cpu": one.cpu,
        "wall": one.wall,
    }


def theirs(budget: float) -> dict[str, Any] | None:
    """The program's best log marginal after so many seconds; None where it is not installed.

    Raises ValueError where the program ran and no score can be read from what it wrote.
    """
    program = shutil.which("autoclass")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("db2", "hd2", "model"):
            shutil.copy(_DATA / f"imports-85c.{suffix}", folder)
        Path(folder, "imports-85c.s-params").write_text(
            f"max_duration = {int(budget)}\nforce_new_search_p = true\ninteractive_p = false\nrandomize_random_p = true\n"
        )
        files = [f"imports-85c.{suffix}" for suffix in ("db2", "hd2", "model", "s-params")]
        done = subprocess.run([program, "-search", *files], cwd=folder, capture_output=True, text=True, check=False)
        # What the program prints is in its log too, and only there where it runs without a terminal
        logs = [path.read_text(errors="replace") for path in sorted(Path(folder).glob("*.log"))]
    return {"log_marginal": best_score("\n".join([done.stdout, *logs, done.stderr]))}


def best_score(text: str) -> float:
    """The highest log marginal in what the program wrote, such as ``PROBABILITY  exp(-16290.345) N_CLASSES   10 FOUND ON TRY``.

    Raises ValueError, with the end of the text, where there is none.
    """
    found = [float(number) for number in _SCORE.findall(text)]
    if not found:
        raise ValueError(f"could not read a score from what autoclass wrote, which ends: {text.strip()[-200:]!r}")
    return max(found)


def table(seed: int, n: int = 500, k: int = 4) -> tuple[Any, int]:
    """A table of three numbers and three categories in which k classes lie about three standard deviations apart."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    kind = rng.integers(k, size=n)
    columns: dict[str, Any] = {}
    for j in range(3):
        columns[f"x{j}"] = rng.normal(3.0 * rng.permutation(k)[kind], 1.0).round(2)
    for j in range(3):
        columns[f"c{j}"] = np.array(list("abcd"))[
            np.where(rng.random(n) < 0.7, rng.permutation(4)[kind % 4], rng.integers(4, size=n))
        ]
    return pd.DataFrame(columns), k


def main(arguments: Any) -> None:
    result: dict[str, Any] = {"machine": measure.machine(), "cars": [], "simulated": []}
    if not arguments.only or arguments.only == "cars":
        print(f"{'seconds':>8}{'seed':>6}{'log marginal':>14}{'classes':>9}{'tries':>7}{'CPU s':>8}{'the program':>14}")
        for budget in arguments.budget:
            for seed in range(arguments.seeds):
                found, peer = ours(budget, seed), theirs(budget)
                beside = f"{peer['log_marginal']:14.2f}" if peer else "not installed".rjust(14)
                print(
                    f"{budget:8g}{seed:6}{found['log_marginal']:14.2f}{found['classes']:9}{found['tries']:7}{found['cpu']:8.1f}{beside}",
                    flush=True,
                )
                result["cars"].append({"budget": budget, "seed": seed, **found, "program": peer})
    if not arguments.only or arguments.only == "simulated":
        times = []
        for seed in range(20):
            rows, k = table(seed)
            one = measure.took(lambda rows=rows: AutoClass(max_tries=2, random_state=0).fit(rows))
            times.append(one.cpu)
            result["simulated"].append({"seed": seed, "true": k, "found": one.value.n_components_})
        right = sum(row["true"] == row["found"] for row in result["simulated"])
        print(f"true number of classes found in {right} of 20 simulated tables; {statistics.median(times):.2f} CPU s each")
    print(f"\nsaved {measure.save('autoclass', result)}")
