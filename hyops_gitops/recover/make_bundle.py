"""Make a bundle for a machine without git and network."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from hyops_gitops.apply.propose import commits_after
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Refused, UsageError
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.findings import has_errors
from hyops_gitops.core.ports import History
from hyops_gitops.core.text import masked
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.log.branch import Signers
from hyops_gitops.log.log import Log
from hyops_gitops.log.trust import BUNDLE_NAMESPACE
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.recover.bundle import (
    EVIDENCE_FOLDER,
    EXECUTABLE,
    INFO,
    README,
    RECORDED_FOLDER,
    SUMS,
    SUMS_SIGNATURE,
    WHEELS_FOLDER,
    BundledLog,
    BundleInfo,
    bundle_readme,
    sums_text,
)


class WheelSource(Protocol):
    """Has every wheel that the program needs on one platform."""

    def versions(self) -> tuple[str, ...]:
        """The Python versions that the wheels are for."""

    def target(self) -> str:
        """The platform that the wheels are for."""

    def wheels(self) -> Mapping[str, bytes]:
        """Contents by file name.

        Raises:
            OutsideFailure: code `no-wheel`.
        """


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, packed."""

    info: BundleInfo
    content: bytes  # the .tar.gz
    files: int
    principal: str

    def to_json(self, file: str) -> dict[str, object]:
        """`hyops-bundle-made/1`."""
        return {
            "format": "hyops-bundle-made/1",
            "file": file,
            "sha256": sha256_hex(self.content),
            "bytes": len(self.content),
            "files": self.files,
            "zone": self.info.zone,
            "commit": self.info.commit,
            "head": {"seq": self.info.log.seq, "sha256": self.info.log.sha256},
            "platform": self.info.platform,
            "python": list(self.info.pythons),
            "principal": self.principal,
        }


def make_bundle(
    revision: str,
    workspace: Workspace,
    wheels: WheelSource,
    shipped: Callable[[], Mapping[str, bytes]],
    pack: Callable[[str, Mapping[str, bytes], Collection[str], datetime], bytes],
) -> Bundle:
    """Pack one commit and the log in this clone.

    Args:
        revision: The commit.
        workspace: The clone.
        wheels: The program, for one platform.
        shipped: Schemas, scripts and `install`, by their paths in the bundle.
        pack: Makes the archive of a folder's name, its files, those that are executable, and their time.

    Raises:
        FindingsError: the authority at that commit is invalid.
        Refused: `shallow`, `signing-key`, `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
        OutsideFailure: code `no-wheel`; git or ssh-keygen failed.
    """
    history = workspace.history
    if history.is_shallow():
        hint = "run `git fetch --unshallow`"
        raise Refused("cannot make a bundle: this clone's history is cut off", guard="shallow", hint=hint)
    packed = workspace.at(revision)
    commit = packed.commit
    workspace.on_event(Step(f"reading the contracts of {commit[:12]}"))
    zone = packed.zone()
    validation, authority = packed.validation, zone.authority
    if has_errors(validation.findings):
        workspace.on_event(Warned("some contracts are invalid; they are in the bundle as they are: see `validate`"))
    signer = workspace.open_signer()
    principal = _principal(signer.public_key(), packed.signers, workspace.clock.now())
    workspace.on_event(Step(f"verifying the signed log (branch {authority.evidence.branch})"))
    snapshot, log = zone.store.recorded(), zone.log(tolerate_doubt=True)
    if snapshot is None or authority.evidence.genesis is None:
        raise AssertionError("unreachable: without them there is no log")
    if log.open_intent is not None:
        workspace.on_event(Warned(f"intent {log.open_intent.seq} has no result yet: an apply may be running"))
    programs = wheels.wheels()
    bundled = BundledLog(
        authority.evidence.branch,
        log.commit,
        authority.evidence.genesis,
        log.head.seq,
        log.head.sha256,
        log.head.envelope.time,
    )
    base = _base(log, history)
    commits = commits_after(log, commit, history)
    info = BundleInfo(
        zone=authority.zone,
        tool=workspace.process.tool,
        commit=commit,
        commit_time=(commits or history.first_parent_commits(None, commit))[-1].time,
        recorded=log.recorded_commit,
        base=base,
        is_descendant=base is not None and history.is_ancestor(base, commit),
        commits=tuple(map(_masked, commits)),
        log=bundled,
        platform=wheels.target(),
        pythons=wheels.versions(),
    )
    files = {
        **validation.files,
        **_recorded(log, commit, history),
        **_below(EVIDENCE_FOLDER, snapshot.read(snapshot.paths())),
        **_below(WHEELS_FOLDER, programs),
        **shipped(),
        INFO: info.to_bytes(),
        README: bundle_readme(info),
    }
    sums = sums_text(files)
    workspace.on_event(Step(f"signing and packing {len(files) + 2} files"))
    files |= {SUMS: sums, SUMS_SIGNATURE: signer.sign(sums, BUNDLE_NAMESPACE)}
    content = pack(f"hyops-bundle-{commit[:12]}", files, EXECUTABLE, info.as_of)
    return Bundle(info, content, len(files), principal)


def _principal(key: str, signers: Signers, now: datetime) -> str:
    try:
        return signers.lines.principal_of(key, BUNDLE_NAMESPACE, now).principal
    except Refused as error:
        # A key keeps its namespaces, so one that is listed for others cannot be listed for this one later.
        line = f'PRINCIPAL namespaces="{BUNDLE_NAMESPACE}" KEY'
        hint = f"bundles take a key of their own, listed by a reviewed pull request: {line}"
        raise Refused(error.message, guard=error.guard, hint=f"{error.hint}; {hint}") from None


def _base(log: Log, history: History) -> str | None:
    try:
        return history.resolve(log.recorded_commit or log.genesis.commit)
    except UsageError:
        return None  # of another history


def _masked(commit: CommitInfo) -> CommitInfo:
    """With texts as the log would take them."""
    return replace(
        commit,
        subject=masked(commit.subject),
        author=masked(commit.author),
        committer=masked(commit.committer),
        approved_by=tuple(map(masked, commit.approved_by)),
        merged_author=masked(commit.merged_author) if commit.merged_author else None,
        trailers=tuple(replace(trailer, value=masked(trailer.value)) for trailer in commit.trailers),
        untaken=tuple(replace(line, value=masked(line.value)) for line in commit.untaken),
    )


def _recorded(log: Log, commit: str, history: History) -> Mapping[str, bytes]:
    """The tree recorded last, where it is another one and here."""
    recorded = log.recorded_commit
    if recorded is None or recorded == commit:
        return {}
    try:
        return _below(RECORDED_FOLDER, _contents(history.tree(recorded)))
    except UsageError:
        return {}  # of another history: what is not here cannot be packed


def _contents(tree: SourceTree) -> Mapping[str, bytes]:
    return {source.path: source.content for source in tree.files() if source.content is not None}


def _below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{path}": content for path, content in files.items()}
