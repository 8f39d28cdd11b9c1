"""Adapters for the ports, imported only when a command uses them.

The hook runs on every commit, and to import what all commands need takes longer than most of them do. So methods import
what they alone need, which the linter's configuration allows in this module.
"""

from __future__ import annotations

import os
import random
import secrets
import uuid
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from hyops_gitops import __version__
from hyops_gitops.adapters.checkout import ARCHIVE_MARK, is_unpacked, work_tree
from hyops_gitops.adapters.files import read_source
from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.adapters.git.evidence import GitEvidenceStore
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.remote import RemoteHeads
from hyops_gitops.adapters.git.snapshot import GitVerifiedMark
from hyops_gitops.adapters.host.machine import (
    SystemClock,
    boot_identity,
    primary_key,
    process_is_gone,
    run_from_environment,
    secondary_key,
)
from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, SshVerifier, signer_from_environment
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.cli.output import note
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.events import Step
from hyops_gitops.core.guards import Override
from hyops_gitops.core.outside import Process
from hyops_gitops.core.zone_tree import SharedHistory
from hyops_gitops.log.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hyops_gitops.adapters.unpacked import UnpackedFolder
    from hyops_gitops.adapters.yaml.edit import TextWriter
    from hyops_gitops.apply.opening import ApplyRequest
    from hyops_gitops.audit.commits import AuditGit
    from hyops_gitops.core.authority import ApiEndpoint, Authority, EvidenceSettings, Secondary
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
        EvidenceStore,
        Forge,
        History,
        RemoteAccess,
        SegmentFolder,
        Signer,
        VerifiedMark,
    )
    from hyops_gitops.core.tree import SourceTree
    from hyops_gitops.recover.bundle import BundleInfo

    _Api = tuple[str, str, str, str, str | None]  # URL, server, zone, key, CA file

_QUEUED_S = 3.0  # for a request that is only queued; NOTIFY goes out in any case
TOOL = f"hyops-gitops {__version__}"

override_option = click.option(
    "--override",
    "override_texts",
    multiple=True,
    metavar="GUARD[:NAME]=REASON",
    help="Lift one guard, for this run; the reason becomes evidence. Repeatable.",
)

recover_option = click.option(
    "--recover", type=int, metavar="SEQ", help="Settle this open intent now; its applier must have ended."
)
site_lost_option = click.option(
    "--site-lost",
    "sites_lost",
    multiple=True,
    metavar="SITE",
    help="A site that is down: its DNS servers are watched, not required. Repeatable.",
)
OVERRIDES = "HYOPS_OVERRIDES"


def overrides_of(texts: tuple[str, ...], environ: Mapping[str, str] | None = None) -> tuple[Override, ...]:
    """The overrides of the command line and of HYOPS_OVERRIDES, one a line.

    Raises:
        UsageError: one of them is not `GUARD[:NAME]=REASON`.
    """
    lines = [line.strip() for line in (environ or {}).get(OVERRIDES, "").splitlines()]
    given = (Override.parse(line, source="environment") for line in lines if line)
    return (*(Override.parse(text) for text in texts), *given)


def run_request(override_texts: tuple[str, ...], recover: int | None) -> ApplyRequest:
    """A run at HEAD, whatever the work tree holds, with these overrides."""
    from hyops_gitops.apply.opening import ApplyRequest

    return ApplyRequest(
        revision="HEAD",
        work_tree_matters=False,
        overrides=overrides_of(override_texts),
        recover=recover,
    )


def authority_source(file: Path | None) -> SourceFile | None:
    """The file given by `--authority`."""
    return None if file is None else read_source(file.resolve(), str(file))


class LocalWorkspace(Workspace):
    """A repository on this machine, with this environment's keys."""

    read = staticmethod(read_document)
    check = staticmethod(check_document)
    clock = SystemClock()
    verifier = SshVerifier()

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str] | None = None,
        on_event: OnEvent = lambda _: None,
        authority_file: Path | None = None,
    ) -> None:
        super().__init__(on_event, authority_source(authority_file))
        self.root = root
        self.heads: RemoteHeads | None = None
        self.environ = os.environ if environ is None else environ
        self._git = Git(root, say=lambda text: self.on_event(Step(text)))

    @cached_property
    def _unpacked(self) -> UnpackedFolder | None:
        """The folder without git; None: a clone."""
        return _unpacked(self.root) if is_unpacked(self.root) else None

    @cached_property
    def history(self) -> History:
        """The contracts' history, of a clone or of a folder without git."""
        if self._unpacked is None:
            return GitRepository(self._git)
        from hyops_gitops.adapters.unpacked import UnpackedHistory

        return UnpackedHistory(self._unpacked)

    def audit_git(self) -> AuditGit | None:
        """The clone, for an audit's questions; None without git."""
        from hyops_gitops.adapters.git.clone import GitCustody

        return GitCustody(self._git) if self._unpacked is None else None

    @cached_property
    def rules(self) -> str:  # type: ignore[override]  # made when it is first asked for
        from hyops_gitops.adapters.yaml.schema import rules_digest

        return rules_digest()

    @cached_property
    def work_tree(self) -> SourceTree:
        return work_tree(self.root)

    @cached_property
    def dns(self) -> DnsClient:
        from hyops_gitops.adapters.dns.client import PlainDnsClient

        return PlainDnsClient()

    @cached_property
    def mark(self) -> VerifiedMark | None:
        """A clone's cache of its verified log; None without git."""
        return GitVerifiedMark(self._git) if self._unpacked is None else None

    def mark_of(self, zone: str) -> VerifiedMark | None:
        return GitVerifiedMark(self._git, zone) if self._unpacked is None else None

    def bundle(self) -> BundleInfo | None:
        """The description of the bundle that this folder was unpacked from.

        Raises:
            InvalidData: code `bundle-invalid`.
        """
        return self._unpacked.info if self._unpacked else None

    def open_store(self, settings: EvidenceSettings) -> EvidenceStore:
        """The evidence branch, or its files in a folder without git."""
        if self._unpacked is not None:
            from hyops_gitops.adapters.unpacked_log import UnpackedEvidence

            return UnpackedEvidence(self._unpacked)
        return GitEvidenceStore(self._git, settings.branch, settings.remote, settings.mirrors, self.heads)

    def shared(self) -> Self:
        """The same for commands on several zones, which ask Git together."""
        signer = cache(self.open_signer)  # opened when a zone first needs it
        history, work_tree = SharedHistory(self.history), self.work_tree
        return self.replaced(history=history, work_tree=work_tree, heads=RemoteHeads(), open_signer=signer)

    def require_clone(self) -> None:
        if self._unpacked is not None:
            raise UsageError(
                f"{self.root} is not a clone: an apply needs one to write to the log",
                code="no-repository",
                hint="run this in a clone; here `status`, `plan`, `validate`, `audit` and, where nothing else is left, "
                "`breakglass` work",
            )

    @property
    def segment_folder(self) -> SegmentFolder:
        from hyops_gitops.adapters.files import DiskSegments

        return DiskSegments(self.root, self.zone_name)

    @property
    def as_of(self) -> datetime | None:
        bundle = self.bundle()
        return bundle.as_of if bundle else None

    @cached_property
    def contract_writer(self) -> TextWriter:
        from hyops_gitops.adapters.yaml.edit import TextWriter

        return TextWriter(self.root)

    def replace_files(self, files: Mapping[str, bytes]) -> None:
        self.contract_writer.replace(files)

    @cached_property
    def branches(self) -> Branches:
        from hyops_gitops.adapters.git.commit import GitBranches

        return GitBranches(self.root, self.environ)

    def open_pull_request(self, command: Sequence[str]) -> str | None:
        from hyops_gitops.adapters.forge.forge import ForgeProgram

        return ForgeProgram(self.root).open(command)

    @cached_property
    def forge(self) -> Forge | None:
        from hyops_gitops.adapters.forge.forge import forge_from_environment

        return forge_from_environment(self.environ)

    @cached_property
    def prober(self) -> Prober:
        from hyops_gitops.adapters.dns.probes import NetworkProber

        return NetworkProber()

    def open_witness(self, key_file: str) -> Signer:
        return SshKeygenSigner(Path(key_file), self.environ)

    process_is_gone = staticmethod(process_is_gone)

    jitter = staticmethod(random.random)

    @cached_property
    def transfers(self) -> ZoneTransfers:
        from hyops_gitops.adapters.dns.zone_source import ZoneTransferClient

        return ZoneTransferClient()

    @cached_property
    def process(self) -> Process:
        return Process(TOOL, run_from_environment(self.environ), boot_identity(), os.getpid())

    def open_signer(self) -> Signer:
        return signer_from_environment(self.environ)

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def open_remote(self, settings: EvidenceSettings) -> RemoteAccess:
        from hyops_gitops.adapters.forge.access import GitAccess

        return GitAccess(self.root, settings.remote or "", settings.branch)

    def program_version(self, name: str) -> str:
        from hyops_gitops.adapters.host.machine import program_version, python_version

        return python_version() if name == "python" else program_version(name)

    # --- servers

    def open_reader(self, authority: Authority, ca_file: Path | None = None) -> ZoneReader:
        """The primary, to read; a CA file replaces the repository's own."""
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader

        return PowerDnsReader(*self._primary(authority, ca_file))

    def reader_with_key(self, authority: Authority) -> ZoneReader | None:
        from hyops_gitops.adapters.host.machine import api_key

        return self.open_reader(authority) if api_key(authority.primary.api, self.environ) else None

    def open_writer(self, authority: Authority) -> ZoneWriter:
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter

        return PowerDnsWriter(*self._primary(authority), max_body_mib=authority.primary.max_body_mib)

    def open_restorer(self, authority: Authority) -> ZoneRestorer:
        from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsRestorer

        return PowerDnsRestorer(*self._primary(authority), max_body_mib=authority.primary.max_body_mib)

    def open_scratch(self, authority: Authority) -> ScratchZone:
        from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsScratchZone
        from hyops_gitops.observe.isolation import scratch_name

        url, server, _, key, ca_file = self._primary(authority)
        return PowerDnsScratchZone(url, server, scratch_name(secrets.token_hex(8)), key, ca_file)

    def server_info(self, authority: Authority) -> ServerInfo:
        from hyops_gitops.adapters.powerdns.server import server_info

        url, server, _, key, ca_file = self._primary(authority)
        return server_info(url, server, key, ca_file)

    def zone_keys(self, authority: Authority) -> tuple[bool, ...] | None:
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsZoneKeys

        return PowerDnsZoneKeys(*self._primary(authority)).usable()

    def open_secondary(self, authority: Authority, secondary: Secondary) -> ZoneReader | None:
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader

        api = self._secondary(authority, secondary)
        return PowerDnsReader(*api) if api else None

    def open_refresher(self, authority: Authority, secondary: Secondary) -> Refresher | None:
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsCacheFlusher, PowerDnsTransferRequester

        api = self._secondary(authority, secondary)
        kind = PowerDnsCacheFlusher if authority.policy.replication == "native" else PowerDnsTransferRequester
        return kind(*api, timeout_s=_QUEUED_S) if api else None

    def _primary(self, authority: Authority, ca_file: Path | None = None) -> _Api:
        api = authority.primary.api
        trusted = self._ca_file(api) if ca_file is None else str(ca_file)
        return api.url, api.server_id, authority.zone, primary_key(api, self.environ, authority.zone), trusted

    def _secondary(self, authority: Authority, secondary: Secondary) -> _Api | None:
        api = secondary.api
        key = secondary_key(api, self.environ) if api else None
        return (api.url, api.server_id, authority.zone, key, self._ca_file(api)) if api and key else None

    def _ca_file(self, api: ApiEndpoint) -> str | None:
        return str(self.root / api.ca_file) if api.ca_file else None


def _unpacked(root: Path) -> UnpackedFolder:
    """A folder without git; warns if its commit cannot be verified."""
    from hyops_gitops.adapters.unpacked import UnpackedFolder

    found = UnpackedFolder(root)
    if found.is_unattested:
        taken = f"commit {found.commit} is taken from {ARCHIVE_MARK}; edits since cannot be detected"
        note(f"warning: this folder is not a clone: {taken}")
    return found
