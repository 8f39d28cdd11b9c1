"""A scene written to a NetBox by its REST API, many objects a request, and users with tokens of every kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.support.netbox_scene import NETBOX_SITES, OWNERS, PREFIXES, TAGS, TENANTS, VRFS, Prefix, Scene

Json = dict[str, Any]
_TIMEOUT_S = 600  # a busy machine takes minutes for a batch
_BATCH = 200
READS = ("ipam.prefix", "ipam.service")  # and addresses, but for those that are hidden


@dataclass
class Filler:
    """The superuser's session with one NetBox."""

    url: str
    token: str

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def post(self, path: str, items: Sequence[Json]) -> list[int]:
        """Create these, and return their numbers, in order."""
        made: list[int] = []
        for start in range(0, len(items), _BATCH):
            batch = list(items[start : start + _BATCH])
            done = self._session.post(f"{self.url}/api/{path}/", json=batch, timeout=_TIMEOUT_S)
            assert done.status_code == 201, f"{path}: {done.status_code} {done.text[:2000]}"
            made += [item["id"] for item in done.json()]
        return made

    def post_one(self, path: str, item: Json) -> Json:
        """Create this; as NetBox shows it then, and only then if it is a token."""
        done = self._session.post(f"{self.url}/api/{path}/", json=item, timeout=_TIMEOUT_S)
        assert done.status_code == 201, f"{path}: {done.status_code} {done.text[:2000]}"
        created: Json = done.json()
        return created

    def named(self, path: str, names: Sequence[str], **more: object) -> dict[str, int]:
        """Create objects that have a name and a slug."""
        items = [{"name": name, "slug": name, **more} for name in names]
        return dict(zip(names, self.post(path, items), strict=True))

    def version(self) -> str:
        done = self._session.get(f"{self.url}/api/status/", timeout=_TIMEOUT_S)
        return str(done.json()["netbox-version"])

    # --- what there is

    def fill(self, scene: Scene) -> None:
        sites = self.named("dcim/sites", list(NETBOX_SITES.values()), status="active")
        tenants = self.named("tenancy/tenants", TENANTS)
        group = self.post_one("users/owner-groups", {"name": "teams"})["id"]
        teams = [{"name": name, "group": group} for name in OWNERS.values()]
        owners = dict(zip(OWNERS, self.post("users/owners", teams), strict=True))
        self.named("extras/tags", TAGS, color="00ff00")
        vrfs = dict(zip(VRFS, self.post("ipam/vrfs", [{"name": n, "rd": rd} for n, rd in VRFS.items()]), strict=True))
        self.post("ipam/prefixes", [_prefix(prefix, vrfs, sites, owners) for prefix in PREFIXES])
        parents = [
            {"name": name, "site": sites[NETBOX_SITES.get(name, "dc-onprem")], "status": "active"}
            for name in scene.machines
        ]
        machines = dict(zip(scene.machines, self.post("virtualization/virtual-machines", parents), strict=True))
        holders = [machine for machine in scene.machines if machine not in NETBOX_SITES]
        eth0 = [{"virtual_machine": machines[machine], "name": "eth0"} for machine in holders]
        interfaces = dict(zip(holders, self.post("virtualization/interfaces", eth0), strict=True))
        addresses = self.post(
            "ipam/ip-addresses",
            [
                {
                    "address": f"{address.address}{_length(number, address.address)}",
                    "vrf": vrfs.get(address.vrf or ""),
                    "dns_name": address.dns_name,
                    "status": address.status,
                    "role": address.role,
                    "owner": owners.get(address.owner or ""),
                    "tenant": tenants.get(address.tenant or ""),
                    "tags": [{"slug": tag} for tag in address.tags],
                    "description": address.description,
                    **_held_by(interfaces.get(address.machine or "")),
                }
                for number, address in enumerate(scene.addresses)
            ],
        )
        numbers = {(item.address, item.vrf): number for item, number in zip(scene.addresses, addresses, strict=True)}
        self.post(
            "ipam/services",
            [
                {
                    "name": service.name,
                    "port_mappings": list(service.mappings),
                    "parent_object_type": "virtualization.virtualmachine",
                    "parent_object_id": machines[service.machine],
                    "ipaddresses": [numbers[listed] for listed in service.addresses],
                }
                for service in scene.services
            ],
        )

    # --- who may see it

    def tokens(self) -> dict[str, str]:
        """A token of each kind, by the name of what it is. One expires in 20 seconds: to fill takes longer."""
        reader, stranger = self._user("reader"), self._user("stranger")
        self._permit("read", reader, READS, None)
        self._permit("read what is not hidden", reader, ["ipam.ipaddress"], {"description": ""})
        return {
            "reader": self._token(reader, 2),
            "reader-v1": self._token(reader, 1),
            "stranger": self._token(stranger, 2),
            "expired": self._token(reader, 2, expires=(datetime.now(UTC) + timedelta(seconds=20)).isoformat()),
            "disabled": self._token(reader, 2, enabled=False),
            "elsewhere": self._token(reader, 2, allowed_ips=["192.0.2.0/24"]),
        }

    def _user(self, name: str) -> int:
        number = self.post_one("users/users", {"username": name, "password": f"Not-{name}-Secret-1"})["id"]
        return int(number)

    def _permit(self, name: str, user: int, types: Sequence[str], constraints: Json | None) -> None:
        self.post_one(
            "users/permissions",
            {
                "name": name,
                "object_types": list(types),
                "actions": ["view"],
                "users": [user],
                "constraints": constraints,
            },
        )

    def _token(self, user: int, version: int, **more: object) -> str:
        made = self.post_one("users/tokens", {"user": user, "version": version, "write_enabled": False, **more})
        return str(made["token"]) if version == 1 else f"nbt_{made['key']}.{made['token']}"


def _prefix(prefix: Prefix, vrfs: dict[str, int], sites: dict[str, int], owners: dict[str, int]) -> Json:
    scope = {"scope_type": "dcim.site", "scope_id": sites[NETBOX_SITES[prefix.site]]} if prefix.site else {}
    owner = {} if prefix.owner is None else {"owner": owners[prefix.owner]}
    return {"prefix": prefix.prefix, "vrf": vrfs.get(prefix.vrf or ""), "status": "active", **scope, **owner}


def _length(number: int, address: str) -> str:
    """As people write them: some with the length of their network."""
    if ":" in address:
        return "/64"
    return ("/24", "/32", "/16")[number % 3]


def _held_by(interface: int | None) -> Json:
    if interface is None:
        return {}
    return {"assigned_object_type": "virtualization.vminterface", "assigned_object_id": interface}
