"""Publish: create or update a contract from a module's outputs.

The active target follows its publication. A standby's publication (`--site`) fills its place in `endpoint_sites` and
moves nothing: a move is a decision of its own (`cutover`, `failover`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import ATTESTED_OK, Contract, Target
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.names import EndpointName, zone_of_name
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.contract_files import (
    FileChange,
    check_changes,
    edit_file,
    move_edits,
    site_edits,
    site_move_edits,
    target_value,
    validated,
    write_changes,
)
from hyops_gitops.move.publication import Publication

PublishOutcome = Literal["created", "updated", "unchanged", "nothing"]


@dataclass(frozen=True, slots=True)
class PublishResult(JsonReport):
    """The change of a contract by one publication."""

    FORMAT = "hyops-publish/1"
    outcome: PublishOutcome
    name: str = ""
    path: str = ""
    edits: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = ()
    written: bool = False

    @property
    def differs(self) -> bool:
        """Whether the contract differs, apart from attestations, which age."""
        return any(edit.at != ("endpoint_attested",) for edit in self.edits)


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """Arguments of publish."""

    publication: Publication
    site: str | None = None
    source: str | None = None  # module#instance; None: as published
    allow_status: bool = False
    attest: bool = False
    write: bool = True  # False: only report the change


def publish(request: PublishRequest, workspace: Workspace, now: datetime) -> PublishResult:
    """Create or update the contract of a publication.

    Raises:
        InvalidData: the status is not ok, or the publication cannot be a contract.
        UsageError: the published site is ambiguous.
        FindingsError: the contract, as it is or as it would be, is invalid.
    """
    publication = request.publication
    _check_status(request)
    if not publication.name:
        note = "nothing to publish: endpoint_dns_name is empty"
        return PublishResult("nothing", notes=(note,))
    workspace = _of_name(publication.name, workspace)
    validation = validated(workspace)
    zone = validation.authority.zone if validation.authority else ""
    name = _endpoint_name(publication.name, zone, validation.files.layout.folder)
    path = name.contract_path
    contract = validation.contract(path)
    if contract is None and path in validation.files:
        raise FindingsError(validation.findings_about({path}))
    if contract is None:
        edits: tuple[Edit, ...] = (*_new(request), *_attestation(request, None, _needed_port(publication), now))
        fields = {edit.at[0]: edit.value for edit in edits}
        change = FileChange(path, None, workspace.contract_writer.new(path, fields))
        notes: tuple[str, ...] = ()
    else:
        edits, notes = _edits(request, contract, now)
        change = edit_file(path, validation.files[path], edits, workspace)
    check_changes([change], workspace)
    if request.write:
        write_changes([change], workspace)
    outcome: PublishOutcome = "created" if change.before is None else "updated" if change.changes else "unchanged"
    written = request.write and change.changes
    return PublishResult(outcome, str(name), path, edits if change.changes else (), notes, written)


def _check_status(request: PublishRequest) -> None:
    status = request.publication.status
    if status not in (None, ATTESTED_OK) and not request.allow_status:
        raise InvalidData(
            f"expected module status {ATTESTED_OK!r}, got {status!r}",
            code="module-status",
            hint="wait until the module has finished, or pass --allow-status",
        )
    if request.attest and status != ATTESTED_OK:
        raise InvalidData(
            f"cannot attest readiness: the status is {'unknown' if status is None else repr(status)}",
            code="module-status",
            hint="give --attest a state file whose status is ok",
        )


def _of_name(name: str, workspace: Workspace) -> Workspace:
    """The workspace of the zone that a name belongs to.

    Raises:
        InvalidData: code `bad-outputs`: it is in none of them.
    """
    division = workspace.work_tree.division
    if workspace.zone_name is not None or not division.several:
        return workspace
    zone = zone_of_name(name, division.zones)
    if zone is None:
        zones = f"one of these zones: {', '.join(division.zones)}"
        raise InvalidData(f"endpoint_dns_name: expected a name in {zones}; got {name}", code="bad-outputs")
    return workspace.of_zone(zone)


def _endpoint_name(name: str, zone: str, folder: str) -> EndpointName:
    if (found := EndpointName.parse(name, zone, folder)) is None:
        raise InvalidData(f"endpoint_dns_name: expected <service>.<env>.{zone}, got {name}", code="bad-outputs")
    return found


def _new(request: PublishRequest) -> tuple[Edit, ...]:
    """The edits that make a new contract."""
    publication = request.publication
    target = publication.target(_needed_port(publication))
    if publication.cutover_required is None:
        raise InvalidData("missing output endpoint_cutover_required", code="bad-outputs")
    edits = [
        Edit(("endpoint_dns_name",), publication.name),
        Edit(("endpoint_target",), target_value(target)),
        Edit(("endpoint_target_type",), target.type.value),
        Edit(("endpoint_port",), target.port),
        Edit(("endpoint_cutover_required",), publication.cutover_required),
    ]
    if source := _source(request):
        edits.append(Edit(("endpoint_source",), source))
    if request.site is not None:
        edits.append(Edit(("endpoint_sites",), {request.site: target_value(target)}))
    return tuple(edits)


def _edits(request: PublishRequest, contract: Contract, now: datetime) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
    """The edits of an existing contract, and notes about them."""
    publication, target = request.publication, request.publication.target(contract.target.port)
    site = request.site or _known_site(contract, target)
    attested = _attestation(request, contract, target.port, now)
    if site is not None and contract.sites and site != contract.active_site:
        note = f"{site} is not the active site: {contract.name} stays at {contract.active_site}"
        return (*site_edits(contract, site, target), *attested), (note,)
    if site is not None and not contract.sites and target != contract.target:
        raise UsageError(
            f"cannot publish site {site}: {contract.name} has no endpoint_sites, not even for its active target",
            code="no-active-site",
            hint="publish the active target with --site first, or add endpoint_sites by hand",
        )
    edits = move_edits(contract, target) if site is None else site_move_edits(contract, site, target)
    return (*edits, *_about_active(request, contract), *attested), _notes(publication, contract)


def _known_site(contract: Contract, target: Target) -> str | None:
    """The site of a publication without --site; None: no sites."""
    if not contract.sites:
        return None
    found = [name for name, own in contract.sites.items() if own == target]
    if contract.active_site in found or len(found) == 1:
        return contract.active_site if contract.active_site in found else found[0]
    raise UsageError(
        f"no single site of {contract.name} has the target {', '.join(target.values)}",
        code="which-site",
        hint=f"name the site: --site {' | '.join(sorted(contract.sites))}",
    )


def _about_active(request: PublishRequest, contract: Contract) -> list[Edit]:
    """The edits of endpoint fields, by the active target's publisher."""
    flag, source = request.publication.cutover_required, _source(request)
    edits = []
    if flag is not None and flag != contract.cutover_required:
        edits.append(Edit(("endpoint_cutover_required",), flag))
    if source and source != contract.source:
        edits.append(Edit(("endpoint_source",), source))
    return edits


def _notes(publication: Publication, contract: Contract) -> tuple[str, ...]:
    if contract.cutover_required and publication.cutover_required is False:
        source = publication.source or "the publisher"
        note = f"endpoint_cutover_required is false, by {source}: a failover of its site skips it without --include"
        return (note,)
    return ()


def _attestation(request: PublishRequest, contract: Contract | None, port: int, now: datetime) -> Sequence[Edit]:
    """The new attestation of this target, without those of former targets."""
    if not request.attest:
        return ()
    target, source = request.publication.target(port), _source(request)
    attestation: dict[str, object] = {"target": target_value(target), "status": ATTESTED_OK, "time": time_text(now)}
    if source:
        attestation["source"] = source
    kept: list[object] = []
    if contract is not None:
        others = {own.values for own in (contract.target, *contract.sites.values())} - {target.values}
        data = contract.document.data
        written = data.get("endpoint_attested", []) if isinstance(data, dict) else []
        kept = [raw for raw, read in zip(written, contract.attested, strict=False) if read.values in others]
    return (Edit(("endpoint_attested",), [*kept, attestation]),)


def _needed_port(publication: Publication) -> int:
    if publication.port is None:
        raise InvalidData("missing output endpoint_port", code="bad-outputs")
    return publication.port


def _source(request: PublishRequest) -> str | None:
    return request.source or request.publication.source
