"""Readiness of a target for the service's clients, as values.

*ready*: it answers as the contract's probes ask. *not-ready*: it answers otherwise (connection refused, another status,
a bad certificate). *unknown*: it cannot be seen from here (no route, no answer in time). *not-probed*: the contract
states that nothing is probed, and why.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from hyops_gitops.core.authority import Network
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.contract import Contract, Readiness, Target
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import ALWAYS, Keywords, Natural

ProbeVerdict = Literal["ready", "not-ready", "unknown"]
ReadinessVerdict = Literal["ready", "not-ready", "unknown", "not-probed"]
DEFAULT_TIMEOUT_S = 3
DEFAULT_STATUS = 200
_DEFAULT_PROBES = (Readiness("tcp", {}),)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible target of an endpoint, with its probes."""

    name: str  # the endpoint's DNS name, which a certificate must be valid for
    target: Target
    probes: tuple[Readiness, ...]
    unprobed: str = ""  # why nothing is probed
    attested: datetime | None = None  # when its publisher attested that it is ready

    @classmethod
    def of(cls, contract: Contract, target: Target | None = None) -> "Candidate":
        """One contract's target, or another that it is to have."""
        probes = contract.readiness or (_DEFAULT_PROBES if contract.protocol == "tcp" else ())
        reason = "" if probes else f"{contract.protocol} has no probe by default"
        for probe in probes:
            if probe.type == "none":
                probes, reason = (), str(probe.options.get("reason", ""))
        wanted = target or contract.target
        return cls(str(contract.name), wanted, probes, reason, contract.attested_at(wanted))


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to one address."""

    type: str  # tcp, tls, http
    host: str  # the DNS name that clients use: in Host, in SNI, and what the certificate must be valid for
    address: str
    port: int
    timeout_s: int
    networks: tuple[Network, ...]  # where the address must lie; empty: anywhere
    https: bool = False
    path: str = "/"
    expect_status: int = DEFAULT_STATUS
    min_days: int = 0

    @classmethod
    def of(cls, wanted: Readiness, host: str, address: str, port: int, networks: tuple[Network, ...]) -> "Probe":
        """A contract's probe of one address, of types the schema checked."""
        given = wanted.options
        return cls(
            wanted.type,
            host,
            address,
            _number(given, "port", port),
            _number(given, "timeout_s", DEFAULT_TIMEOUT_S),
            networks,
            given.get("scheme") == "https",
            str(given.get("path", "/")),
            _number(given, "expect_status", DEFAULT_STATUS),
            _number(given, "min_days", 0),
        )


@dataclass(frozen=True, slots=True)
class ProbeReport(JsonObject):
    """What a probe found at an address."""

    type: str  # tcp, tls or http; dns where a target's name leads to no address
    address: str  # empty where a target's name leads to none
    port: Annotated[int, Keywords.of(minimum=0, maximum=65535)]  # the port
    verdict: ProbeVerdict  # of this probe alone
    detail: str  # what the address did, in words
    ms: Annotated[Natural, ALWAYS] = 0  # how long it took

    def __str__(self) -> str:
        where = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        return f"{self.type} {where} {self.detail}" if self.address else self.detail


@dataclass(frozen=True, slots=True)
class ReadinessReport(JsonObject):
    """The outcome of all probes of one target."""

    name: str  # the endpoint's DNS name
    target: tuple[str, ...]  # addresses, or a name
    verdict: ReadinessVerdict  # the worst of all probes; not-probed: the contract asks for no probe
    probes: Annotated[tuple[ProbeReport, ...], ALWAYS] = ()  # each probe of each address
    reason: str = ""  # why nothing was probed
    attested: datetime | None = None  # when the publisher attested it, which stands for an unknown readiness

    @property
    def why(self) -> str:
        """The reason why it is not ready, in words."""
        return "; ".join(str(probe) for probe in self.probes if probe.verdict == self.verdict) or self.reason


def over_addresses(wanted: Readiness, verdicts: Sequence[ProbeVerdict]) -> ProbeVerdict:
    """A probe's verdict over all addresses; with `any` one suffices."""
    order: Sequence[ProbeVerdict] = ("not-ready", "unknown", "ready")
    chosen = reversed(order) if wanted.options.get("any") is True else order
    return next((verdict for verdict in chosen if verdict in verdicts), "unknown")


def over_probes(verdicts: Iterable[ProbeVerdict]) -> ProbeVerdict:
    """A target's verdict: the worst of its probes'."""
    found = set(verdicts)
    return "not-ready" if "not-ready" in found else "unknown" if "unknown" in found else "ready"


def _number(options: Mapping[str, object], name: str, default: int) -> int:
    value = options.get(name, default)
    return value if isinstance(value, int) else default
