"""``emkit query``: what a network says of some nodes when others are known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli.exits import Refusal
from emkit.cli.options import AsJson, Quiet
from emkit.cli.talk import Talk


def command(
    model: Annotated[Path, typer.Argument(help="Model file of a network, or a network file: .bif, .xmlbif, .net, .xdsl, .uai.")],
    of: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE,...", help="Nodes whose joint distribution is asked for; each on its own by default."),
    ] = None,
    given: Annotated[list[str] | None, typer.Option(metavar="NODE=STATE,...", help="What is known.")] = None,
    soft: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE=STATE:NUMBER;...", help="Uncertain evidence: how probable what was seen is in each state."),
    ] = None,
    do: Annotated[
        list[str] | None, typer.Option(metavar="NODE=STATE,...", help="What is set from outside, whatever its causes.")
    ] = None,
    most_probable: Annotated[bool, typer.Option("--most-probable", help="The most probable states of all nodes together.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print the distribution of nodes of a network, given what is known of others."""
    from emkit.cli.evidence_text import asked, assignments, likelihoods
    from emkit.cli.writing import print_json

    of_, given_, soft_, do_ = map(_joined, (of, given, soft, do))
    with Talk(quiet).warnings():
        network = _network(model)
        names, states = network.structure_.graph.names, network.structure_.states

        def named(found: dict[int, Any]) -> dict[str, Any]:
            return {names[node]: states[node][value] if states[node] else value for node, value in found.items()}

        if do_ is not None:
            network = network.do(named(assignments(do_, names, states, "--do")))
        known = {} if given_ is None else named(assignments(given_, names, states))
        if most_probable:
            if of_ is not None or soft_ is not None:
                raise Refusal("--most-probable is of all nodes, given what is known; leave out --of and --soft")
            found, log_probability = network.most_probable(known)
            if as_json:
                print_json({"given": known, "most_probable": found, "log_probability": log_probability})
            else:
                wide = max(map(len, map(str, found)))
                print("\n".join(f"{name:<{wide}}  {state}" for name, state in found.items()))
            return
        seen = None if soft_ is None else {names[node]: values for node, values in likelihoods(soft_, names, states).items()}
        groups = [[name] for name in names if name not in known] if of_ is None else [[names[node] for node in asked(of_, names)]]
        answers = [network.query(group, known, soft=seen) for group in groups]
    if as_json:
        print_json({"given": known, "answers": [{"nodes": list(a.names), **a.parts()} for a in answers]})
    else:
        print("\n\n".join(map(str, answers)))


def _joined(texts: list[str] | None) -> str | None:
    """An option that was given several times, as if it had been given once."""
    return ",".join(texts) if texts else None


def _network(path: Path) -> Any:
    """A network from a model file or a network file. Refuses other models."""
    from emkit.cli.estimators import open_model
    from emkit.estimators.bayesian_network import BayesianNetwork

    if not path.is_file():
        raise Refusal(f"no such file: {str(path)!r}")
    if path.suffix != ".safetensors":
        return BayesianNetwork.from_file(path)
    fitted, _ = open_model(path)
    if not fitted.answers_queries:
        raise Refusal(f"{str(path)!r} holds a {type(fitted).__name__}; queries are asked of Bayesian networks")
    return fitted
