"""The evidence branch of a clone, where it counts."""

import io

from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import Entry, decode, entry_path
from tests.support.clone import Clone, run


class RecordedLog(Clone):
    """What the log holds."""

    def evidence_head(self) -> str:
        """The evidence branch's commit, where it counts."""
        return run("git", "-C", self.remote or self.root, "rev-parse", f"refs/heads/{self.branch}").decode().strip()

    def evidence(self, path: str) -> bytes:
        """One file of the evidence branch."""
        return run("git", "-C", self.remote or self.root, "show", f"refs/heads/{self.branch}:{path}")

    def entries(self) -> list[Entry]:
        """Every entry, in order."""
        git = ("git", "-C", self.remote or self.root)
        paths = run(*git, "ls-tree", "-r", "--name-only", f"refs/heads/{self.branch}").decode().split()
        asked = [
            f"refs/heads/{self.branch}:{path}\n" for path in paths if path.startswith("log/") and path.endswith(".json")
        ]
        answer = io.BytesIO(run(*git, "cat-file", "--batch=%(objectsize)", stdin="".join(asked).encode()))
        return [decode(answer.read(int(answer.readline()) + 1)[:-1]) for _ in asked]

    def bodies(self) -> list[Body]:
        """What the entries say."""
        return [entry.body for entry in self.entries()]

    def types(self) -> list[str]:
        """The entries' types."""
        return [entry.type for entry in self.entries()]

    def entry_bytes(self, seq: int) -> bytes:
        """One entry."""
        return self.evidence(entry_path(self.zone, seq))
