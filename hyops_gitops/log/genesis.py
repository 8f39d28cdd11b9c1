"""Starting a log: genesis, once."""

from dataclasses import dataclass

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import Refused
from hyops_gitops.log.admin_entries import Continues, Genesis
from hyops_gitops.log.branch import trusted_keys
from hyops_gitops.log.pages import readme
from hyops_gitops.log.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LogStart:
    """A log that exists now."""

    authority: Authority
    commit: str  # of the contracts, that genesis was made at
    sha256: str  # of the genesis entry
    principal: str

    def to_json(self) -> dict[str, object]:
        """`hyops-evidence-init/1`."""
        return {
            "format": "hyops-evidence-init/1",
            "zone": self.authority.zone,
            "branch": self.authority.evidence.branch,
            "remote": self.authority.evidence.remote,
            "commit": self.commit,
            "genesis": f"sha256:{self.sha256}",
            "principal": self.principal,
        }


def start_log(workspace: Workspace, continues: Continues | None = None) -> LogStart:
    """Write and push genesis for the contracts at HEAD.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-exists`, `signing-key`.
        OutsideFailure: the remote cannot be reached.
    """
    zone = workspace.at("HEAD").zone()
    authority = zone.authority
    if authority.evidence.genesis is not None:
        raise Refused(
            f"{authority.path} pins a genesis already",
            guard="evidence-exists",
            hint=f"fetch the log: git fetch {authority.evidence.remote or 'REMOTE'} {authority.evidence.branch}",
        )
    writer = zone.entry_writer()
    # The remote itself is asked: a tracking ref may be missing, or left over.
    if zone.store.fetch() is not None:
        where = f"on remote {authority.evidence.remote!r}" if authority.evidence.remote else "here"
        raise Refused(
            f"branch {authority.evidence.branch!r} exists {where}",
            guard="evidence-exists",
            hint="to use that log, pin the digest of its first entry as evidence.genesis",
        )
    trusted = trusted_keys(zone.signers.lines.lines)
    sha256 = writer.start(
        authority.zone, workspace.new_id(), Genesis(zone.commit, trusted, continues), readme(authority.zone)
    )
    return LogStart(authority, zone.commit, sha256, writer.principal)
