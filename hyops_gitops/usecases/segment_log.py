"""Writing a break-glass segment: entries in a folder, signed by the operator's own key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.entries import Body, Intent
from hyops_gitops.core.envelope import NO_HASH, Envelope, decode, encode
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.log import Log
from hyops_gitops.core.log_views import FORM
from hyops_gitops.core.segment import START_ZONE, entry_file, witness_file
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.core.trust import BREAKGLASS_NAMESPACE, TrustBook
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.evidence_log import Signers
from hyops_gitops.usecases.ports import Clock, Signer

_TEST = b"hyops-gitops: can this key sign?\n"


class SegmentFolder(Protocol):
    """The segments beside the contracts, on this machine's disk."""

    def segments(self) -> Sequence[str]:
        """The name of each segment's folder, sorted."""

    def read(self, segment: str) -> Mapping[str, bytes]:
        """Every file of a segment, by name.

        Raises:
            OutsideFailure: code `cannot-read`.
        """

    def append(self, segment: str, files: Mapping[str, bytes], last: str) -> None:
        """Put these files down, each whole and on disk before the next; `last`, which must be new, after the others.

        Raises:
            Refused: guard `race`: `last` exists.
            OutsideFailure: code `cannot-write`.
        """


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key that may sign break-glass entries, and whose it is."""

    signer: Signer
    key: str
    principal: str

    @classmethod
    def prepare(cls, signer: Signer, signers: Signers, log: Log, clock: Clock) -> "OwnKey":
        """A key that is allowed, that the log counts, and that is known to sign.

        Raises:
            Refused: guard `signing-key`.
        """
        key = signer.public_key()
        line = signers.lines.principal_of(key, BREAKGLASS_NAMESPACE, clock.now())
        if (why := TrustBook.of(log.entries).why_not(line.principal, key, BREAKGLASS_NAMESPACE)) is not None:
            raise Refused(
                f"{line.principal} is no break-glass operator: {why}",
                guard="signing-key",
                hint="an operator is trusted ahead of need: a line in authority/allowed_signers with "
                f'namespaces="{BREAKGLASS_NAMESPACE}", then `hyops-gitops keys trust`, then a new bundle',
            )
        signer.sign(_TEST, BREAKGLASS_NAMESPACE)
        return cls(signer, key, line.principal)


@dataclass(frozen=True, slots=True)
class SegmentWriter:
    """Writes the entries of one segment as one operator, and a witness where there is one."""

    folder: SegmentFolder
    operator: OwnKey
    witness: OwnKey | None
    signers_sha256: str
    clock: Clock
    tool: str
    run: Mapping[str, str]

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        """Write the next entry; the segment with it.

        Raises:
            Refused: guard `race` when the segment has such an entry already; `signing-key`.
            OutsideFailure: the disk is full, or not ours to write.
        """
        if log.segment is None or log.base is None:
            raise ValueError("not a segment")
        seq = len(log.entries) + 1
        files = {} if log.entries else {START_ZONE: observed.text().encode()}
        previous = (log.head.sha256, log.head_sig_sha256) if log.entries else (NO_HASH, NO_HASH)
        envelope = Envelope(
            zone=log.zone,
            zone_sha256=observed.digest(),
            log=log.head.envelope.log,
            seq=seq,
            prev_entry=previous[0],
            prev_sig=previous[1],
            time=max(self.clock.now().replace(microsecond=0), log.head.envelope.time),
            principal=self.operator.principal,
            key=self.operator.key,
            signers_sha256=self.signers_sha256,
            tool=self.tool,
            run=self.run,
            files={name: sha256_hex(content) for name, content in files.items()},
            form=FORM,
            segment=log.segment,
        )
        data = encode(envelope, body)
        signature = self.operator.signer.sign(data, BREAKGLASS_NAMESPACE)
        if self.witness is not None and isinstance(body, Intent):
            files[witness_file(seq)] = self.witness.signer.sign(data, BREAKGLASS_NAMESPACE)
        files |= {f"{entry_file(seq)}.sig": signature, entry_file(seq): data}
        self.folder.append(log.segment.id, files, entry_file(seq))
        return replace(
            log,
            entries=log.entries.extended(data, decode(data)),
            head_sig_sha256=sha256_hex(signature),
            observed=observed,
            state=state,
        )
