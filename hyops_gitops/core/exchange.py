"""Values that cross the ports of `core.ports`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import Trailer, UntakenTrailer
from hyops_gitops.core.fields import ALWAYS
from hyops_gitops.core.zone import RRset


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the tree below `endpoints/` or `authority/`, whatever it is.

    Exactly one of `content` and `problem` is set; `problem` says why the content was not read (a link that leaves
    the tree, a FIFO, a file over the size limit, ...).
    """

    path: str  # relative to the repository, with "/"
    content: bytes | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ZoneSigning:
    """The signing of a zone, None where the API hides it."""

    rectified: bool | None  # after each write by the API
    presigned: bool | None  # by another signer; PowerDNS signs nothing in it
    default_soa_edit: str | None  # of pdns.conf, for signed zones


@dataclass(frozen=True, slots=True)
class ZoneHeader:
    """A zone without its RRsets, as the API reports it."""

    kind: str  # lower case: master, native, slave, producer, consumer (also primary, secondary)
    serial: int
    edited_serial: int
    soa_edit_api: str  # "" when unset
    masters: tuple[str, ...]
    server_time: datetime | None  # the reply's Date header, whole seconds
    notified_serial: int | None = None  # of the last NOTIFY that the server sent
    soa_edit: str = ""  # the zone's own; "" when unset, and a default of pdns.conf may count
    nsec3narrow: bool = False
    signing: ZoneSigning | None = None  # None: not signed


@dataclass(frozen=True, slots=True)
class PatchReceipt:
    """The content of a 204 reply."""

    new_serial: int | None  # X-PDNS-New-Serial; Old-Serial is wrong on 4.7 and never used


@dataclass(frozen=True, slots=True)
class Question:
    """One DNS question."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One DNS reply, or its absence."""

    rcode: str  # NOERROR, NXDOMAIN, ...; "SILENT" when none came in time
    authoritative: bool
    rrsets: tuple[RRset, ...]  # of the answer section, all owners, names canonical
    elapsed_ms: int

    @property
    def conclusive(self) -> bool:
        """Whether it shows the zone, unlike SERVFAIL, REFUSED and silence."""
        return is_conclusive(self.rcode)

    def rrset(self, question: Question) -> RRset | None:
        """The RRset at the very name and type asked for."""
        return next((rrset for rrset in self.rrsets if rrset.key == (question.name, question.type)), None)


def is_conclusive(rcode: str) -> bool:
    """Whether a reply with this code says what is in the zone."""
    return rcode in ("NOERROR", "NXDOMAIN")


NO_ANSWER = "did not answer"


def why_inconclusive(answers: Iterable[Answer]) -> str:
    """The failure in place of an answer: NO_ANSWER, "answered SERVFAIL", or ""."""
    failed = {answer.rcode for answer in answers if not answer.conclusive}
    codes = failures(failed)
    return f"answered {codes}" if codes else NO_ANSWER if failed else ""


def unseen_because(why: str) -> str:
    """`why_inconclusive` as a sentence about a server."""
    return f"it {why}" if why == NO_ANSWER else f"cannot conclude: it {why}"


def failures(rcodes: Iterable[str]) -> str:
    """The codes among these that mean a failure."""
    return ", ".join(sorted({rcode for rcode in rcodes if rcode != "SILENT" and not is_conclusive(rcode)}))


@dataclass(frozen=True, slots=True)
class CommitInfo(JsonObject):
    """One commit of the contracts' branch."""

    id: str
    subject: str
    author: str  # the name alone, never an e-mail address
    time: datetime
    changed: tuple[str, ...]  # paths that differ from the commit before it on main, and from the one applied last
    committer: Annotated[str, ALWAYS] = ""  # the name alone
    approved_by: Annotated[tuple[str, ...], ALWAYS] = ()  # names in Approved-by and Reviewed-by trailers
    merged_head: str | None = None  # the head of what a merge brings in
    merged_author: str | None = None  # the name of the author of that commit
    trailers: Annotated[tuple[Trailer, ...], ALWAYS] = ()  # `Hyops-` ones, of what it merges too; its own last
    untaken: tuple[UntakenTrailer, ...] = ()  # lines of the same commits that look like such trailers and are none
    taken_back: tuple[str, ...] = ()  # of the changed paths: those that a later commit left as they were applied
    arrived_with: str | None = None  # the merge that brought it to main by fast-forward; main did not stop at it
    joined: str | None = None  # the other parent of a merge that brings in nothing by it: main, or what main had
    joined_author: str | None = None  # the name of the author of that commit, where it is known


@dataclass(frozen=True, slots=True)
class VerifiedCommit:
    """A verified commit of the evidence branch, and its conditions."""

    zone: str
    commit: str
    genesis: str  # the SHA-256 that was pinned
    signers_sha256: str  # of the allowed_signers it was verified with
    ledger: Mapping[str, object]  # of its entries, as `log.ledger` stores it


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A PowerDNS server, as its API describes it."""

    version: str
    backends: tuple[str, ...]  # as launched; empty where the API does not say
    isolation: str = ""  # what pdns.conf asks of the database, in SQL's words; "" where the database decides
    max_body_mib: int | None = None  # the largest request that it takes; None where the API does not say


@dataclass(frozen=True, slots=True)
class BranchRules:
    """Rules that protect one branch, in the words of GitHub's rulesets."""

    forge: bool  # whether it knows pull requests
    rules: frozenset[str]  # deletion, non_fast_forward, creation, update, pull_request, required_status_checks, ...
