"""The sound parts of the authority file, which contracts are checked against.

A part with a finding is None, so that one mistake in the authority file does not hide the findings of the contracts,
nor make new ones.
"""

import ipaddress
from collections.abc import Set as AbstractSet

from hyops_gitops.core.authority import POLICY_DEFAULTS, Network, TtlBounds
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document, Fields
from hyops_gitops.core.names import SHARED, label_problem, name_problem, zone_of_name

DEFAULT_TTL = TtlBounds(minimum=5, maximum=3600, default=60)


@dataclass(frozen=True, slots=True)
class ZoneContext:
    """The rules' view of the zone and of the tree."""

    zone: str | None
    environments: tuple[str, ...] | None  # `shared` included
    ttl: TtlBounds | None
    networks: tuple[Network, ...] | None  # empty: any address
    contract_paths: AbstractSet[str]
    cutover_ttl_max: int | None = None  # seconds
    folder: str = ""  # the zone's own in endpoints/, ended by "/"; "": it has none
    other_zones: tuple[str, ...] = ()  # of the repository

    def zone_of(self, name: str) -> str | None:
        """The zone with the longest suffix of a name, if any."""
        return zone_of_name(name, (*filter(None, (self.zone,)), *self.other_zones))


def zone_context(
    document: Document | None,
    contract_paths: AbstractSet[str],
    folder: str = "",
    other_zones: tuple[str, ...] = (),
) -> ZoneContext:
    """The sound parts of an authority file, if there is one."""
    if document is None:
        return ZoneContext(None, None, None, None, contract_paths)
    fields = Fields(document)
    zone = fields.text("zone")
    return ZoneContext(
        zone=zone if zone and name_problem(zone) is None else None,
        environments=_environments(fields),
        ttl=ttl_bounds(fields),
        networks=target_networks(fields),
        contract_paths=contract_paths,
        cutover_ttl_max=fields.number("policy", "cutover_ttl_max") or _default_cutover_ttl(fields),
        folder=folder,
        other_zones=other_zones,
    )


def _default_cutover_ttl(fields: Fields) -> int | None:
    """The default of an absent key; None for one with a finding."""
    default = POLICY_DEFAULTS["cutover_ttl_max"]
    return default if "cutover_ttl_max" not in fields.mapping("policy") and isinstance(default, int) else None


def ttl_bounds(fields: Fields) -> TtlBounds | None:
    """The TTL policy with its defaults; None when it has a finding."""
    if not fields.document.is_sound("policy", "ttl"):
        return None
    given = fields.mapping("policy", "ttl")
    if any(fields.number("policy", "ttl", key) is None for key in given):
        return None

    def bound(key: str, default: int) -> int:
        value = fields.number("policy", "ttl", key)
        return default if value is None else value

    minimum, maximum = bound("min", DEFAULT_TTL.minimum), bound("max", DEFAULT_TTL.maximum)
    return TtlBounds(minimum, maximum, bound("default", DEFAULT_TTL.default))


def target_networks(fields: Fields) -> tuple[Network, ...] | None:
    """The allowed networks, or None when any of them has a finding."""
    at = ("policy", "target_networks")
    networks = tuple(parse_network(text) for _, text in fields.texts(*at))
    sound = tuple(network for network in networks if network is not None)
    complete = fields.document.is_sound(*at) and len(sound) == fields.length(*at)
    return sound if complete else None


def parse_network(text: str) -> Network | None:
    """A network in CIDR form without host bits, or None."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _environments(fields: Fields) -> tuple[str, ...] | None:
    named = tuple(text for _, text in fields.texts("environments"))
    complete = fields.document.is_sound("environments") and len(named) == fields.length("environments")
    if not named or not complete or any(label_problem(name) for name in named):
        return None
    return (*(name for name in named if name != SHARED), SHARED)
