"""From what a reader found of each node to a network: parents resolved, names put back, sizes checked before a table is made."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emkit.core.errors import DataError
from emkit.io.networks.extras import Extras
from emkit.io.networks.record import EXACT, Network, check_nodes
from emkit.io.networks.text import numbers, shaped


@dataclass
class Draft:
    """A node as it stands in a file.

    Attributes
    ----------
    key : str
        What the file calls it.
    states : tuple of str
        As the file has them.
    properties : dict
    extras : Extras
        What is meant instead: name, states and further properties.
    parents : tuple of str, or None
        Keys; None as long as no table was found.
    words : list of str
        The numbers of the table, parents' states slowest, the node's own fastest.
    outcomes : bool
        Whether they are not numbers but the state that each row has for certain.
    weights : bool
        Whether rows are to be scaled, whatever they add up to.
    """

    key: str
    states: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)
    parents: tuple[str, ...] | None = None
    words: Sequence[str] = ()
    outcomes: bool = False
    weights: bool = False

    @property
    def name(self) -> str:
        """What is meant."""
        return self.key if self.extras.name is None else self.extras.name

    def table(self, shape: tuple[int, ...]) -> np.ndarray:
        """Of the words."""
        if not self.outcomes:
            try:
                values = numbers(self.words, f"the table of node {self.key!r}")
            except DataError as error:
                raise DataError(str(error), column=self.key) from error
            table = shaped(values, self.key, shape)
            return scaled(table) if self.weights else table
        place = {state: i for i, state in enumerate(self.states)}
        unknown = next((word for word in self.words if word not in place), None)
        if unknown is not None:
            raise DataError(f"the table of node {self.key!r} names {unknown!r}, which is none of its states", column=self.key)
        rows = shaped([float(place[word]) for word in self.words], self.key, shape[:-1]).astype(np.int64)
        table = np.zeros((rows.size, shape[-1]))
        table[np.arange(rows.size), rows.ravel()] = 1.0
        return table.reshape(shape)


def scaled(table: np.ndarray) -> np.ndarray:
    """Rows over their sums. A row that adds up to 1 within rounding stays as it is, and so does one that has no positive sum."""
    total = table.sum(axis=-1, keepdims=True)
    loose = (np.abs(total - 1.0) > EXACT) & (total > 0) & np.isfinite(total)
    return np.divide(table, total, out=table.copy(), where=np.broadcast_to(loose, table.shape))


def assemble(drafts: Sequence[Draft], title: str = "", remarks: dict[str, str] | None = None) -> Network:
    """The network. Raises DataError whose ``column`` is the key of the node."""
    if not drafts:
        raise DataError("there is no node: this is no network")
    known = {draft.key: draft for draft in reversed(drafts)}
    if len(known) < len(drafts):
        twice = next(draft.key for draft in reversed(drafts) if known[draft.key] is not draft)
        raise DataError(f"two nodes are called {twice!r}", column=twice)
    above = [draft.parents for draft in drafts]
    for draft in drafts:
        if draft.parents is None:
            raise DataError(f"node {draft.key!r} has no table", column=draft.key)
        if draft.extras.states is not None and len(draft.extras.states) != len(draft.states):
            raise DataError(
                f"node {draft.key!r} has {len(draft.states)} states and {len(draft.extras.states)} names", column=draft.key
            )
    keys = tuple(draft.key for draft in drafts)
    check_nodes(keys, [draft.states for draft in drafts], [parents or () for parents in above])
    tables = [draft.table((*(len(known[p].states) for p in draft.parents or ()), len(draft.states))) for draft in drafts]
    # What the file says is checked under the file's names first, so that an error leads to its line.
    checked = Network(keys, tuple(draft.states for draft in drafts), tuple(parents or () for parents in above), tuple(tables))
    return Network(
        tuple(draft.name for draft in drafts),
        tuple(draft.states if draft.extras.states is None else draft.extras.states for draft in drafts),
        tuple(tuple(known[parent].name for parent in parents) for parents in checked.parents),
        checked.tables,
        {draft.name: said for draft in drafts if (said := {**draft.properties, **draft.extras.properties})},
        title,
        remarks or {},
    )
