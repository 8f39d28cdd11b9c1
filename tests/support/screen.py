"""The program at a real terminal (a pty) of a given width."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import programs

_DECIDES = frozenset(("CI", "NO_COLOR", "COLUMNS", "FORCE_COLOR"))
_ORDERS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Screen:
    """What a finished program sent to its terminal."""

    exit: int
    raw: str
    piped: str = ""  # its stdout, where that was not the terminal

    @property
    def lines(self) -> list[str]:
        """Each line, without orders to the terminal."""
        return re.split(r"\r\n|[\r\n]", _ORDERS.sub("", self.raw))  # a line that is drawn again begins with \r

    @property
    def plain(self) -> bool:
        """Whether it has nothing but lines."""
        return re.search(r"[^\x20-\x7e\r\n]", self.raw) is None


def at_terminal(
    arguments: Sequence[str | Path],
    cwd: Path,
    environ: Mapping[str, str],
    columns: int,
    *,
    result: bool = True,
    progress: bool = True,
    more: Mapping[str, str] | None = None,
) -> Screen:
    """Run the program with stdout (`result`) or stderr (`progress`) at a terminal."""
    known = {name: value for name, value in environ.items() if name not in _DECIDES}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, shown))
    reader.start()
    done = subprocess.run(
        [programs() / "hyops-gitops", *arguments],
        cwd=cwd,
        env={**known, "TERM": "xterm", **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=theirs if result else subprocess.PIPE,
        stderr=theirs if progress else subprocess.DEVNULL,
        check=False,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    return Screen(done.returncode, b"".join(shown).decode(), (done.stdout or b"").decode())


def _read(terminal: int, shown: list[bytes]) -> None:
    while True:
        try:
            shown.append(os.read(terminal, 65536))
        except OSError:  # its other end is closed
            return
