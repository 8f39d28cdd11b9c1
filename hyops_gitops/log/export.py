"""A folder to check the log with stock tools."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.ports import EvidenceSnapshot
from hyops_gitops.core.text import first_few
from hyops_gitops.log.branch import SIGNERS_PATH
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.workspace import Workspace

_PROBLEMS_SHOWN = 3
BranchCheck = Callable[[str], list[str]]  # what is wrong with the commits up to this one


@dataclass(frozen=True, slots=True)
class ImportResult(JsonReport):
    """What an import brought."""

    FORMAT = "hyops-evidence-import/1"
    zone: str
    brought: int  # entries that are new there
    entries_before: int  # that the remote had
    head: EntryRef
    commit: str
    commit_before: str | None


def import_log(workspace: Workspace, source: Path, check_branch: BranchCheck) -> ImportResult:
    """Verify another copy of the log, and take its continuation.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        UsageError: code `bad-source`.
        Refused: `evidence-missing` (nothing pins a genesis), `evidence-invalid`, `evidence-diverged`, `race`.
        OutsideFailure: the remote cannot be reached.
    """
    zone = workspace.at("HEAD").zone()
    workspace.on_event(Step(f"copying branch {zone.authority.evidence.branch} from {source}"))
    snapshot = zone.store.offered(source)
    workspace.on_event(Step("verifying it in full"))
    log = zone.verified(snapshot, tolerate_doubt=True)
    if problems := check_branch(snapshot.commit):
        raise Refused(
            f"the branch in {source} was rewritten: {first_few(problems, _PROBLEMS_SHOWN, '; ')}",
            guard="evidence-invalid",
            hint="import from another clone, and look into who rewrote this one",
        )
    before = zone.store.advance(snapshot.commit)
    for problem in zone.store.mirror(snapshot.commit):
        workspace.on_event(Warned(problem))
    head = EntryRef(log.head.seq, log.head.sha256)
    if before is None:
        return ImportResult(log.zone, log.head.seq, 0, head, log.commit, None)
    entries = _entries(before)
    return ImportResult(log.zone, max(0, log.head.seq - entries), entries, head, log.commit, before.commit)


def _entries(snapshot: EvidenceSnapshot) -> int:
    """How many entries a branch holds, by its paths alone."""
    return sum(path.startswith("log/") and path.endswith(".json") for path in snapshot.paths())


_TEXT = """\
# Evidence of the zone {zone}

Made by `hyops-gitops evidence export`. Nothing in here has to be run to be checked.

- `repository.bundle`: a git bundle with branch `{main}` (the contracts, and who may sign) and branch `{evidence}` (the
  signed log)
- `allowed_signers`: `authority/allowed_signers` of `{main}`; compare it with a copy you got some other way
- `AUDITING.md`: how to check all of it with git, ssh-keygen, sha256sum, jq and dig, and what it does not evidence
- `audit.sh` and the files beside it that begin with `audit`: that walk as a script; read it before you run it
- `SHA256SUMS`: of every other file here

## Check it

    sha256sum -c SHA256SUMS
    git clone -b {main} repository.bundle repository
    git -C repository bundle verify ../repository.bundle
    git -C repository fetch origin {evidence}:{evidence}
    git -C repository show {evidence}:README.md      # how to check an entry by hand

    ./audit.sh repository allowed_signers --genesis {genesis}

Entry 1 has to have the SHA-256 `{genesis}`.
{head}
The same with this program, in `repository`: `hyops-gitops evidence verify`, `hyops-gitops audit --offline`.
"""


def export_readme(zone: str, main: str, evidence: str, genesis: str, head: str | None) -> bytes:
    end = f"At the export the newest entry was `{head}`.\n" if head else "At the export the log did NOT verify.\n"
    return _TEXT.format(zone=zone, main=main, evidence=evidence, genesis=genesis, head=end).encode()


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


def export_log(workspace: Workspace, bundler: Bundler, kit: Mapping[str, bytes]) -> Export:
    """HEAD's branch and this clone's log, verified or not.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: guard `evidence-missing`.
        OutsideFailure: git cannot read its objects.
    """
    zone = workspace.at("HEAD").zone()
    evidence = zone.authority.evidence
    snapshot = zone.recorded()
    try:
        reading = zone.reading(snapshot)
        entries, log, problems = reading.entries, reading.log, reading.problems
    except InvalidData as error:
        entries, log, problems = 0, None, (Problem("path", evidence.branch, error.message),)
    branch = bundler.current_branch()
    head = f"{log.head.seq}:{log.head.sha256}" if log else None
    files = {
        **kit,
        BUNDLE: bundler.bundle({branch: zone.commit, evidence.branch: snapshot.commit}),
        "allowed_signers": bundler.file_at(zone.commit, SIGNERS_PATH) or b"",
        "README.md": export_readme(zone.authority.zone, branch, evidence.branch, evidence.genesis or "", head),
    }
    sums = "".join(f"{sha256_hex(content)}  {name}\n" for name, content in sorted(files.items()))
    return Export(zone.authority.zone, {**files, MANIFEST: sums.encode()}, entries, head, problems)
