"""The checks of the DNS servers: the primary's own answer, each secondary's and resolver's, transfers and NOTIFY."""

from functools import partial

from hyops_gitops.core.contracts.authority import Authority, Resolver, Secondary, ServerAddress
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.exchange import Question, ZoneHeader
from hyops_gitops.core.zone import soa_serial
from hyops_gitops.usecases.apply.convergence import answered
from hyops_gitops.usecases.doctor.examining import Look, Once, Unseen
from hyops_gitops.usecases.doctor.ports import DoctorPorts

_TIMEOUT_S = 2.0


def looks(ports: DoctorPorts, authority: Authority, header: Once[ZoneHeader]) -> dict[str, Look]:
    """Every check, by its id."""
    primary = authority.primary.dns
    serial: Once[int]
    if primary is not None:
        address = primary
        serial = Once("primary-dns", lambda: _serial(ports, authority.zone, address))
    else:
        serial = Once("api", lambda: header().edited_serial)
    named: dict[str, Look] = {"primary-dns": lambda: _primary(authority, serial)}
    for one in authority.secondaries:
        named[f"secondary-{one.name}"] = partial(_secondary, ports, authority, one, serial)
        if one.api is not None:
            named[f"secondary-api-{one.name}"] = partial(_secondary_api, ports, authority, one)
    if authority.secondaries and authority.policy.replication == "transfer":
        named["notify"] = partial(_notify, ports, authority, header)
    for resolver in authority.resolvers:
        named[f"resolver-{resolver.name}"] = partial(_resolver, ports, authority.zone, resolver)
    return named


def _primary(authority: Authority, serial: Once[int]) -> str:
    if authority.primary.dns is None:
        raise Unseen("primary.dns is not given, so the primary is never asked", "add primary.dns")
    return f"{authority.primary.dns} answers with authority, serial {serial()}"


def _secondary(ports: DoctorPorts, authority: Authority, one: Secondary, serial: Once[int]) -> str:
    served = _serial(ports, authority.zone, one.dns)
    wanted = serial()
    if served != wanted:
        raise OutsideFailure(
            f"{one.dns} serves serial {served}, the primary {wanted}: transfers do not arrive",
            code="secondary-behind",
            hint="on the primary allow-axfr-ips and also-notify, on the secondary its primary's address; "
            f"`pdns_control retrieve {authority.zone}` on the secondary tries a transfer",
        )
    return f"{one.dns} answers with authority, serial {served}, as the primary"


def _secondary_api(ports: DoctorPorts, authority: Authority, one: Secondary) -> str:
    reader = ports.open_secondary(authority, one)
    if reader is None:
        raise Unseen(
            "no key is bound to its api_url, so it is not asked to transfer at once; NOTIFY has to do",
            "keep its URL in HYOPS_SECONDARY_URLS beside its key, or take api_url out",
        )
    kind = reader.header().kind
    if kind not in ("slave", "secondary", "consumer"):
        raise Refused(
            f"it holds {authority.zone} as kind {kind!r}, which takes no transfers",
            guard="primary",
            hint="make the zone's kind Secondary there, with the primary's address",
        )
    return f"kind {kind}, takes the key"


def _notify(ports: DoctorPorts, authority: Authority, header: Once[ZoneHeader]) -> str:
    seen = header()
    if seen.notified_serial == seen.serial:
        return f"the primary has sent NOTIFY for serial {seen.serial}"
    if all(ports.open_secondary(authority, one) is not None for one in authority.secondaries):
        return "not sent for this serial; each secondary is asked by its API"
    raise Unseen(
        f"the primary has not sent NOTIFY for serial {seen.serial} yet",
        f"`pdns_control notify {authority.zone}` on the primary, then look again",
    )


def _resolver(ports: DoctorPorts, zone: str, one: Resolver) -> str:
    question = Question(zone, "SOA")
    answer = ports.dns.ask(one.dns, [question], recursion_desired=True, timeout_s=_TIMEOUT_S)[question]
    if answer.rcode == "SILENT":
        raise _silent(one.dns)
    if answer.rcode != "NOERROR" or not answer.rrsets:
        raise OutsideFailure(
            f"{one.dns} answers {answer.rcode} for {zone}: it does not resolve the zone",
            code="resolver",
            hint="let it forward the zone to a secondary",
        )
    return f"{one.dns} resolves the zone in {answer.elapsed_ms} ms"


def _serial(ports: DoctorPorts, zone: str, address: ServerAddress) -> int:
    question = Question(zone, "SOA")
    answer = ports.dns.ask(address, [question], recursion_desired=False, timeout_s=_TIMEOUT_S)[question]
    if answer.rcode == "SILENT":
        raise _silent(address)
    serial = soa_serial(answered(answer, question))
    if not answer.authoritative or serial is None:
        raise OutsideFailure(
            f"{address} has no authority for {zone} (it answers {answer.rcode})",
            code="not-authoritative",
            hint="make the zone there; is this the right address?",
        )
    return serial


def _silent(address: ServerAddress) -> OutsideFailure:
    hint = "does it run, and may this machine ask it? `dig @HOST -p PORT ZONE SOA`"
    return OutsideFailure(f"{address} does not answer", code="silent", hint=hint)
