"""The programs that docs/servers.md lists, and a PATH that has no other."""

import re
import shutil
from pathlib import Path

from tests.support.repository import text


def listed_programs() -> set[str]:
    """Every program of the table."""
    section = text("docs/servers.md").split("## Programs that are started\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([a-z][\w-]*)`", row)}


def only_listed(folder: Path) -> str:
    """A PATH with them alone, of this machine; and what reads scripts."""
    folder.mkdir()
    for name in {*listed_programs(), "bash", "env", "python3"}:
        if (found := shutil.which(name)) is not None:
            (folder / name).symlink_to(found)
    return str(folder)
