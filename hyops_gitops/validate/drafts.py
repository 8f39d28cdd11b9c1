"""A contract as far as its form allows: what the rules look at before there is a valid `Contract`.

A field is None (or left out) when it is absent or already has a finding, so that a rule never speaks about it again.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hyops_gitops.core.contract import Attestation, Readiness, TargetType
from hyops_gitops.core.document import Document, Fields, KeyPath
from hyops_gitops.core.json_fields import parse_time
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.zone import canonical_address


@dataclass(frozen=True, slots=True)
class TargetDraft:
    """One target as written."""

    at: KeyPath  # where its value stands in the document
    values: tuple[tuple[KeyPath, str], ...]  # each address or name with its own place
    listed: bool
    type: TargetType | None
    port: int | None

    def canonical_values(self) -> tuple[str, ...]:
        """The values in the spelling in which they can be compared, sorted."""
        spell = canonical_name if self.type is TargetType.DNS else canonical_address
        return tuple(sorted({spell(value) for _, value in self.values}))


@dataclass(frozen=True, slots=True)
class AliasDraft:
    """One entry of endpoint_aliases as written."""

    at: KeyPath
    name: str
    until: str


@dataclass(frozen=True, slots=True)
class ContractDraft:
    """One contract file whose YAML could be read."""

    path: str
    document: Document
    name: str | None
    target: TargetDraft | None
    sites: Mapping[str, TargetDraft]
    home: str | None
    ttl: int | None  # seconds
    protocol: str
    readiness: tuple[tuple[KeyPath, Readiness], ...]
    attested: tuple[Attestation, ...] = ()
    cutover_required: bool = False
    aliases: tuple[AliasDraft, ...] = ()

    def targets(self) -> tuple[TargetDraft, ...]:
        """The main target, if it is sound, and those of the sites."""
        main = () if self.target is None else (self.target,)
        return (*main, *self.sites.values())


def draft_contract(document: Document) -> ContractDraft:
    """What can be said about this document as a contract."""
    fields = Fields(document)
    kind = _target_type(fields.text("endpoint_target_type"))
    port = fields.number("endpoint_port")
    return ContractDraft(
        path=document.path,
        document=document,
        name=fields.text("endpoint_dns_name"),
        target=_target(fields, ("endpoint_target",), kind, port),
        sites=_sites(fields, kind, port),
        home=fields.text("endpoint_home"),
        ttl=fields.number("endpoint_ttl"),
        protocol=fields.text("endpoint_protocol") or "tcp",
        readiness=_readiness(fields),
        attested=tuple(_attested(fields)),
        cutover_required=bool(fields.flag("endpoint_cutover_required")),
        aliases=tuple(_aliases(fields)),
    )


def _sites(fields: Fields, kind: TargetType | None, port: int | None) -> dict[str, TargetDraft]:
    """The sites; type and port of a site are the contract's where it gives none."""
    sites: dict[str, TargetDraft] = {}
    for site, value in fields.mapping("endpoint_sites").items():
        at: KeyPath = ("endpoint_sites", site)
        if isinstance(value, dict):
            site_kind = _target_type(fields.text(*at, "type")) if "type" in value else kind
            site_port = fields.number(*at, "port") if "port" in value else port
            target = _target(fields, (*at, "target"), site_kind, site_port)
        else:
            target = _target(fields, at, kind, port)
        if target is not None:
            sites[site] = target
    return sites


def _target(fields: Fields, at: KeyPath, kind: TargetType | None, port: int | None) -> TargetDraft | None:
    if (single := fields.text(*at)) is not None:
        return TargetDraft(at, ((at, single),), listed=False, type=kind, port=port)
    values = tuple(((*at, index), text) for index, text in fields.texts(*at))
    return TargetDraft(at, values, listed=True, type=kind, port=port) if values else None


def _target_type(text: str | None) -> TargetType | None:
    return TargetType(text) if text in set(TargetType) else None


def _attested(fields: Fields) -> Iterator[Attestation]:
    """Each publisher's word that can be read; one that cannot says nothing."""
    for index in range(fields.length("endpoint_attested")):
        at: KeyPath = ("endpoint_attested", index)
        single = fields.text(*at, "target")
        values = [single] if single is not None else [text for _, text in fields.texts(*at, "target")]
        status, time = fields.text(*at, "status"), fields.text(*at, "time")
        with suppress(ValueError):
            if values and status and time:
                spelt = sorted({canonical_address(canonical_name(value)) for value in values})
                yield Attestation(tuple(spelt), status, parse_time(time))


def _aliases(fields: Fields) -> Iterator[AliasDraft]:
    for index in range(fields.length("endpoint_aliases")):
        at: KeyPath = ("endpoint_aliases", index)
        name, until = fields.text(*at, "name"), fields.text(*at, "until")
        if name is not None and until is not None:
            yield AliasDraft(at, name, until)


def _readiness(fields: Fields) -> tuple[tuple[KeyPath, Readiness], ...]:
    probes: list[tuple[KeyPath, Readiness]] = []
    for index in range(fields.length("endpoint_readiness")):
        at: KeyPath = ("endpoint_readiness", index)
        kind = fields.text(*at, "type")
        if kind is not None:
            options = {key: value for key, value in fields.mapping(*at).items() if key != "type"}
            probes.append((at, Readiness(kind, options)))
    return tuple(probes)
