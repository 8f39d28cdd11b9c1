"""`netbox suggest`: drafts of contracts from tagged addresses, for a review.

A draft becomes a file of the work tree at most, and only one that validates. What is applied is what was merged.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.findings import Finding, FindingsError, Severity, printable
from hyops_gitops.core.names import EndpointName, canonical_name, is_below, name_problem, resolved_name, zone_of_name
from hyops_gitops.core.text import first_few
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.contract_files import (
    FileChange,
    check_changes,
    edit_file,
    site_edits,
    target_value,
    write_changes,
)
from hyops_gitops.netbox.ipam import Inventory, Ipam, IpamAddress, owner_form
from hyops_gitops.validate.netbox_policy import netbox_policy
from hyops_gitops.validate.validation import Validation


@dataclass(frozen=True, slots=True)
class Suggestion(JsonReport):
    """One draft, or why there is none."""

    name: str  # the DNS name; an address that has none
    path: str  # of the contract file; empty where there is none
    outcome: str  # new, updated, unchanged, exists or refused
    why: tuple[str, ...]  # reasons of a refusal; keys that would change or do
    content: str  # the whole file; empty where it stays as it is


@dataclass(frozen=True, slots=True)
class Suggestions(JsonReport):
    """The drafts by name, and whether they were written."""

    FORMAT = "hyops-netbox-suggest/1"
    drafts: tuple[Suggestion, ...]
    written: bool

    @property
    def refused(self) -> bool:
        """Whether any draft is."""
        return any(draft.outcome == "refused" for draft in self.drafts)


class _NoDraft(Exception):
    """A contract cannot be drafted."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What NetBox says of one endpoint."""

    name: EndpointName
    sites: Mapping[str | None, tuple[str, ...]]  # addresses by site, the first one active; None: no site is known
    type: TargetType
    protocol: str
    port: int
    owners: tuple[str, ...]

    def fields(self) -> dict[str, object]:
        """The keys of a new contract."""
        first = next(iter(self.sites))
        fields: dict[str, object] = {
            "endpoint_dns_name": str(self.name),
            "endpoint_target": target_value(self.target(self.sites[first])),
            "endpoint_target_type": self.type.value,
            "endpoint_port": self.port,
            "endpoint_cutover_required": True,
        }
        if self.protocol != "tcp":
            fields["endpoint_protocol"] = self.protocol
        if self.owners:
            fields["endpoint_owner"] = owner_form(self.owners[0])
        if first is not None:
            targets = {str(site): self.target(values) for site, values in self.sites.items()}
            fields["endpoint_sites"] = {site: target_value(target) for site, target in targets.items()}
        return fields

    def target(self, values: tuple[str, ...]) -> Target:
        return Target(self.type, values, self.port)

    def edits(self, contract: Contract) -> tuple[Edit, ...]:
        """The edits of an existing contract; its type and other sites stay."""
        active = contract.active_site if contract.sites else next(iter(self.sites))
        values = self.sites.get(active, contract.target.values)
        target = Target(contract.target.type, values, self.port)
        edits = []
        if target.values != contract.target.values:
            edits.append(Edit(("endpoint_target",), target_value(target)))
        if target.port != contract.target.port:
            edits.append(Edit(("endpoint_port",), target.port))
        if self.protocol != contract.protocol:
            edits.append(Edit(("endpoint_protocol",), self.protocol))
        if self.owners and (contract.owner is None or owner_form(contract.owner) not in map(owner_form, self.owners)):
            edits.append(Edit(("endpoint_owner",), owner_form(self.owners[0])))
        moved = replace(contract, target=target)
        for site, addresses in self.sites.items():
            if site is not None:
                edits += site_edits(moved, site, replace(target, values=addresses))
        return tuple(edits)


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """Arguments of suggest."""

    names: tuple[str, ...] = ()  # empty: every name
    update: bool = False
    write: bool = False


def suggest(request: SuggestRequest, workspace: Workspace, ipam: Ipam) -> Suggestions:
    """Draft the contracts of the addresses with the policy's tag.

    Raises:
        FindingsError: the authority file is invalid.
        InvalidData: code `no-netbox-tag`: the policy names none, or one that NetBox does not know.
        UsageError: no address has one of the names.
        OutsideFailure: as `Ipam` does.
    """
    validation = workspace.here().validation
    if validation.authority is None:
        raise FindingsError(validation.findings)
    zone, policy = validation.authority.zone, netbox_policy(validation.authority.document)
    if policy.tag is None or not ipam.knows("tag", policy.tag):
        what = "policy.netbox.tag is missing" if policy.tag is None else f"NetBox knows no tag {policy.tag!r}"
        hint = "name the slug of the tag that marks endpoints as policy.netbox.tag in the authority file"
        raise InvalidData(f"cannot suggest contracts: {what}", code="no-netbox-tag", hint=hint)
    tagged = Inventory(ipam, policy, ipam.tagged(policy.tag))
    by_name: dict[str, list[IpamAddress]] = {}
    for each in tagged.addresses:
        if each.status in policy.statuses and each.vrf.is_one_of(tagged.expected_vrfs(each.address)):
            by_name.setdefault(canonical_name(each.dns_name), []).append(each)
    nameless = [] if request.names else by_name.get("", [])
    zones = (zone, *workspace.work_tree.other_zones)
    known = {
        name: found for name, found in by_name.items() if is_below(name, zone) and zone_of_name(name, zones) == zone
    }
    chosen = {resolved_name(name, zone, known, "tagged address of NetBox") for name in request.names} or known.keys()
    drafts = [_refused(each.address, "", ["it has the tag, and no dns_name"]) for each in nameless]
    changes: dict[str, FileChange] = {}
    for name in sorted(chosen):
        draft, change = _draft(name, known[name], tagged, validation, request, workspace)
        drafts.append(draft)
        if change is not None:
            changes[draft.path] = change
    problems = _problems(changes, workspace)
    sound = [change for path, change in changes.items() if path not in problems]
    if request.write:
        write_changes(sound, workspace)
    return Suggestions(tuple(_judged(draft, problems) for draft in drafts), written=request.write and bool(sound))


def _judged(draft: Suggestion, problems: Mapping[str, Sequence[Finding]]) -> Suggestion:
    if draft.path not in problems:
        return draft
    return _refused(draft.name, draft.path, [f"{each.rule}: {each.message}" for each in problems[draft.path]])


def _refused(name: str, path: str, why: Iterable[str]) -> Suggestion:
    return Suggestion(name, path, "refused", tuple(why), "")


def _draft(
    name: str,
    found: Sequence[IpamAddress],
    tagged: Inventory,
    validation: Validation,
    request: SuggestRequest,
    workspace: Workspace,
) -> tuple[Suggestion, FileChange | None]:
    """One draft, and the change that writes it, if any."""
    zone = validation.authority.zone if validation.authority else ""
    try:
        endpoint = _endpoint(name, zone, validation.files.layout.folder)
        wanted = _wanted(endpoint, found, tagged)
    except _NoDraft as problem:
        return _refused(name, "", [str(problem)]), None
    path = endpoint.contract_path
    if path not in workspace.work_tree.read([path]):  # a link or a file without content is there too
        change = FileChange(path, None, workspace.contract_writer.new(path, wanted.fields()))
        return Suggestion(name, path, "new", (), change.after.decode()), change
    contract = validation.contract(path)
    if contract is None:
        return _refused(name, path, ["the file that is there does not validate"]), None
    edits = wanted.edits(contract)
    keys = tuple(dict.fromkeys(".".join(edit.at) for edit in edits))
    if not edits or not request.update:
        return Suggestion(name, path, "unchanged" if request.update else "exists", keys, ""), None
    try:
        change = edit_file(path, validation.files[path], edits, workspace)
    except InvalidData as error:
        return _refused(name, path, [error.message]), None
    return Suggestion(name, path, "updated", keys, change.after.decode()), change


def _endpoint(name: str, zone: str, folder: str) -> EndpointName:
    """The endpoint of a name; only sound labels become a path."""
    if problem := name_problem(name):
        raise _NoDraft(problem)
    if (found := EndpointName.parse(name, zone, folder)) is None:
        raise _NoDraft(f"expected <service>.<env>.{zone}")
    return found


def _wanted(name: EndpointName, found: Sequence[IpamAddress], tagged: Inventory) -> _Wanted:
    protocol, port = _port(name, found, tagged)
    return _Wanted(
        name=name,
        sites=_sites(found, tagged),
        type=TargetType.VIP if any(each.is_shared for each in found) else TargetType.HOST,
        protocol=protocol,
        port=port,
        owners=next((names for each in found if (names := tagged.owner_names(each))), ()),
    )


def _sites(found: Sequence[IpamAddress], tagged: Inventory) -> Mapping[str | None, tuple[str, ...]]:
    """The addresses by site, in the order of the policy's places."""
    by_site: dict[str | None, set[str]] = {}
    for each in found:
        sites = sorted({place.site or "" for places in tagged.site_places(each).values() for place in places})
        if len(sites) > 1:
            raise _NoDraft(f"{each.address} is in places of {' and '.join(sites)}")
        by_site.setdefault(sites[0] if sites else None, set()).add(each.address)
    if None in by_site and len(by_site) > 1:
        raise _NoDraft(f"expected a place in policy.netbox.places for {first_few(sorted(by_site[None]))} too")
    order = [place.site for place in tagged.policy.places]
    ordered = sorted(by_site, key=lambda site: order.index(site) if site is not None else 0)
    return {site: tuple(sorted(by_site[site])) for site in ordered}


def _port(name: EndpointName, found: Sequence[IpamAddress], tagged: Inventory) -> tuple[str, int]:
    """The one protocol and port of the services on these addresses."""
    services = {service.id: service for each in found for service in tagged.services_on(each)}.values()
    ports = {port for service in services for port in service.ports}
    if len(ports) > 1:
        ports = {port for each in services for port in each.ports if each.name.casefold() == name.service} or ports
    if len(ports) != 1:
        listed = first_few([f"{protocol}/{number}" for protocol, number in sorted(ports)]) or "none"
        raise _NoDraft(f"expected one port in NetBox's services on {found[0].address}, got {listed}")
    return next(iter(ports))


def _problems(changes: Mapping[str, FileChange], workspace: Workspace) -> Mapping[str, Sequence[Finding]]:
    """The findings of changes that would not validate, by path."""
    problems: dict[str, list[Finding]] = {}
    while left := {path: change for path, change in changes.items() if path not in problems}:
        try:
            check_changes(left.values(), workspace)
        except FindingsError as error:
            found = [each for each in error.findings if each.severity is Severity.ERROR]
            own = {each.path for each in found} & left.keys()
            for path in own or left.keys():  # a finding elsewhere is of all of them
                problems[path] = [each for each in found if each.path == path] or found
        else:
            break
    return problems


def suggestions_text(found: Suggestions) -> Iterator[str]:
    """The lines that show the drafts."""
    for draft in found.drafts:
        match draft.outcome:
            case "refused":
                yield f"{draft.path or printable(draft.name)}: refused: {'; '.join(map(printable, draft.why))}"
            case "exists" if draft.why:
                yield f"{draft.path}: exists; --update would change {', '.join(draft.why)}"
            case "updated":
                yield f"{draft.path}: updated: {', '.join(draft.why)}"
            case outcome:
                yield f"{draft.path}: {outcome}"
        yield from (f"  {line}" for line in draft.content.splitlines())


def outcomes(found: Suggestions) -> Mapping[str, int]:
    """The number of drafts by outcome."""
    kinds: Collection[str] = ("new", "updated", "unchanged", "exists", "refused")
    return {kind: sum(draft.outcome == kind for draft in found.drafts) for kind in kinds}
