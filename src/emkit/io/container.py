"""Arrays and a JSON header in one .safetensors file, written so that a crash or a full disk leaves the old file whole."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.errors import ModelFileError

SCHEMA_VERSION = 2
_KEY = "emkit"
_NO_DIGEST = "0" * 64


def write(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write to a temporary file beside ``path``, flush it to disk, then rename it over ``path``.

    Raises
    ------
    OSError
        If the folder is missing, not writable, or full; what was at ``path`` is untouched.
    """
    from safetensors.numpy import save

    text = json.dumps({"schema_version": SCHEMA_VERSION, **header, "sha256": _NO_DIGEST}, allow_nan=True)
    contiguous = {name: np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value) for name, value in arrays.items()}
    # One key only: safetensors writes several in any order, and the same model should be the same bytes.
    put(path, save(contiguous, {_KEY: text.replace(_NO_DIGEST, _digest(text, contiguous))}))


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise FileNotFoundError where the folder of a file that is to be written is not there: better before a fit than after it."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"cannot write {Path(path).name!r}: there is no folder", str(folder))


def put(path: str | os.PathLike[str], data: bytes) -> None:
    """Bytes into a file, by way of a temporary one beside it; until all are on disk, what was at ``path`` is untouched."""
    check_folder(path)
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _default_permissions(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Of everything in the file, zeros standing where it goes: .safetensors itself would not notice a changed number."""
    total = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        value = np.asarray(arrays[name])
        total.update(f"{name} {value.dtype.str} {value.shape}".encode())
        total.update(value.tobytes())
    return total.hexdigest()


def _default_permissions(path: str) -> None:
    """Mkstemp makes files private; a model file gets what open() would have given it."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """What kind of file it is, as ``write`` was told; None for what cannot be read: ``read`` says why."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return str(json.loads((file.metadata() or {})[_KEY])["kind"])
    except (SafetensorError, ValueError, OSError, KeyError, TypeError):
        return None


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a file that ``write`` made with ``header["kind"] == kind``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If it is damaged, truncated, not emkit's, of another kind, or from a newer schema.
    """
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise ModelFileError(f"{os.fspath(path)!r} is a folder; give the path of a file in it")
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {os.fspath(path)!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(
            f"{os.fspath(path)!r} is not a readable .safetensors file: it is damaged, cut short, or something else ({error})"
        ) from error
    if _KEY not in metadata:
        raise ModelFileError(f"{os.fspath(path)!r} is a .safetensors file, but not one that emkit wrote")
    try:
        header = json.loads(metadata[_KEY])
        version = int(header["schema_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{os.fspath(path)!r}: its description is damaged ({error})") from error
    if version > SCHEMA_VERSION:
        raise ModelFileError(
            f"{os.fspath(path)!r} has schema version {version}, this emkit reads up to {SCHEMA_VERSION}; upgrade emkit"
        )
    if version < SCHEMA_VERSION:
        raise ModelFileError(
            f"{os.fspath(path)!r} has schema version {version}, which emkit wrote before its first release; this emkit reads "
            f"{SCHEMA_VERSION}: fit again"
        )
    found = str(header.get("sha256"))
    if found != _digest(metadata[_KEY].replace(found, _NO_DIGEST), arrays):
        raise ModelFileError(f"{os.fspath(path)!r} is damaged: its contents do not match their checksum")
    if header.get("kind") != kind:
        raise ModelFileError(f"{os.fspath(path)!r} holds a {header.get('kind')!r}, not a {kind}")
    return header, arrays
