"""Publish: a module's outputs become, or update, the contract of its endpoint.

The active target follows what is published for it. A standby's publication (`--site`) fills its place in
`endpoint_sites` and moves nothing: to move is a decision of its own (`cutover`, `failover`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.contract import ATTESTED_OK, Contract, Target
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.names import EndpointName, is_below
from hyops_gitops.move.contract_files import (
    FileChange,
    FilePorts,
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
class PublishResult:
    """One publication, and what it did to the contract."""

    outcome: PublishOutcome
    name: str = ""
    path: str = ""
    edits: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = ()
    written: bool = False

    @property
    def differs(self) -> bool:
        """Whether the contract is not as published, attestations aside: they age by themselves."""
        return any(edit.at != ("endpoint_attested",) for edit in self.edits)

    def to_json(self) -> dict[str, object]:
        """`hyops-publish/1`."""
        return {
            "format": "hyops-publish/1",
            "outcome": self.outcome,
            "name": self.name,
            "path": self.path,
            "edits": [{"key": ".".join(edit.at), "value": edit.value} for edit in self.edits],
            "notes": list(self.notes),
            "written": self.written,
        }


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """One call of publish."""

    publication: Publication
    site: str | None = None
    source: str | None = None  # module#instance, where the caller knows it better
    allow_status: bool = False
    attest: bool = False
    write: bool = True  # False: only say what would change


def publish(request: PublishRequest, ports: FilePorts, now: datetime) -> PublishResult:
    """Write or update the contract of what is published.

    Raises:
        InvalidData: the status is not ok, or what is published can be no contract.
        UsageError: it is not clear which site is published.
        FindingsError: the contract, as it is or as it would be, is invalid.
    """
    said = request.publication
    _check_status(request)
    if not said.name:
        note = "endpoint_dns_name is empty: the service has no name, so there is nothing to publish"
        return PublishResult("nothing", notes=(note,))
    validation = validated(ports)
    zone = validation.authority.zone if validation.authority else ""
    name = _endpoint_name(said.name, zone)
    path = name.contract_path
    contract = next((one for one in validation.contracts if one.path == path), None)
    if contract is None and path in validation.files:
        raise FindingsError(validation.findings_about({path}))
    if contract is None:
        edits: tuple[Edit, ...] = (*_new(request), *_attestation(request, None, _needed_port(said), now))
        fields = {edit.at[0]: edit.value for edit in edits}
        change = FileChange(path, None, ports.writer.new(fields))
        notes: tuple[str, ...] = ()
    else:
        edits, notes = _edits(request, contract, now)
        change = edit_file(path, validation.files[path], edits, ports)
    check_changes([change], ports)
    if request.write:
        write_changes([change], ports)
    outcome: PublishOutcome = "created" if change.before is None else "updated" if change.changes else "unchanged"
    written = request.write and change.changes
    return PublishResult(outcome, str(name), path, edits if change.changes else (), notes, written)


def _check_status(request: PublishRequest) -> None:
    status = request.publication.status
    if status not in (None, ATTESTED_OK) and not request.allow_status:
        raise InvalidData(
            f"the module's status is {status!r}, expected {ATTESTED_OK!r}",
            code="module-status",
            hint="publish it when the module has run to its end; if this is right: --allow-status",
        )
    if request.attest and status != ATTESTED_OK:
        raise InvalidData(
            f"nothing attests readiness: the status is {'not known' if status is None else repr(status)}",
            code="module-status",
            hint="--attest takes a state file whose status is ok",
        )


def _endpoint_name(name: str, zone: str) -> EndpointName:
    service, _, environment = name.removesuffix(f".{zone}").partition(".")
    if not is_below(name, zone) or not environment or "." in environment:
        raise InvalidData(
            f"endpoint_dns_name {name} cannot be a contract's",
            code="bad-outputs",
            hint=f"the form is <service>.<env>.{zone}",
        )
    return EndpointName(service, environment, zone)


def _new(request: PublishRequest) -> tuple[Edit, ...]:
    """A contract of its own."""
    said = request.publication
    target = said.target(_needed_port(said))
    if said.cutover_required is None:
        raise InvalidData("there is no output endpoint_cutover_required", code="bad-outputs")
    edits = [
        Edit(("endpoint_dns_name",), said.name),
        Edit(("endpoint_target",), target_value(target)),
        Edit(("endpoint_target_type",), target.type.value),
        Edit(("endpoint_port",), target.port),
        Edit(("endpoint_cutover_required",), said.cutover_required),
    ]
    if source := _source(request):
        edits.append(Edit(("endpoint_source",), source))
    if request.site is not None:
        edits.append(Edit(("endpoint_sites",), {request.site: target_value(target)}))
    return tuple(edits)


def _edits(request: PublishRequest, contract: Contract, now: datetime) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
    """What a contract that is there has to take over, and what is worth saying about it."""
    said, target = request.publication, request.publication.target(contract.target.port)
    site = request.site or _known_site(contract, target)
    attested = _attestation(request, contract, target.port, now)
    if site is not None and contract.sites and site != contract.active_site:
        note = f"{site} is not the active site: {contract.name} stays at {contract.active_site}"
        return (*site_edits(contract, site, target), *attested), (note,)
    if site is not None and not contract.sites and target != contract.target:
        raise UsageError(
            f"{contract.name} points at {', '.join(contract.target.values)}, which is no site yet",
            code="no-active-site",
            hint="publish that one with --site first, or add endpoint_sites by hand",
        )
    edits = move_edits(contract, target) if site is None else site_move_edits(contract, site, target)
    return (*edits, *_about_active(request, contract), *attested), _notes(said, contract)


def _known_site(contract: Contract, target: Target) -> str | None:
    """The site that is published where nobody says which; None where the contract has none."""
    if not contract.sites:
        return None
    found = [name for name, one in contract.sites.items() if one == target]
    if contract.active_site in found or len(found) == 1:
        return contract.active_site if contract.active_site in found else found[0]
    raise UsageError(
        f"{contract.name} has sites, and {', '.join(target.values)} is none of them",
        code="which-site",
        hint=f"say which one this is: --site {' | '.join(sorted(contract.sites))}",
    )


def _about_active(request: PublishRequest, contract: Contract) -> list[Edit]:
    """What the publisher of the active target says about the endpoint as a whole."""
    flag, source = request.publication.cutover_required, _source(request)
    edits = []
    if flag is not None and flag != contract.cutover_required:
        edits.append(Edit(("endpoint_cutover_required",), flag))
    if source and source != contract.source:
        edits.append(Edit(("endpoint_source",), source))
    return edits


def _notes(said: Publication, contract: Contract) -> tuple[str, ...]:
    if not said.cutover_required and contract.cutover_required and said.cutover_required is not None:
        who = said.source or "the publisher"
        note = f"{who} says that DNS need not move (endpoint_cutover_required: false): a failover of its site skips it"
        return (f"{note}, unless --include names it",)
    return ()


def _attestation(request: PublishRequest, contract: Contract | None, port: int, now: datetime) -> Sequence[Edit]:
    """The publisher's word about this target, in place of an earlier one; words about what is no target any more go."""
    if not request.attest:
        return ()
    target, source = request.publication.target(port), _source(request)
    word: dict[str, object] = {"target": target_value(target), "status": ATTESTED_OK, "time": time_text(now)}
    if source:
        word["source"] = source
    kept: list[object] = []
    if contract is not None:
        alive = {one.values for one in (contract.target, *contract.sites.values())} - {target.values}
        data = contract.document.data
        written = data.get("endpoint_attested", []) if isinstance(data, dict) else []
        kept = [one for one, read in zip(written, contract.attested, strict=False) if read.values in alive]
    return (Edit(("endpoint_attested",), [*kept, word]),)


def _needed_port(said: Publication) -> int:
    if said.port is None:
        raise InvalidData("there is no output endpoint_port", code="bad-outputs")
    return said.port


def _source(request: PublishRequest) -> str | None:
    return request.source or request.publication.source
