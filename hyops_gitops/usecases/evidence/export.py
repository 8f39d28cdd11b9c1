"""A folder to hand over: everything an auditor needs to check the log with stock tools, and nothing that can run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.handover.export_readme import export_readme
from hyops_gitops.core.verification.log_problems import Problem
from hyops_gitops.usecases.evidence.custody import CustodyPorts, read_head
from hyops_gitops.usecases.evidence.log import SIGNERS_PATH, read_evidence, recorded_branch

BUNDLE, MANIFEST = "repository.bundle", "SHA256SUMS"


class Bundler(Protocol):
    """Reads commits, and packs them."""

    def current_branch(self) -> str:
        """The short name of HEAD's branch; `main` when HEAD is on none."""

    def file_at(self, commit: str, path: str) -> bytes | None:
        """A file of a commit."""

    def bundle(self, branches: Mapping[str, str]) -> bytes:
        """A git bundle with these branches, each at a commit, whole."""


@dataclass(frozen=True, slots=True)
class Export:
    """The files, and whether the log in them verifies."""

    zone: str
    files: Mapping[str, bytes]
    entries: int
    head: str | None  # SEQ:SHA256
    problems: tuple[Problem, ...]

    def to_json(self, directory: str) -> dict[str, object]:
        """`hyops-evidence-export/1`."""
        return {
            "format": "hyops-evidence-export/1",
            "zone": self.zone,
            "directory": directory,
            "ok": not self.problems,
            "entries": self.entries,
            "head": self.head,
            "files": {name: sha256_hex(content) for name, content in sorted(self.files.items())},
            "problems": [problem.to_json() for problem in self.problems],
        }


def export_log(ports: CustodyPorts, bundler: Bundler, kit: Mapping[str, bytes]) -> Export:
    """What this clone knows: HEAD's branch and the log, verified or not. `kit`: how to check it with stock tools.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: guard `evidence-missing`.
        OutsideFailure: git cannot read its objects.
    """
    keeping = read_head(ports)
    evidence = keeping.authority.evidence
    snapshot, genesis = recorded_branch(keeping.store, keeping.authority)
    try:
        reading = read_evidence(snapshot, keeping.authority, keeping.signers, ports.verifier)
        entries, log, problems = reading.entries, reading.log, reading.problems
    except InvalidData as error:
        entries, log, problems = 0, None, (Problem("path", evidence.branch, error.message),)
    branch = bundler.current_branch()
    head = f"{log.head.seq}:{log.head.sha256}" if log else None
    files = {
        **kit,
        BUNDLE: bundler.bundle({branch: keeping.commit, evidence.branch: snapshot.commit}),
        "allowed_signers": bundler.file_at(keeping.commit, SIGNERS_PATH) or b"",
        "README.md": export_readme(keeping.authority.zone, branch, evidence.branch, genesis, head),
    }
    sums = "".join(f"{sha256_hex(content)}  {name}\n" for name, content in sorted(files.items()))
    return Export(keeping.authority.zone, {**files, MANIFEST: sums.encode()}, entries, head, problems)
