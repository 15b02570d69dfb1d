"""Copies of streams in a form that is read fastest: uncompressed Arrow IPC, whose rows lie as E-steps read them."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.data.layout import Layout
from emkit.data.parquet import PART_ROWS
from emkit.data.parts import StreamPart, Tally
from emkit.data.pieces import FilePiece, Piece, stamp

_FORMAT = 1
_MANIFEST = "rows.json"


@dataclass(frozen=True)
class CachedPiece(FilePiece):
    """One file of a copy: record batches of a column of rows, and one of weights."""

    of: str = ""
    d: int = 1
    n_rows: int = 0

    def chunks(self, names: list[str] | None) -> Iterator[Block]:
        """Batch by batch; copied, since mapped memory counts as long as it is mapped."""
        import pyarrow as pa

        self.check()
        with pa.memory_map(self.path) as file, pa.ipc.open_file(file) as reader:
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                x = np.array(batch.column(0).flatten().to_numpy()).reshape(-1, self.d)
                yield Block(x, np.array(batch.column(1).to_numpy()) if batch.num_columns > 1 else None)

    @property
    def called(self) -> str:
        """By what it is a copy of, too."""
        return f"{self.path!r}, a copy of {self.of}"

    @property
    def rows(self) -> int | None:
        """Known."""
        return self.n_rows


class Cache:
    """The copy of one stream, in a folder of its own inside of ``folder``.

    Parameters
    ----------
    folder : path
    pieces, layout
        What is copied: they tell whether a copy that is there is one of the same rows.
    """

    def __init__(self, folder: Any, pieces: Sequence[Piece], layout: Layout):
        self.folder, self.layout = Path(folder), replace(layout, stored=None)  # a copy has the columns in the order of the names
        identities = [piece.identity for piece in pieces]
        self.lasts = all(identity is not None for identity in identities)
        self._stamps = sorted({(one[0], one[1], one[2]) for one in identities if one is not None})
        columns = [[c.name, c.kind, None if c.levels is None else list(map(repr, c.levels))] for c in layout.columns.items]
        about = [_FORMAT, identities, columns, list(layout.names), layout.float32, layout.weights]
        about += [] if layout.stored is None else [list(layout.stored)]
        if not self.lasts:
            about.append(np.random.default_rng().integers(2**62).item())  # nobody can tell whether it is the same: never reused
        self.key = sha256(json.dumps(about, default=str).encode()).hexdigest()[:16]
        self.home = self.folder / f"emkit-{self.key}"
        self.failed: OSError | None = None

    def found(self) -> list[StreamPart] | None:
        """The parts of a complete copy of the same rows that is there already; None if there is none."""
        try:
            manifest = json.loads((self.home / _MANIFEST).read_text())
            made = [self._part(self.home / name, rows, digest, of) for name, rows, digest, of in manifest["files"]]
        except (OSError, ValueError, KeyError):
            return None
        return made if self.lasts and manifest.get("key") == self.key else None

    def prepare(self) -> None:
        """Make the folder; remove copies of files that have changed or gone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for other in self.folder.glob("emkit-*"):
                if other != self.home and _is_stale(other):
                    shutil.rmtree(other, ignore_errors=True)
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir()
        except OSError as error:
            self.failed = error

    def finish(self, files: Sequence[tuple[str, Tally, str]]) -> list[StreamPart] | None:
        """The parts of the copy once it is complete; None, and nothing left behind, if it could not be written."""
        if self.failed is None:
            try:
                listed = [[name, tally.rows, tally.digest, of] for name, tally, of in files]
                text = json.dumps({"key": self.key, "files": listed, "of": self._stamps if self.lasts else None})
                (self.home / _MANIFEST).write_text(text)
                return [self._part(self.home / name, tally.rows, tally.digest, of) for name, tally, of in files]
            except OSError as error:
                self.failed = error
        self.remove()
        return None

    def remove(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _part(self, path: Path, rows: int, digest: int, of: str) -> StreamPart:
        piece = CachedPiece(str(path), stamp(str(path)), of, len(self.layout.columns), rows)
        return StreamPart(piece, self.layout, expected=(rows, digest))


class Writer:
    """Writes the blocks of one part, a file for every ``PART_ROWS`` rows. Does nothing once the cache has failed."""

    def __init__(self, cache: Cache, number: int, of: str):
        self._cache, self._number, self._of = cache, number, of
        self.files: list[tuple[str, Tally, str]] = []
        self._open: Any = None

    def write(self, block: Block) -> None:
        """One block more."""
        if self._cache.failed is not None:
            return
        try:
            self._write(np.ascontiguousarray(block.x), block.weights)
        except OSError as error:
            self._cache.failed = error
            self.close()

    def close(self) -> None:
        """The file is complete, or given up."""
        if self._open is not None:
            opened, self._open = self._open, None
            try:
                opened.close()
            except OSError as error:
                self._cache.failed = self._cache.failed or error

    def _write(self, x: np.ndarray, weights: np.ndarray | None) -> None:
        import pyarrow as pa

        if self._open is not None and self.files[-1][1].rows + len(x) > PART_ROWS:
            self.close()
        fields = [pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])]
        fields += [] if weights is None else [pa.array(np.asarray(weights))]
        batch = pa.RecordBatch.from_arrays(fields, ["rows", "weights"][: len(fields)])
        if self._open is None:
            name = f"{self._number:06d}-{len(self.files):04d}.arrow"
            self._open = open_writer(self._cache.home / name, batch.schema)
            self.files.append((name, Tally(), self._of))
        self._open.write_batch(batch)
        self.files[-1][1].add(x, weights)


def open_writer(path: Path, schema: Any) -> Any:
    """A writer of record batches to a file."""
    import pyarrow as pa

    return pa.ipc.new_file(str(path), schema)


def _is_stale(home: Path) -> bool:
    """Whether a copy is of files that have changed or gone, or was left behind by a process that ended early."""
    try:
        manifest = json.loads((home / _MANIFEST).read_text())
        if manifest["of"] is None:
            return False  # of a stream that some other process may be using
    except (OSError, ValueError, KeyError):
        return False
    with suppress(Exception):
        return any(list(stamp(path)) != [size, time] for path, size, time in manifest["of"])
    return True
