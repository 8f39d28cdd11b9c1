"""What the tests of documentation and scripts read."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "endpoints/*.md", "authority/*.md")
    for path in ROOT.glob(pattern)
    if path.is_file()
)
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def text(path: str) -> str:
    """A file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def first_cells(page: str, header: str) -> list[tuple[str, ...]]:
    """The rows of the table whose header row starts with this cell, split into cells."""
    rows = page.split(f"| {header} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [tuple(cell.strip() for cell in row.strip().strip("|").split(" | ")) for row in rows]


def code_blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def tracked_files() -> list[Path]:
    """What Git tracks; nothing in an unpacked archive."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, env=ENVIRON, capture_output=True, text=True, check=False)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
