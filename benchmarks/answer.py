"""From a cold start to the answer: how long users wait, and how good what they get is. Four parts, each in a file of its own."""

import json
from typing import Any

from benchmarks import galleries, measure, simulated, slow, waiting

PARTS = {"simulated": simulated, "slow": slow, "waiting": waiting, "galleries": galleries}


def main(arguments: Any) -> None:
    if arguments.fresh:
        print(json.dumps(waiting.in_this_process(arguments.fresh, arguments.repeats)))
        return
    part, _, name = (arguments.only or "").partition("/")
    if part and part not in PARTS:
        raise SystemExit(f"--only {arguments.only}: give one of {', '.join(PARTS)}, or part/name")
    result: dict[str, Any] = {"machine": measure.machine(), "quick": arguments.quick}
    for title, module in PARTS.items():
        if part in ("", title):
            print(f"== {title}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
            result[title] = module.table(arguments, name)
            print()
    print(f"saved {measure.save('answer', result, arguments.save)}")
