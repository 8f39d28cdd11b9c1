"""Remembers in the clone how far its log was verified. Meets the port `VerifiedMark`.

One small file in `<git common dir>/hyops-gitops/`, shared by all work trees. It is a cache: one that cannot be read, or
written, costs time and nothing else. Who may write there may replace this program as well.
"""

import contextlib
import json
from pathlib import Path

from hyops_gitops.adapters.files.files import replace_file
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import Verified

_FOLDER = "hyops-gitops"
_FILE = "verified.json"
_FORMAT = "hyops-verified/1"
_LONGEST = 4096  # octets of a mark that is worth reading


class GitVerifiedMark:
    """The mark of one clone."""

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def read(self) -> Verified | None:
        """What was verified last; None where nothing, or nothing legible, is remembered."""
        try:
            with self._path().open("rb") as file:
                fields = json.loads(file.read(_LONGEST))
        except (OSError, ValueError, RecursionError, HyopsError):
            return None
        match fields:
            case {
                "format": "hyops-verified/1",
                "zone": str(zone),
                "commit": str(commit),
                "genesis": str(genesis),
                "signers": str(signers),
            }:
                return Verified(zone, commit, genesis, signers)
            case _:
                return None

    def write(self, verified: Verified) -> None:
        """Remember this, beside and renamed; where that cannot be done, nothing."""
        fields = {
            "format": _FORMAT,
            "zone": verified.zone,
            "commit": verified.commit,
            "genesis": verified.genesis,
            "signers": verified.signers_sha256,
        }
        with contextlib.suppress(OSError, HyopsError):
            path = self._path()
            path.parent.mkdir(exist_ok=True)
            replace_file(path, json.dumps(fields).encode() + b"\n")

    def _path(self) -> Path:
        """Git says where, seen from the directory it runs in."""
        common = self._git.output("rev-parse", "--git-common-dir").decode("utf-8", "surrogateescape").rstrip("\n")
        return self._git.root / common / _FOLDER / _FILE
