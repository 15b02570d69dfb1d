"""Command line of the benchmarks."""

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="emkit beside its peers")
    commands = parser.add_subparsers(dest="what", required=True)
    for name, text in (("mixture", "Gaussian mixtures, beside scikit-learn"), ("hmm", "hidden Markov models, beside hmmlearn")):
        one = commands.add_parser(name, help=text)
        one.add_argument("--repeats", type=int, default=3, help="paired runs of each problem (median quoted)")
        one.add_argument("--only", help="only problems whose name contains this")
        one.add_argument("--memory", help=argparse.SUPPRESS)
        one.add_argument("--skip-solution", action="store_true", help="iterations only, no time to solution")
    arguments = parser.parse_args()
    if arguments.what == "mixture":
        from benchmarks import mixture as chosen
    else:
        from benchmarks import hmm as chosen  # type: ignore[no-redef]
    chosen.main(arguments)


if __name__ == "__main__":
    main()
