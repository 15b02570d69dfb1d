"""``python -m emkit`` is the command ``emkit``."""

from emkit.cli.entry import main

if __name__ == "__main__":
    main()
