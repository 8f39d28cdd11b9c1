"""What is known about each key that may sign, or once might. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.evidence.entry_list import EntryList
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.signatures.signers import SignerLine, fingerprint
from hyops_gitops.core.verification.trust import MAIN_NAMESPACE, TRUST_NAMESPACE, Standing, TrustBook

KeyStatus = Literal["counts", "waits", "retired", "compromised", "unlisted"]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One line of allowed_signers, or a key that only the log knows, with what the log says about it."""

    principal: str
    key: str
    namespaces: tuple[str, ...] | None  # None: any
    valid_after: datetime | None
    valid_before: datetime | None
    standing: Standing
    listed: bool
    added: str | None  # the commit of main that first listed the key
    ended: str | None  # the commit of main that first gave it a valid-before
    first_use: int | None  # entries it signed
    last_use: int | None

    @property
    def status(self) -> KeyStatus:
        """In one word."""
        if self.standing.last_good_seq is not None:
            return "compromised"
        if self.standing.retired_by is not None:
            return "retired"
        if not self.listed:
            return "unlisted"
        return "counts" if self.standing.trusted is not None else "waits"

    @property
    def recovery(self) -> bool:
        """Whether it can sign trust entries and nothing else."""
        return self.namespaces == (TRUST_NAMESPACE,)

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-keys/1`."""
        return {
            "principal": self.principal,
            "fingerprint": fingerprint(self.key),
            "key": self.key,
            "status": self.status,
            "recovery": self.recovery,
            "namespaces": None if self.namespaces is None else list(self.namespaces),
            "valid_after": time_text(self.valid_after) if self.valid_after else None,
            "valid_before": time_text(self.valid_before) if self.valid_before else None,
            "trusted_by": self.standing.trusted_by,
            "retired_by": self.standing.retired_by,
            "last_good_seq": self.standing.last_good_seq,
            "added_by": self.added,
            "ended_by": self.ended,
            "first_use": self.first_use,
            "last_use": self.last_use,
        }


@dataclass(frozen=True, slots=True)
class KeyPast:
    """When main listed a key, and when it gave it an end: commits by key."""

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


def key_rows(lines: Sequence[SignerLine], entries: EntryList, past: KeyPast) -> Iterator[KeyRow]:
    """Every key, in the order of the file; keys that only the log knows come last."""
    book = TrustBook.of(entries)
    uses: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for entry in entries:
        uses.setdefault(entry.envelope.key, []).append(entry.seq)
        names.setdefault(entry.envelope.key, entry.envelope.principal)

    def row(principal: str, key: str, line: SignerLine | None) -> KeyRow:
        used = uses.get(key, [])
        return KeyRow(
            principal=principal,
            key=key,
            namespaces=line.namespaces if line else None,
            valid_after=line.valid_after if line else None,
            valid_before=line.valid_before if line else None,
            standing=book.standing(key),
            listed=line is not None,
            added=past.added.get(key),
            ended=past.ended.get(key),
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
    """The lines whose keys can write to the log now: trusted by it, listed, and inside their window."""
    return [
        line
        for line in lines
        if line.allows(namespace) and line.covers(at) and book.why_not(line.principal, line.key, namespace) is None
    ]


def leaves_somebody(lines: Sequence[SignerLine], book: TrustBook, without: str, at: datetime) -> bool:
    """Whether the log can go on when a key no longer counts: another key, or a recovery key to trust a new one."""
    left = (
        *counting(lines, book, MAIN_NAMESPACE, at),
        *counting(lines, book, TRUST_NAMESPACE, at),
    )
    return any(line.key != without for line in left)
