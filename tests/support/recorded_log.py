"""The evidence branch of a clone, where it counts."""

from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import Entry, decode, entry_path
from tests.support.clone import Clone, run


class RecordedLog(Clone):
    """What the log holds."""

    def evidence_head(self) -> str:
        """The evidence branch's commit, where it counts."""
        return run("git", "-C", self.remote or self.root, "rev-parse", "refs/heads/evidence").decode().strip()

    def evidence(self, path: str) -> bytes:
        """One file of the evidence branch."""
        return run("git", "-C", self.remote or self.root, "show", f"refs/heads/evidence:{path}")

    def entries(self) -> list[Entry]:
        """Every entry, in order."""
        where = self.remote or self.root
        paths = run("git", "-C", where, "ls-tree", "-r", "--name-only", "refs/heads/evidence").decode().split()
        return [decode(self.evidence(path)) for path in paths if path.startswith("log/") and path.endswith(".json")]

    def bodies(self) -> list[Body]:
        """What the entries say."""
        return [entry.body for entry in self.entries()]

    def types(self) -> list[str]:
        """The entries' types."""
        return [entry.type for entry in self.entries()]

    def entry_bytes(self, seq: int) -> bytes:
        """One entry."""
        return self.evidence(entry_path(self.zone, seq))
