"""Makes a log of any length, as an applier would have written it: every second entry an intent, then its result.

Entries are signed in this process and go into one commit by `git fast-import`: what is measured is reading.
"""

import base64
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.sshsig import SshSignature, armour, signed_data
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.admin_entries import Genesis
from hyops_gitops.log.entries import Body, Intent, Result
from hyops_gitops.log.envelope import NO_HASH, Entry, Envelope, Subject, decode, encode, entry_path
from hyops_gitops.log.log import README, state_path, zone_path
from hyops_gitops.log.pages import FORM, LOG_PAGE, folder_page, folder_readme, log_page, readme
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Lease, TrustedKey, ZoneDigests
from hyops_gitops.plan.plan import Action, Change
from hyops_gitops.plan.state import after_changes

ZONE = "bench.internal"
PRINCIPAL = "applier@bench"
NAMES = 200
_START = datetime(2026, 1, 1, tzinfo=UTC)


class Key:
    """An ed25519 key that signs without leaving this process."""

    def __init__(self, private: Ed25519PrivateKey | None = None) -> None:
        self.private = private or Ed25519PrivateKey.generate()
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._wire = _string(b"ssh-ed25519") + _string(raw)

    def public_key(self) -> str:
        """As a `Signer`."""
        return self.text

    @property
    def text(self) -> str:
        """`<type> <base64>`."""
        return f"ssh-ed25519 {base64.b64encode(self._wire).decode()}"

    def sign(self, message: bytes, namespace: str = "hyops-gitops") -> bytes:
        """What `ssh-keygen -Y sign` would write."""
        unsigned = SshSignature(self._wire, namespace, "sha512", b"")
        made = self.private.sign(signed_data(unsigned, message))
        return armour(replace(unsigned, signature=_string(b"ssh-ed25519") + _string(made)))

    def write(self, path: Path) -> None:
        """The private key, for ssh-keygen."""
        path.write_bytes(self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        path.chmod(0o600)


@dataclass
class MadeLog:
    """A log in memory, and what the branch holds."""

    key: Key
    zone: Zone
    state: ManagedSet
    entries: list[Entry] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    previous: tuple[str, str] = (NO_HASH, NO_HASH)

    @classmethod
    def begin(cls) -> "MadeLog":
        """With genesis."""
        log = cls(Key(), Zone.of(ZONE, ()), ManagedSet.of(ZONE, ()))
        log.files[README] = readme(ZONE)
        log._add(Genesis("0" * 40, (TrustedKey(PRINCIPAL, log.key.text, ()),)))
        return log

    def grow(self, entries: int) -> None:
        """Up to so many entries, an odd number; then the pages and files that go with the newest."""
        while len(self.entries) < entries - 2:
            self._apply()
        self._apply(last=True)

    def _apply(self, *, last: bool = False) -> None:
        number = len(self.entries)
        name = f"service{number // 2 % NAMES}.prod.{ZONE}"
        contract = f"endpoints/prod/service{number // 2 % NAMES}.yaml"
        before = self.zone.rrsets.get((name, "A"))
        after = RRset.of(name, "A", 30, [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"])
        change = Change(
            Action.REPLACE if before else Action.CREATE, name, "A", before, after, contract, cutover=before is not None
        )
        zone, state = self.zone.with_rrsets([after]), after_changes(self.state, [change])
        digests = [ZoneDigests(one.digest(), one.digest(), number) for one in (self.zone, zone)]
        asked, approved = Person("Ada Example", "1001"), Approval(Person("Bob Example", "1002"), "b" * 40)
        merged = MergedCommit("a" * 40, f"Move service {number}", asked, _START, (approved,), pull_request=str(number))
        contracts, authority = ContractsRef("a" * 40, "c" * 64), AuthorityRef("d" * 64, outside_commit=False)
        self._add(
            Intent(
                contracts,
                authority,
                (merged,),
                digests[0],
                digests[1],
                "e" * 64,
                (change,),
                (),
                (),
                (),
                Lease(120, "boot", 1),
            )
        )
        intent = self.entries[-1]
        servers = tuple(
            ServerReport(
                "secondary",
                f"ns{one}",
                f"10.0.0.{one}:53",
                "converged",
                40,
                (RecordedAnswer(name, "A", "NOERROR", 30, after.rdata),),
            )
            for one in range(3)
        )
        accepted = _START + timedelta(minutes=number)
        self.zone, self.state = zone, state
        self._add(
            Result(
                intent.seq,
                intent.sha256,
                "applied",
                converged=True,
                serial_before=number,
                after=digests[1],
                after_source="computed",
                accepted=accepted,
                servers=servers,
                retire=(),
            ),
            last=last,
        )

    def _add(self, body: Body, *, last: bool = False) -> None:
        seq = len(self.entries) + 1
        zone = self.zone
        envelope = Envelope(
            Subject(ZONE, zone.digest()),
            log="bench",
            seq=seq,
            prev_entry=self.previous[0],
            prev_sig=self.previous[1],
            time=_START + timedelta(minutes=seq),
            principal=PRINCIPAL,
            key=self.key.text,
            signers_sha256="f" * 64,
            tool="hyops-gitops bench",
            run={},
            files={README: sha256_hex(self.files[README]), zone_path(ZONE): zone.digest()},
            form=FORM,
        )
        if last:
            envelope = replace(envelope, files=self._pages(decode(encode(envelope, body))))
        data = encode(envelope, body)
        signature = self.key.sign(data)
        self.files[entry_path(ZONE, seq)], self.files[f"{entry_path(ZONE, seq)}.sig"] = data, signature
        self.entries.append(decode(data))
        self.previous = (sha256_hex(data), sha256_hex(signature))

    def _pages(self, newest: Entry) -> dict[str, str]:
        """Everything that follows from the entries; what the newest pins."""
        entries = [*self.entries, newest]
        ends = {folder_page(ZONE, entry.seq): entry.seq for entry in entries}
        pages = {LOG_PAGE: log_page(ZONE, entries)}
        pages |= {path: folder_readme(ZONE, entries, seq) for path, seq in ends.items()}
        derived = {zone_path(ZONE): self.zone.data, state_path(ZONE): self.state.data}
        for path, content in pages.items():
            self.files[f"{path}.sig"] = self.key.sign(content)
        self.files |= pages | derived
        pinned = (README, LOG_PAGE, zone_path(ZONE), state_path(ZONE), folder_page(ZONE, newest.seq))
        return {path: sha256_hex(self.files[path]) for path in pinned}


def write_branch(repository: Path, log: MadeLog, branch: str = "evidence") -> None:
    """All files of the log as the branch's next commit."""
    ref = f"refs/heads/{branch}"
    exists = subprocess.run(
        ["git", "-C", repository, "rev-parse", "-q", "--verify", ref], capture_output=True, check=False
    )
    lines = [b"commit %s\ncommitter bench <bench@example.invalid> 1767225600 +0000\ndata 5\nbench\n" % ref.encode()]
    if exists.returncode == 0:
        lines.append(b"from %s^0\n" % ref.encode())
    for path, content in log.files.items():
        lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
    subprocess.run(["git", "-C", repository, "fast-import", "--quiet"], input=b"".join(lines), check=True)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
