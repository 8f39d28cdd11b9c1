"""Other contents for the evidence branch."""

import os
import subprocess
from collections.abc import Mapping

from tests.support.clone import GIT_CONFIG
from tests.support.recorded_log import RecordedLog


class Tampering(RecordedLog):
    """The log, rewritten behind the program's back."""

    def rewrite_evidence(self, files: Mapping[str, bytes], message: str = "tampered") -> str:
        """Commit other contents on top of the evidence branch, behind the program's back; the new head."""
        where = self.remote or self.root
        index = self.root.parent / "tamper-index"
        index.unlink(missing_ok=True)
        environ = {"GIT_INDEX_FILE": str(index), "GIT_DIR": str(where if self.remote else where / ".git")}
        identity = ["-c", "user.name=Mallory", "-c", "user.email=m@example.invalid"]

        def plumb(*words: str, stdin: bytes = b"") -> str:
            done = subprocess.run(
                ["git", *identity, *words],
                input=stdin,
                capture_output=True,
                check=True,
                env={**os.environ, **GIT_CONFIG, **environ},
            )
            return done.stdout.decode().strip()

        head = plumb("rev-parse", "refs/heads/evidence")
        plumb("read-tree", head)
        for path, content in files.items():
            blob = plumb("hash-object", "-w", "--stdin", stdin=content)
            plumb("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        commit = plumb("commit-tree", plumb("write-tree"), "-p", head, "-m", message)
        plumb("update-ref", "refs/heads/evidence", commit)
        return commit
