"""Makes a git bundle of single branches. Meets the port `Bundler`.

A bundle is data; a `.git` directory handed over can run commands on whoever opens it (core.fsmonitor, hooks, filters).
"""

from collections.abc import Mapping
from pathlib import Path

from hyops_gitops.adapters.files.files import scratch_folder
from hyops_gitops.adapters.git.process import Git


class GitBundler:
    """Bundles commits of one clone."""

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def current_branch(self) -> str:
        """The short name of HEAD's branch; `main` when HEAD is on none."""
        found = self._git.ask("symbolic-ref", "--quiet", "--short", "HEAD")
        return found.stdout.decode("utf-8", "replace").strip() if found.ok else "main"

    def file_at(self, commit: str, path: str) -> bytes | None:
        """A file of a commit, its path seen from the directory that holds `authority/`."""
        prefix = self._git.output("rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").rstrip("\n")
        found = self._git.ask("cat-file", "blob", f"{commit}:{prefix}{path}")
        return found.stdout if found.ok else None

    def bundle(self, branches: Mapping[str, str]) -> bytes:
        """A bundle with these branches, each at a commit, whole; the first is what a clone of it checks out.

        Raises:
            OutsideFailure: codes `git-failed`: an object is missing; `cannot-write`.
        """
        with scratch_folder() as scratch:
            bare, file = scratch / "bare.git", scratch / "bundle"
            form = self._git.output("rev-parse", "--show-object-format").decode().strip()
            self._git.output("init", "-q", "--bare", f"--object-format={form}", "--template=", str(bare))
            refs = [f"refs/heads/{name}" for name in branches]
            wanted = [f"{commit}:{ref}" for ref, commit in zip(refs, branches.values(), strict=True)]
            self._git.output("push", "-q", "--no-verify", "--no-signed", "--", str(bare), *wanted)
            inside = Git(bare, self._git.environ)
            inside.output("symbolic-ref", "HEAD", refs[0])
            inside.output("bundle", "create", "-q", str(file), "HEAD", *refs)
            return file.read_bytes()
