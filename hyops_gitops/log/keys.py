"""The keys that may sign, or could once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, Refused, UsageError
from hyops_gitops.core.signers import SignerLine, fingerprint, parse_allowed_signers
from hyops_gitops.log.admin import OpenLog, open_for_writing, required_reason
from hyops_gitops.log.admin_entries import StolenKey, TrustChange
from hyops_gitops.log.branch import SIGNERS_PATH, trusted_keys
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.trust import MAIN_NAMESPACE, TRUST_NAMESPACE, Standing, TrustBook
from hyops_gitops.log.workspace import Workspace

KeyStatus = Literal["counts", "waits", "retired", "compromised", "unlisted"]


@dataclass(frozen=True, slots=True)
class KeyRow(JsonReport):
    """One key: its line of allowed_signers, and its standing in the log."""

    principal: str
    fingerprint: str
    key: str
    status: KeyStatus
    recovery: bool  # whether it can sign trust entries and nothing else
    namespaces: tuple[str, ...] | None  # None: any
    valid_after: datetime | None
    valid_before: datetime | None
    trusted_by: int | None
    retired_by: int | None
    last_good_seq: int | None
    added_by: str | None  # the commit of main that first listed the key
    ended_by: str | None  # the commit of main that first gave it a valid-before
    first_use: int | None  # entries it signed
    last_use: int | None


def _status(standing: Standing, *, listed: bool) -> KeyStatus:
    if standing.last_good_seq is not None:
        return "compromised"
    if standing.retired_by is not None:
        return "retired"
    if not listed:
        return "unlisted"
    return "counts" if standing.trusted is not None else "waits"


@dataclass(frozen=True, slots=True)
class KeyPast:
    """The commits of main that listed and ended each key."""

    added: Mapping[str, str]
    ended: Mapping[str, str]

    @classmethod
    def of(cls, versions: Iterable[tuple[str, Sequence[SignerLine]]]) -> "KeyPast":
        """From every version of allowed_signers, oldest first."""
        added: dict[str, str] = {}
        ended: dict[str, str] = {}
        for commit, lines in versions:
            for line in lines:
                added.setdefault(line.key, commit)
                if line.valid_before is not None:
                    ended.setdefault(line.key, commit)
        return cls(added, ended)


def key_rows(lines: Sequence[SignerLine], log: Log | None, past: KeyPast) -> Iterator[KeyRow]:
    """Every key, in the order of the file; then the log's others."""
    book = log.trust if log else TrustBook()
    uses: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for entry in log.entries if log else ():
        uses.setdefault(entry.envelope.key, []).append(entry.seq)
        names.setdefault(entry.envelope.key, entry.envelope.principal)

    def row(principal: str, key: str, line: SignerLine | None) -> KeyRow:
        used, standing = uses.get(key, []), book.standing(key)
        return KeyRow(
            principal=principal,
            fingerprint=fingerprint(key),
            key=key,
            status=_status(standing, listed=line is not None),
            recovery=line is not None and line.namespaces == (TRUST_NAMESPACE,),
            namespaces=line.namespaces if line else None,
            valid_after=line.valid_after if line else None,
            valid_before=line.valid_before if line else None,
            trusted_by=standing.trusted_by,
            retired_by=standing.retired_by,
            last_good_seq=standing.last_good_seq,
            added_by=past.added.get(key),
            ended_by=past.ended.get(key),
            first_use=used[0] if used else None,
            last_use=used[-1] if used else None,
        )

    for line in lines:
        yield row(line.principal, line.key, line)
    listed = {line.key for line in lines}
    for key, principal in names.items():
        if key not in listed:
            yield row(principal, key, None)


def counting(lines: Sequence[SignerLine], book: TrustBook, namespace: str, at: datetime) -> list[SignerLine]:
    """The lines whose keys can write to the log now."""
    return [
        line
        for line in lines
        if line.allows(namespace) and line.covers(at) and book.why_not(line.principal, line.key, namespace) is None
    ]


def leaves_a_writer(lines: Sequence[SignerLine], book: TrustBook, without: str, at: datetime) -> bool:
    """Whether the log can continue without a key."""
    left = (
        *counting(lines, book, MAIN_NAMESPACE, at),
        *counting(lines, book, TRUST_NAMESPACE, at),
    )
    return any(line.key != without for line in left)


@dataclass(frozen=True, slots=True)
class KeyList(JsonReport):
    """Every key, and the log it was judged by."""

    FORMAT = "hyops-keys/1"
    zone: str
    entries: int | None  # None: there is no log yet
    keys: tuple[KeyRow, ...]


def list_keys(workspace: Workspace) -> KeyList:
    """Every key of HEAD's allowed_signers and of this clone's log.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-missing`, `evidence-invalid`.
    """
    zone = workspace.at("HEAD").zone()
    log = zone.log(tolerate_doubt=True) if zone.is_started else None
    versions = workspace.history.versions(SIGNERS_PATH, zone.commit)
    past = KeyPast.of((commit, parse_allowed_signers(content, SIGNERS_PATH)[0]) for commit, content in versions)
    rows = key_rows(zone.signers.lines.lines, log, past)
    return KeyList(zone.authority.zone, log.head.seq if log else None, tuple(rows))


def trust(workspace: Workspace, which: str, reason: str) -> Log:
    """Trust a listed key from the next entry on.

    Raises:
        UsageError: code `which-key`.
        InvalidData: code `nothing-to-do`: it counts already.
        Refused: guard `signing-key`: it is retired; and as `open_for_writing` does.
    """
    why = required_reason(reason)
    opened = open_for_writing(workspace, about_keys=True, tolerate_doubt=True)
    book = opened.log.trust
    found = _find(which, opened)
    if len(found) > 1:  # a principal with an old key and a new one: the new one is meant
        found = [key for key in found if _is_new(book, key)] or found
    key = _only(which, found)
    standing = book.standing(key.key)
    if standing.retired_by is not None:
        raise Refused(
            f"{_name(key)} was retired by entry {standing.retired_by}, and stays so",
            guard="signing-key",
            hint="make a new key, add its line by a reviewed pull request, and trust that one",
        )
    if standing.trusted is not None:
        raise InvalidData(f"{_name(key)} counts since entry {standing.trusted_by}", code="nothing-to-do")
    return opened.append(TrustChange(opened.zone.commit, (key,), (), (), why))


def retire(workspace: Workspace, which: str, reason: str) -> Log:
    """Retire a key: later entries by it are rejected whatever their timestamp.

    Raises:
        UsageError: code `which-key`.
        InvalidData: code `nothing-to-do`: it does not count.
        Refused: guard `key-window`: its line has no valid-before; guard `last-key`; and as `open_for_writing` does.
    """
    why = required_reason(reason)
    opened = open_for_writing(workspace, about_keys=True, tolerate_doubt=True)
    book = opened.log.trust
    found = _find(which, opened)
    if len(found) > 1:
        found = [key for key in found if book.standing(key.key).trusted is not None] or found
    key = _only(which, found)
    if book.standing(key.key).trusted is None:
        raise InvalidData(f"{_name(key)} does not count, so it cannot be retired", code="nothing-to-do")
    if any(line.valid_before is None for line in _lines(opened) if line.key == key.key):
        now = workspace.clock.now()
        raise Refused(
            f"the line of {_name(key)} in {SIGNERS_PATH} at HEAD has no valid-before",
            guard="key-window",
            hint=f'add valid-before="{now:%Y%m%d%H%M%S}Z" to its options by a reviewed pull request, then retry',
        )
    _require_successor(opened, book, key, workspace.clock.now())
    return opened.append(TrustChange(opened.zone.commit, (), (key,), (), why))


def compromise(workspace: Workspace, which: str, last_good_seq: int, reason: str) -> Log:
    """Declare a key stolen: its entries after `last_good_seq` are in doubt.

    Raises:
        UsageError: codes `which-key`, `bad-seq`.
        InvalidData: code `nothing-to-do`.
        Refused: guard `last-key`; and as `open_for_writing` does.
    """
    why = required_reason(reason)
    opened = open_for_writing(workspace, about_keys=True, tolerate_doubt=True)
    book = opened.log.trust
    head = opened.log.head.seq
    if not 0 <= last_good_seq <= head:
        raise UsageError(
            f"--last-good-seq: expected an entry of this log, got {last_good_seq}",
            code="bad-seq",
            hint=f"give the last entry that the key's owner surely signed, 0 (none) to {head}",
        )
    key = _only(which, _find(which, opened))
    standing = book.standing(key.key)
    if standing.last_good_seq is not None and standing.last_good_seq <= last_good_seq:
        message = f"{_name(key)} is declared stolen already, after entry {standing.last_good_seq}"
        raise InvalidData(message, code="nothing-to-do")
    if opened.writer.key == key.key:
        raise Refused(
            f"{_name(key)} cannot revoke itself: a thief could do that too",
            guard="signing-key",
            hint="sign with another key that counts, or with a recovery key",
        )
    _require_successor(opened, book, key, workspace.clock.now())
    return opened.append(TrustChange(opened.zone.commit, (), (), (StolenKey(key.key, last_good_seq),), why))


def _require_successor(opened: OpenLog, book: TrustBook, key: TrustedKey, now: datetime) -> None:
    if not leaves_a_writer(_lines(opened), book, key.key, now):
        raise Refused(
            f"{_name(key)} is the last trusted key; without it no entry could be written again",
            guard="last-key",
            hint="first trust another key (keys trust), or list a recovery key and trust it",
        )


def _lines(opened: OpenLog) -> tuple[SignerLine, ...]:
    return opened.zone.signers.lines.lines


def _find(which: str, opened: OpenLog) -> list[TrustedKey]:
    """The listed keys of a principal, or the one with this fingerprint."""
    keys = trusted_keys(_lines(opened))
    found = [key for key in keys if which in (key.principal, fingerprint(key.key))]
    if found:
        return found
    listed = ", ".join(f"{key.principal} {fingerprint(key.key)}" for key in keys) or "none"
    raise UsageError(
        f"expected a principal or fingerprint of {SIGNERS_PATH} at HEAD, got {which!r}",
        code="which-key",
        hint=f"use one that is listed and committed: {listed}",
    )


def _only(which: str, found: list[TrustedKey]) -> TrustedKey:
    if len(found) == 1:
        return found[0]
    fingerprints = ", ".join(fingerprint(key.key) for key in found)
    raise UsageError(f"{which!r} has {len(found)} keys", code="which-key", hint=f"name one of: {fingerprints}")


def _is_new(book: TrustBook, key: TrustedKey) -> bool:
    standing = book.standing(key.key)
    return standing.trusted is None and standing.retired_by is None


def _name(key: TrustedKey) -> str:
    return f"key {fingerprint(key.key)} of {key.principal}"
