"""The tutorial is run like a notebook: its cells in order, and what they print is what it shows.

UPDATE_TUTORIAL=1 writes what they print into it instead.
"""

import contextlib
import io
import os
import re
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "python.md"
CELL = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)


def test_cells_print_what_the_tutorial_shows():
    text = TUTORIAL.read_text()
    names = {"__name__": "tutorial"}
    renewed, wrong, shown = [], [], 0
    at = 0
    for cell in CELL.finditer(text):
        code, expected = cell.groups()
        line = text[: cell.start()].count("\n") + 2
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            # Blank lines before it, so that a traceback has the lines of the file.
            exec(compile("\n" * (line - 1) + code, str(TUTORIAL), "exec"), names)
        printed = out.getvalue()
        if printed != (expected or ""):
            wrong.append(f"the cell in line {line} prints\n{printed}")
        shown += expected is not None
        renewed.append(text[at : cell.start(2)] + printed if expected is not None else text[at : cell.end()])
        at = cell.end(2) if expected is not None else cell.end()
    assert shown >= 5
    if os.environ.get("UPDATE_TUTORIAL"):
        TUTORIAL.write_text("".join(renewed) + text[at:])
    else:
        assert not wrong, "\n".join(wrong)
