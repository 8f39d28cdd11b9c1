"""Endpoints of any number and where each points: what every tool is told to serve."""

import json
from dataclasses import dataclass, field

ENVIRONMENTS = ("dev", "staging", "prod")
SITES = ("onprem", "gcp")


@dataclass
class Tree:
    """So many endpoints over three environments; every third has two sites."""

    size: int
    turns: dict[int, int] = field(default_factory=dict)  # how many times an endpoint has moved

    def label(self, index: int) -> str:
        """`<service>.<environment>`."""
        return f"svc{index:05}.{ENVIRONMENTS[index % 3]}"

    def has_sites(self, index: int) -> bool:
        return index // 3 % 3 == 0

    def target(self, index: int) -> str:
        """The address that it points at now."""
        turn = self.turns.get(index, 0)
        if self.has_sites(index):
            return self.sites(index)[SITES[turn % 2]]
        return f"10.{turn % 90}.{index >> 8}.{index & 255}"

    def sites(self, index: int) -> dict[str, str]:
        """The address at each site."""
        return {site: f"10.{100 + number}.{index >> 8}.{index & 255}" for number, site in enumerate(SITES)}

    def labels(self) -> list[str]:
        return [self.label(index) for index in range(self.size)]

    def move(self, count: int) -> list[int]:
        """Move so many endpoints: a single one without sites, else as many with sites as there are."""
        fitting = [index for index in range(self.size) if self.has_sites(index) == (count > 1)]
        first = sum(self.turns.values()) % len(fitting) if count == 1 else 0
        moved = fitting[first : first + count]
        for index in moved:
            self.turns[index] = self.turns.get(index, 0) + 1
        return moved

    # --- as contracts

    def path(self, index: int) -> str:
        """The contract's file."""
        service, environment = self.label(index).split(".")
        return f"endpoints/{environment}/{service}.yaml"

    def contract(self, index: int, zone: str) -> str:
        """The contract's text."""
        fields: dict[str, object] = {
            "endpoint_dns_name": f"{self.label(index)}.{zone}",
            "endpoint_target": self.target(index),
            "endpoint_target_type": "host",
            "endpoint_port": 5432,
            "endpoint_cutover_required": True,
            "endpoint_ttl": 30,
            "endpoint_owner": f"team-{index % 17}",
            "endpoint_description": f"Service number {index}",
        }
        if self.has_sites(index):
            fields |= {"endpoint_sites": self.sites(index), "endpoint_home": SITES[0]}
        fields["endpoint_readiness"] = [{"type": "none", "reason": "nothing listens at this address"}]
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())
