"""A repository without anything of ours in it."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository and the git that tests drive it with."""

    path: Path

    def git(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            text=True,
            errors="replace",
        )
        return done.stdout.removesuffix("\n")

    def write(self, path: str, content: str) -> None:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def commit(self, message: str, **files: str) -> str:
        """Commit these files; in their keys `__` stands for a slash and `_` at the end for `.yaml`."""
        for name, content in files.items():
            path = name.replace("__", "/")
            self.write(f"{path[:-1]}.yaml" if path.endswith("_") else path, content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def head_of(self, reference: str) -> str | None:
        found = self.git("for-each-ref", "--format=%(objectname)", reference)
        return found or None


MakeRepo = Callable[..., Repo]
