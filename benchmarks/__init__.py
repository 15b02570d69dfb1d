"""Speed beside other libraries: ``python -m benchmarks mixture`` and ``python -m benchmarks hmm``."""
