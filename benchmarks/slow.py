"""Slow and easy problems from one start: E-steps and CPU time of EM and of what accelerates it, and what CONVERGED leaves."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks import measure
from benchmarks.problems import EASY, SLOW, Started

ALGORITHMS = ("auto", "accelerated", "em")
_MOST = 20_000


def fit(problem: Started, x: Any, start: dict[str, Any], **settings: Any) -> Any:
    """Followed until the stop rule is met."""
    return problem.make(init=start, n_init=1, **{"max_iter": _MOST, **settings}).fit(x)


def polished(problem: Started, x: Any, model: Any) -> float:
    """The objective where this basin ends: accelerated for long, then 200 plain iterations, in case it deceives itself."""
    further = fit(problem, x, model.parameters(), algorithm="accelerated", tol=1e-9, max_iter=3000)
    plain = fit(problem, x, further.parameters(), algorithm="em", tol=0, max_iter=200)
    return max(model.result_.objective, further.result_.objective, plain.result_.objective)


def steps_to(trace: Sequence[float], value: float) -> int | None:
    """E-steps until the objective is there; None if it never is."""
    return next((i + 1 for i, objective in enumerate(trace) if objective >= value), None)


def row_of(problem: Started, kind: str, repeats: int) -> dict[str, Any]:
    x, start = problem.data()
    models = {name: measure.took(lambda a=name: fit(problem, x, start, algorithm=a)).value for name in ALGORITHMS}
    slow = models["em"].result_.n_iter > 2000
    times = measure.side_by_side(
        {name: lambda a=name: fit(problem, x, start, algorithm=a) for name in ALGORITHMS},
        repeats if slow else 2 * repeats + 1,
        0.0 if slow else 0.05,
    )
    row: dict[str, Any] = {"problem": problem.name, "kind": kind}
    for name, model in models.items():
        result, end = model.result_, measure.took(lambda m=model: polished(problem, x, m)).value
        left = end - result.objective
        row[name] = {
            **times[name], "e_steps": result.n_iter + 1, "within_tol": steps_to(result.trace, end - result.tolerance),
            "objective": result.objective, "left": left, "reason": result.reason.name,
            "honest": not result.converged or left < result.tolerance,
        }  # fmt: skip
    em, tol = row["em"], models["em"].result_.tolerance
    for name in ALGORITHMS:
        # Where plain EM was cut off by max_iter, its count is a lower bound.
        row[name]["e_steps_of_em"] = row[name]["e_steps"] / em["e_steps"]
        row[name]["same_basin"] = abs(row[name]["objective"] + row[name]["left"] - em["objective"] - em["left"]) < 10 * tol
    return row


def medians(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of ratios to EM, of slow and of easy problems."""
    found: dict[str, Any] = {"dishonest": [f"{r['problem']}, {a}" for r in rows for a in ALGORITHMS if not r[a]["honest"]]}
    for kind in ("slow", "easy"):
        some = [row for row in rows if row["kind"] == kind]
        if some:
            found[kind] = {
                name: {what: statistics.median(row[name][what] for row in some) for what in ("e_steps_of_em", "ratio")}
                for name in ALGORITHMS
            }
            found[kind]["largest time ratio of auto"] = max(row["auto"]["ratio"] for row in some)
    return found


def table(arguments: Any, name: str) -> dict[str, Any]:
    rows = []
    print(f"{'problem':44}{'algorithm':12}{'E-steps':>9}{'to tol':>8}{'of EM':>8}{'CPU s':>9}{'of EM':>8}{'left':>11}")
    for kind, problems in (("slow", SLOW), ("easy", EASY)):
        for problem in problems[-2:] if arguments.quick else problems:
            if name not in problem.name:
                continue
            row = row_of(problem, kind, arguments.repeats)
            rows.append(row)
            for a in ALGORITHMS:
                one = row[a]
                remark = "" if one["honest"] else "  MORE THAN tol LEFT"
                remark += "" if one["same_basin"] else "  another basin"
                remark += "" if one["reason"] == "CONVERGED" else f"  {one['reason']}"
                print(
                    f"{problem.name:44}{a:12}{one['e_steps']:9d}{one['within_tol'] or '-':>8}{one['e_steps_of_em']:8.3f}"
                    f"{one['cpu']:9.4f}{one['ratio']:8.2f}{one['left']:11.2e}{remark}",
                    flush=True,
                )
    found = medians(rows)
    for kind in ("slow", "easy"):
        for a in ALGORITHMS[:2] if kind in found else ():
            one = found[kind][a]
            print(f"median of {kind}, {a}: E-steps {one['e_steps_of_em']:.3f} and time {one['ratio']:.2f} of EM's")
    print(f"CONVERGED with more than tol left: {'; '.join(found['dishonest']) or 'none'}")
    return {"rows": rows, "medians": found}
