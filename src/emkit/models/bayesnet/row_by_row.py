"""The log probability of each of a few rows by NumPy alone, where that is quicker than loading what is compiled."""

import numpy as np

from emkit.models.bayesnet.components import Alike, components_of, patterns
from emkit.models.bayesnet.enumerate import FlatPlan
from emkit.models.bayesnet.tables import Layout


def logs_of_rows(layout: Layout, tables: np.ndarray, codes: np.ndarray, most: float) -> np.ndarray | None:
    """Log probability of what each row has observed, (n,); None where a component has more than ``most`` configurations.

    Parameters
    ----------
    layout : Layout
    tables : array (T,)
    codes : int array (n, N)
        State numbers, -1 where one is missing.
    most : float
    """
    codes = np.asarray(codes, dtype=np.int64)
    missing, total = codes < 0, np.zeros(len(codes))
    with np.errstate(divide="ignore"):
        logs = np.log(tables)
    for row, rows in patterns(missing):
        for nodes, families, bases in components_of(layout, codes[rows], missing[row], None):
            if not nodes:
                total[rows] += logs[bases[:, 0]]
                continue
            distinct, which = np.unique(bases, axis=0, return_inverse=True)
            plan = FlatPlan.of(layout, np.zeros(0), [Alike(nodes, families, distinct, np.ones(len(distinct)))], most)
            if plan is None:
                return None
            found = np.empty(plan.n_components)
            plan.sweep(tables, (0, plan.n_components), None, found)
            total[rows] += found[np.ravel(which)]
    return total
