"""`policy.netbox`: what NetBox is expected to say of contracts.

The commands `netbox check` and `netbox suggest` read it from the authority's document; nothing else does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from ipaddress import ip_network
from typing import Literal, cast

from hyops_gitops.core.authority import Network
from hyops_gitops.core.context import parse_network
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document, Fields, finding_at
from hyops_gitops.core.findings import Finding, Rule
from hyops_gitops.core.names import SHARED
from hyops_gitops.core.text import suggestion

AUTHORITY_NETBOX = Rule(
    "authority-netbox",
    "A place of policy.netbox has one of prefix, netbox_site and tag, and says what it stands for.",
    "A place that means nothing, or an environment that is not there, would make every check pass.",
    "Give the place one of prefix, netbox_site and tag, and site, environments or, with a prefix, vrf.",
    "places: [{prefix: 10.12.0.1/16, site: onprem}]",
)

GLOBAL = "global"  # the table of addresses without VRF
_KINDS = ("prefix", "netbox_site", "tag")
_AT = ("policy", "netbox")

PlaceKind = Literal["prefix", "netbox_site", "tag"]
OwnerField = Literal["owner", "tenant", "contact", "none"]


@dataclass(frozen=True, slots=True)
class NetboxPlace:
    """One of `places`: a part of NetBox, and what it stands for."""

    kind: PlaceKind
    value: str  # the network in canonical text, or a slug
    network: Network | None  # of a prefix
    site: str | None  # of endpoint_sites
    environments: tuple[str, ...]  # empty: any
    vrf: str | None  # by name or route distinguisher, or GLOBAL


@dataclass(frozen=True, slots=True)
class NetboxPolicy:
    """What contracts and NetBox have to agree in."""

    tag: str | None = None  # marks the endpoints that are drafted
    vrfs: tuple[str, ...] = (GLOBAL,)
    owner: OwnerField = "owner"
    services: Literal["optional", "required"] = "optional"
    statuses: tuple[str, ...] = ("active",)
    places: tuple[NetboxPlace, ...] = ()
    findings: Mapping[str, str] = field(default_factory=dict)  # rule id -> error, warning or ignore


def netbox_policy(document: Document) -> NetboxPolicy:
    """The policy of an authority file that has no error."""
    fields = Fields(document)
    given = fields.mapping(*_AT)
    default = NetboxPolicy()
    return NetboxPolicy(
        tag=fields.text(*_AT, "tag"),
        vrfs=tuple(name for _, name in fields.texts(*_AT, "vrfs")) or default.vrfs,
        owner=cast("OwnerField", given.get("owner", default.owner)),
        services=cast("Literal['optional', 'required']", given.get("services", default.services)),
        statuses=tuple(name for _, name in fields.texts(*_AT, "statuses")) or default.statuses,
        places=tuple(_place(fields, index) for index in range(fields.length(*_AT, "places"))),
        findings=cast("Mapping[str, str]", fields.mapping(*_AT, "findings")),
    )


def _place(fields: Fields, index: int) -> NetboxPlace:
    at = (*_AT, "places", index)
    kind = next(kind for kind in _KINDS if fields.text(*at, kind) is not None)
    value = fields.text(*at, kind) or ""
    return NetboxPlace(
        cast("PlaceKind", kind),
        value,
        ip_network(value) if kind == "prefix" else None,
        fields.text(*at, "site"),
        tuple(name for _, name in fields.texts(*at, "environments")),
        fields.text(*at, "vrf"),
    )


def check_netbox(fields: Fields) -> Iterator[Finding]:
    """Every rule about `policy.netbox`."""
    known = (*(name for _, name in fields.texts("environments")), SHARED)
    for index in range(fields.length(*_AT, "places")):
        at = (*_AT, "places", index)
        if problem := _place_problem(fields.mapping(*at)):
            yield finding_at(AUTHORITY_NETBOX, fields.document, at, problem)
        prefix = fields.text(*at, "prefix")
        if prefix is not None and parse_network(prefix) is None:
            message = f"expected a network in CIDR form without host bits, got {prefix!r}"
            yield finding_at(AUTHORITY_NETBOX, fields.document, (*at, "prefix"), message, "such as 10.12.0.0/16")
        for number, name in fields.texts(*at, "environments"):
            if len(known) > 1 and name not in known:
                message = f"expected an environment, got {name!r}"
                place = (*at, "environments", number)
                yield finding_at(
                    AUTHORITY_NETBOX, fields.document, place, message, suggestion(name, known, "environments")
                )


def _place_problem(place: Mapping[str, object]) -> str | None:
    given = [kind for kind in _KINDS if kind in place]
    if len(given) != 1:
        return f"expected one of {', '.join(_KINDS)}, got {' and '.join(given) or 'none'}"
    if "vrf" in place and given != ["prefix"]:
        return f"expected vrf with a prefix alone, got it with {given[0]}"
    if not place.keys() & {"site", "environments", "vrf"}:
        return f"the {given[0]} stands for no site, environments or vrf"
    return None
