"""Which keys count: listing them, and the `trust` entries that change it."""

from collections.abc import Mapping
from dataclasses import dataclass

from hyops_gitops.core.errors import InvalidData, Refused, UsageError
from hyops_gitops.core.evidence.custody_entries import Compromised, TrustChange
from hyops_gitops.core.evidence.entry_list import EntryList
from hyops_gitops.core.evidence.entry_parts import TrustedKey
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.history.key_list import KeyPast, KeyRow, key_rows, leaves_somebody
from hyops_gitops.core.signatures.signers import SignerLine, fingerprint, parse_allowed_signers
from hyops_gitops.core.verification.trust import TrustBook
from hyops_gitops.usecases.evidence.custody import CustodyPorts, OpenLog, open_for_writing, read_head, required_reason
from hyops_gitops.usecases.evidence.log import SIGNERS_PATH, require_log, trusted_keys


@dataclass(frozen=True, slots=True)
class KeyList:
    """Every key, and the log it was judged by."""

    zone: str
    rows: tuple[KeyRow, ...]
    head: int | None  # the newest entry; None: there is no log yet

    def to_json(self) -> dict[str, object]:
        """`hyops-keys/1`."""
        return {
            "format": "hyops-keys/1",
            "zone": self.zone,
            "entries": self.head,
            "keys": [row.to_json() for row in self.rows],
        }


def list_keys(ports: CustodyPorts) -> KeyList:
    """Every key of HEAD's allowed_signers and of the log in this clone, without the network.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-missing`, `evidence-invalid`.
    """
    keeping = read_head(ports)
    log: Log | None = None
    if keeping.authority.evidence.genesis is not None:
        snapshot = keeping.store.recorded()
        log = require_log(snapshot, keeping.authority, keeping.signers, ports.verifier, tolerate_doubt=True)
    versions = ports.history.versions(SIGNERS_PATH, keeping.commit)
    past = KeyPast.of((commit, parse_allowed_signers(content, SIGNERS_PATH)[0]) for commit, content in versions)
    rows = key_rows(keeping.signers.lines.lines, log.entries if log else EntryList(), past)
    return KeyList(keeping.authority.zone, tuple(rows), log.head.seq if log else None)


def trust(ports: CustodyPorts, which: str, reason: str, tool: str, run: Mapping[str, str]) -> Log:
    """Let a listed key count from here on.

    Raises:
        UsageError: code `which-key`.
        InvalidData: code `nothing-to-do`: it counts already.
        Refused: guard `signing-key`: it is retired; and as `open_for_writing` does.
    """
    why = required_reason(reason)
    opened = _open(ports, tool, run)
    book = TrustBook.of(opened.log.entries)
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
    return opened.append(TrustChange(opened.keeping.commit, (key,), (), (), why))


def retire(ports: CustodyPorts, which: str, reason: str, tool: str, run: Mapping[str, str]) -> Log:
    """Let a key no longer count, whatever time it claims.

    Raises:
        UsageError: code `which-key`.
        InvalidData: code `nothing-to-do`: it does not count.
        Refused: guard `key-window`: its line has no valid-before; guard `last-key`; and as `open_for_writing` does.
    """
    why = required_reason(reason)
    opened = _open(ports, tool, run)
    book = TrustBook.of(opened.log.entries)
    found = _find(which, opened)
    if len(found) > 1:
        found = [key for key in found if book.standing(key.key).trusted is not None] or found
    key = _only(which, found)
    if book.standing(key.key).trusted is None:
        raise InvalidData(f"{_name(key)} does not count, so it cannot be retired", code="nothing-to-do")
    if any(line.valid_before is None for line in _lines(opened) if line.key == key.key):
        now = ports.clock.now()
        raise Refused(
            f"the line of {_name(key)} in {SIGNERS_PATH} at HEAD has no valid-before",
            guard="key-window",
            hint=f'add valid-before="{now:%Y%m%d%H%M%S}Z" to its options by a reviewed pull request, then retry',
        )
    _require_successor(opened, book, key, ports)
    return opened.append(TrustChange(opened.keeping.commit, (), (key,), (), why))


def compromise(
    ports: CustodyPorts, which: str, last_good_seq: int, reason: str, tool: str, run: Mapping[str, str]
) -> Log:
    """Declare a key stolen: it no longer counts, and what it signed after `last_good_seq` is in doubt.

    Raises:
        UsageError: codes `which-key`, `bad-seq`.
        InvalidData: code `nothing-to-do`.
        Refused: guard `last-key`; and as `open_for_writing` does.
    """
    why = required_reason(reason)
    opened = _open(ports, tool, run)
    book = TrustBook.of(opened.log.entries)
    head = opened.log.head.seq
    if not 0 <= last_good_seq <= head:
        raise UsageError(
            f"--last-good-seq {last_good_seq} is no entry of this log",
            code="bad-seq",
            hint=f"the last entry that the key's owner surely signed: 0 (none) to {head}",
        )
    key = _only(which, _find(which, opened))
    standing = book.standing(key.key)
    if standing.last_good_seq is not None and standing.last_good_seq <= last_good_seq:
        message = f"{_name(key)} is declared stolen already, after entry {standing.last_good_seq}"
        raise InvalidData(message, code="nothing-to-do")
    if opened.writer.key == key.key:
        raise Refused(
            f"{_name(key)} cannot declare itself stolen: whoever has it could do so too",
            guard="signing-key",
            hint="sign with another key that counts, or with a recovery key",
        )
    _require_successor(opened, book, key, ports)
    return opened.append(TrustChange(opened.keeping.commit, (), (), (Compromised(key.key, last_good_seq),), why))


def _open(ports: CustodyPorts, tool: str, run: Mapping[str, str]) -> OpenLog:
    return open_for_writing(ports, tool, run, about_keys=True, tolerate_doubt=True)


def _require_successor(opened: OpenLog, book: TrustBook, key: TrustedKey, ports: CustodyPorts) -> None:
    if not leaves_somebody(_lines(opened), book, key.key, ports.clock.now()):
        raise Refused(
            f"{_name(key)} is the last key that counts; without it nobody could write to the log again",
            guard="last-key",
            hint="first trust another key (keys trust), or list a recovery key and trust it",
        )


def _lines(opened: OpenLog) -> tuple[SignerLine, ...]:
    return opened.keeping.signers.lines.lines


def _find(which: str, opened: OpenLog) -> list[TrustedKey]:
    """The listed keys of a principal, or the one with this fingerprint."""
    keys = trusted_keys(_lines(opened))
    found = [key for key in keys if which in (key.principal, fingerprint(key.key))]
    if found:
        return found
    listed = ", ".join(f"{key.principal} {fingerprint(key.key)}" for key in keys) or "none"
    raise UsageError(
        f"{which!r} is no principal or fingerprint in {SIGNERS_PATH} at HEAD",
        code="which-key",
        hint=f"listed and committed are: {listed}",
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
