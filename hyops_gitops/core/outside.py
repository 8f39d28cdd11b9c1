"""The outside of commands; `cli` opens it with adapters.

Each member opens one part when it is first asked for; tests replace single parts.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from hyops_gitops.core.authority import Authority, EvidenceSettings, Secondary
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import ContractWriter, DocumentReader, SchemaChecker
from hyops_gitops.core.events import OnEvent
from hyops_gitops.core.exchange import ServerInfo, SourceFile
from hyops_gitops.core.network import (
    DnsClient,
    Prober,
    Refresher,
    ScratchZone,
    ZoneReader,
    ZoneRestorer,
    ZoneTransfers,
    ZoneWriter,
)
from hyops_gitops.core.ports import (
    Branches,
    Clock,
    EvidenceStore,
    Forge,
    History,
    RemoteAccess,
    SegmentFolder,
    Signer,
    VerifiedMark,
    Verifier,
)
from hyops_gitops.core.tree import SourceTree


@dataclass(frozen=True, slots=True)
class Process:
    """This run of the program, as entries name it."""

    tool: str = "hyops-gitops"
    run: Mapping[str, str] = field(default_factory=dict)  # the CI job
    boot_id: str | None = None  # of this machine since it started, and of its process namespace
    pid: int = 0


class Outside(ABC):
    """What lies outside the pure packages."""

    read: DocumentReader
    check: SchemaChecker
    clock: Clock
    verifier: Verifier
    on_event: OnEvent
    authority_override: SourceFile | None  # stands in for the authority file of its zone
    rules: str | None = None  # SHA-256 of what decides whether a contract is valid; None: not known

    # --- the repository

    @property
    @abstractmethod
    def history(self) -> History: ...

    @property
    @abstractmethod
    def work_tree(self) -> SourceTree: ...

    @abstractmethod
    def require_clone(self) -> None:
        """Refuse a folder without git.

        Raises:
            UsageError: code `no-repository`.
        """

    @property
    @abstractmethod
    def contract_writer(self) -> ContractWriter: ...

    @abstractmethod
    def replace_files(self, files: Mapping[str, bytes]) -> None:
        """Replace files of the work tree, all or none."""

    @property
    @abstractmethod
    def branches(self) -> Branches: ...

    @abstractmethod
    def open_pull_request(self, command: Sequence[str]) -> str | None:
        """What the forge's own program printed last; None where it is missing."""

    @property
    @abstractmethod
    def forge(self) -> Forge | None: ...

    # --- this process

    @property
    @abstractmethod
    def process(self) -> Process: ...

    @abstractmethod
    def open_signer(self) -> Signer: ...

    @abstractmethod
    def open_witness(self, key_file: str) -> Signer: ...

    @abstractmethod
    def process_is_gone(self, pid: int) -> bool: ...

    @abstractmethod
    def jitter(self) -> float:
        """Between 0 and 1."""

    @abstractmethod
    def new_id(self) -> str:
        """32 hex digits, never the same again."""

    @abstractmethod
    def program_version(self, name: str) -> str:
        """The version text of a program; `python` is the interpreter."""

    # --- the log

    @abstractmethod
    def open_remote(self, settings: EvidenceSettings) -> RemoteAccess: ...

    @abstractmethod
    def open_store(self, settings: EvidenceSettings) -> EvidenceStore: ...

    @property
    @abstractmethod
    def mark(self) -> VerifiedMark | None:
        """The verified end of this clone's log; None: not remembered."""

    @abstractmethod
    def mark_of(self, zone: str) -> VerifiedMark | None:
        """As `mark`, of one of several zones."""

    @property
    @abstractmethod
    def segment_folder(self) -> SegmentFolder: ...

    @property
    @abstractmethod
    def as_of(self) -> datetime | None:
        """The newest time in an unpacked bundle; None: not a bundle."""

    # --- servers

    @abstractmethod
    def open_reader(self, authority: Authority) -> ZoneReader:
        """The primary, to read."""

    @abstractmethod
    def reader_with_key(self, authority: Authority) -> ZoneReader | None:
        """The primary, to read; None where there is no key."""

    @abstractmethod
    def open_secondary(self, authority: Authority, secondary: Secondary) -> ZoneReader | None:
        """A secondary, to read; None: no API or no bound key."""

    @abstractmethod
    def open_refresher(self, authority: Authority, secondary: Secondary) -> Refresher | None:
        """The refresher of a secondary; None: no API or no key."""

    @abstractmethod
    def open_scratch(self, authority: Authority) -> ScratchZone:
        """A zone of a random name on the primary, not yet created."""

    @abstractmethod
    def server_info(self, authority: Authority) -> ServerInfo: ...

    @abstractmethod
    def zone_keys(self, authority: Authority) -> tuple[bool, ...] | None:
        """Whether each DNSSEC key signs and is published; None: not shown."""

    @abstractmethod
    def open_writer(self, authority: Authority) -> ZoneWriter: ...

    @abstractmethod
    def open_restorer(self, authority: Authority) -> ZoneRestorer: ...

    @property
    @abstractmethod
    def prober(self) -> Prober: ...

    @property
    @abstractmethod
    def transfers(self) -> ZoneTransfers: ...

    @property
    @abstractmethod
    def dns(self) -> DnsClient: ...
