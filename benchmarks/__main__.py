"""Command line of the benchmarks."""

import argparse
import os
from importlib import import_module
from pathlib import Path

MANY_THREADS = frozenset({"mixture", "hmm", "mixed", "latent_class", "autoclass", "bayes_net", "lrt"})
"""Benchmarks whose libraries may take every core; all others are of one thread."""
OWN_THREADS = frozenset({"out_of_core"})
"""Those of others that say themselves how many threads emkit has, which OMP_NUM_THREADS would limit."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="emkit beside its peers")
    commands = parser.add_subparsers(dest="what", required=True)
    for name, text in (("mixture", "Gaussian mixtures, beside scikit-learn"), ("hmm", "hidden Markov models, beside hmmlearn")):
        one = commands.add_parser(name, help=text)
        one.add_argument("--repeats", type=int, default=3, help="paired runs of each problem (median quoted)")
        one.add_argument("--only", help="only problems whose name contains this")
        one.add_argument("--memory", help=argparse.SUPPRESS)
        one.add_argument("--skip-solution", action="store_true", help="iterations only, no time to solution")
    mixed = commands.add_parser("mixed", help="tables of columns of different kinds: time and memory of an iteration")
    mixed.add_argument("--repeats", type=int, default=5, help="iterations of each problem (median quoted)")
    mixed.add_argument("--only", help="only problems whose name contains this")
    mixed.add_argument("--memory", help=argparse.SUPPRESS)
    latent = commands.add_parser("latent_class", help="latent class analysis, beside stepmix; three-step corrections by simulation")
    latent.add_argument("--repeats", type=int, default=3, help="paired runs of each problem (median quoted)")
    latent.add_argument("--only", help="only problems whose name contains this; survey; three-step")
    latent.add_argument("--stepmix", help="the Python that has stepmix; this one by default")
    latent.add_argument("--simulations", type=int, default=200, help="data sets of the three-step part")
    answer = commands.add_parser("answer", help="from a cold start to the answer, beside scikit-learn and hmmlearn; one thread")
    answer.add_argument("--repeats", type=int, default=3, help="seeds of each simulated mixture, paired runs of all others")
    answer.add_argument(
        "--only", help="a part: simulated, slow, waiting or galleries; slow/HMM: its problems whose name contains HMM"
    )
    answer.add_argument("--quick", action="store_true", help="a few problems of each part")
    answer.add_argument("--search", type=int, default=0, help="further fits of each simulated mixture that look for better answers")
    answer.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/answer.json")
    answer.add_argument("--fresh", help=argparse.SUPPRESS)
    shapes = commands.add_parser(
        "shapes", help="fourteen covariance shapes on iris and faithful, beside mclust's tables; one thread"
    )
    shapes.add_argument("--repeats", type=int, default=3, help="timed runs of the grid with one start")
    shapes.add_argument("--only", help="iris, faithful or a shape such as VEV")
    shapes.add_argument("--quick", action="store_true", help="two components alone")
    shapes.add_argument("--one-start", action="store_true", help="only the grid of faithful with one start a cell")
    shapes.add_argument("--save", type=Path, help="where the JSON goes")
    nets = commands.add_parser("bayes_net", help="Bayesian networks with missing cells, beside pyAgrum; one thread")
    nets.add_argument("--networks", required=True, help="a folder of BIF files, such as pgmpy's example_models")
    nets.add_argument("--pyagrum", help="the Python that has pyAgrum; this one by default")
    nets.add_argument("--pgmpy", help="the Python that has pgmpy 1.1.2; this one by default")
    nets.add_argument("--repeats", type=int, default=3, help="times five iterations of each problem (median quoted)")
    nets.add_argument("--only", help="only problems whose name contains this")
    graphs = commands.add_parser("structure", help="graphs of networks learnt from rows, beside pyAgrum and pgmpy; one thread")
    graphs.add_argument("--networks", required=True, help="a folder of BIF files: asia, child, insurance, alarm")
    graphs.add_argument("--pyagrum", help="the Python that has pyAgrum; this one by default")
    graphs.add_argument("--pgmpy", help="the Python that has pgmpy 1.1.2; this one by default")
    graphs.add_argument("--seeds", type=int, help="at most so many data sets of each network")
    graphs.add_argument("--only", help="only networks whose name contains this")
    graphs.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/structure.json")
    lrt = commands.add_parser("lrt", help="bootstrap likelihood-ratio test: time, and p values under the null hypothesis")
    lrt.add_argument("--only", choices=("time", "uniform"), help="a part")
    lrt.add_argument("--replicates", type=int, default=200, help="of the timed test")
    lrt.add_argument("--processes", type=int, help="of the timed test; all cores by default")
    lrt.add_argument("--simulations", type=int, default=200, help="data sets under the null hypothesis")
    select = commands.add_parser(
        "select", help="mclust's grid on faithful and iris, beside mclust; the true number of classes; one thread"
    )
    select.add_argument("--only", choices=("faithful", "iris", "simulated"), help="a part")
    select.add_argument("--all", action="store_true", help="also without dropping candidates that have no hope")
    select.add_argument("--repeats", type=int, default=1, help="timed runs of each grid (median quoted)")
    classes = commands.add_parser("autoclass", help="AutoClass on the program's own cars, beside the program; simulated tables")
    classes.add_argument("--only", choices=("cars", "simulated"), help="a part")
    classes.add_argument("--budget", type=float, nargs="+", default=[10.0, 60.0], help="seconds of a search")
    classes.add_argument("--seeds", type=int, default=5, help="searches of each length")
    rbf = commands.add_parser("rbf", help="RBF networks on ten problems, beside seven of scikit-learn's; one thread")
    rbf.add_argument("--only", help="only problems whose name contains this")
    rbf.add_argument("--seeds", type=int, default=8, help="data sets of each problem")
    rbf.add_argument("--peer-seeds", type=int, default=8, help="of these, data sets that the peers get")
    rbf.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/rbf.json")
    classes = commands.add_parser("rbf_classes", help="RBF classifiers beside four of scikit-learn's; one thread")
    classes.add_argument("--seeds", type=int, default=5, help="splits of each problem")
    classes.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/rbf_classes.json")
    gmr = commands.add_parser("gmr", help="Gaussian mixture regression, beside gmr; one thread")
    gmr.add_argument("--rows", type=int, default=20_000)
    gmr.add_argument("--repeats", type=int, default=3, help="paired runs (median quoted)")
    gmr.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/gmr.json")
    coverage = commands.add_parser("coverage", help="how often 95 % intervals hold the truth, of three models; one thread")
    coverage.add_argument("--times", type=int, default=500, help="data sets of each model")
    coverage.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/coverage.json")
    online = commands.add_parser("online", help="one pass of online EM beside EM; one thread")
    online.add_argument("--only", help="only problems whose name contains this")
    online.add_argument("--seeds", type=int, default=3, help="data sets of each problem")
    online.add_argument("--repeats", type=int, default=3, help="timed passes of each (median quoted)")
    online.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/online.json")
    cluster = commands.add_parser("cluster", help="E-steps on local Dask clusters and on Spark, beside one process and MLlib")
    cluster.add_argument("--only", choices=("dask", "spark"), help="a part")
    cluster.add_argument("--rows", type=int, default=1_000_000)
    cluster.add_argument("--spark-rows", type=int, default=1_000_000)
    cluster.add_argument("--repeats", type=int, default=5, help="turns (median quoted)")
    cluster.add_argument("--passes", type=int, default=4, help="passes of a turn")
    beyond = commands.add_parser("out_of_core", help="a folder of Parquet beside the same rows in memory; peak memory of fits")
    beyond.add_argument("--rows", type=int, default=2_000_000, help="of the rates")
    beyond.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 4_000_000, 14_000_000], help="rows of the whole fits")
    beyond.add_argument("--repeats", type=int, default=5, help="passes of each, turn and turn about (median quoted)")
    beyond.add_argument("--folder", type=Path, help="where the files are written and removed; the system's temporary folder")
    beyond.add_argument("--fit", help=argparse.SUPPRESS)
    tensors = commands.add_parser("torch", help="mixtures on torch tensors, beside compiled code and scikit-learn; on a card too")
    tensors.add_argument("--rows", type=int, default=400_000, help="on the CPU")
    tensors.add_argument("--card-rows", type=int, default=10_000_000, help="on a card")
    tensors.add_argument("--repeats", type=int, default=5, help="timed iterations of each, turn and turn about (median quoted)")
    tensors.add_argument("--save", type=Path, help="where the JSON goes, instead of benchmarks/results/torch.json")
    arguments = parser.parse_args()
    if arguments.what not in MANY_THREADS:  # before NumPy is imported, here and in the processes that are started from here
        own = ("OMP",) if arguments.what not in OWN_THREADS else ()
        os.environ.update({f"{library}_NUM_THREADS": "1" for library in (*own, "OPENBLAS", "MKL", "NUMBA")})
    if arguments.what == "torch":
        os.environ["SCIPY_ARRAY_API"] = "1"  # scikit-learn takes tensors only then
    import_module(f"benchmarks.{arguments.what}").main(arguments)


if __name__ == "__main__":
    main()
