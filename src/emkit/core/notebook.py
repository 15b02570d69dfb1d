"""What notebooks show of results: short, and with names from data escaped."""

from html import escape

_LINES, _WIDTH = 60, 200


def preformatted(text: str, most: int = _LINES) -> str:
    """Text as HTML that stands as it is printed; at most so many lines of it."""
    lines = [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…" for line in text.splitlines()]
    if len(lines) > most:
        lines = [*lines[:most], f"… {len(lines) - most} more lines: print it"]
    return f'<pre style="margin:0;line-height:1.3;overflow-x:auto">{escape(chr(10).join(lines))}</pre>'


class Printed:
    """Results that a notebook shows as ``print`` does."""

    def _repr_html_(self) -> str:
        return preformatted(str(self))
