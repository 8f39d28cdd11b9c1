"""The checks of the DNS servers: the primary's own answer, each secondary's and resolver's, transfers and NOTIFY."""

from functools import partial

from hyops_gitops.core.authority import Authority, Resolver, Secondary
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.exchange import Question, ZoneHeader
from hyops_gitops.log.retirement import is_shared
from hyops_gitops.observe import doctor_native as shared_checks
from hyops_gitops.observe.checkup import CachedCheck, CannotSee, DoctorPorts, Look
from hyops_gitops.observe.doctor_native import conclusive, served_serial_of


def looks(ports: DoctorPorts, authority: Authority, header: CachedCheck[ZoneHeader]) -> dict[str, Look]:
    """Every check, by its id."""
    primary = authority.primary.dns
    serial: CachedCheck[int]
    if primary is not None:
        address = primary
        serial = CachedCheck("primary-dns", lambda: served_serial_of(ports, authority.zone, address))
    else:
        serial = CachedCheck("api", lambda: header().edited_serial)
    named: dict[str, Look] = {"primary-dns": lambda: _primary(authority, serial)}
    if is_shared(authority):
        named |= shared_checks.looks(ports, authority, serial, header)
    else:
        named |= _transferring(ports, authority, serial, header)
    for resolver in authority.resolvers:
        named[f"resolver-{resolver.name}"] = partial(_resolver, ports, authority.zone, resolver)
    return named


def _transferring(
    ports: DoctorPorts, authority: Authority, serial: CachedCheck[int], header: CachedCheck[ZoneHeader]
) -> dict[str, Look]:
    named: dict[str, Look] = {}
    for secondary in authority.secondaries:
        named[f"secondary-{secondary.name}"] = partial(_secondary, ports, authority, secondary, serial)
        if secondary.api is not None:
            named[f"secondary-api-{secondary.name}"] = partial(_secondary_api, ports, authority, secondary)
    if authority.secondaries:
        named["notify"] = partial(_notify, ports, authority, header)
    return named


def _primary(authority: Authority, serial: CachedCheck[int]) -> str:
    if authority.primary.dns is None:
        raise CannotSee("primary.dns is not given, so the primary is never asked", "add primary.dns")
    return f"{authority.primary.dns} answers with authority, serial {serial()}"


def _secondary(ports: DoctorPorts, authority: Authority, one: Secondary, serial: CachedCheck[int]) -> str:
    served = served_serial_of(ports, authority.zone, one.dns)
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
        raise CannotSee(
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


def _notify(ports: DoctorPorts, authority: Authority, header: CachedCheck[ZoneHeader]) -> str:
    seen = header()
    if seen.notified_serial == seen.serial:
        return f"the primary has sent NOTIFY for serial {seen.serial}"
    if all(ports.open_secondary(authority, one) is not None for one in authority.secondaries):
        return "not sent for this serial; each secondary is asked by its API"
    raise CannotSee(
        f"the primary has not sent NOTIFY for serial {seen.serial} yet",
        f"`pdns_control notify {authority.zone}` on the primary, then look again",
    )


def _resolver(ports: DoctorPorts, zone: str, one: Resolver) -> str:
    question = Question(zone, "SOA")
    answer = conclusive(ports, one.dns, question, recursion_desired=True)
    if answer.rcode != "NOERROR" or not answer.rrsets:
        raise OutsideFailure(
            f"{one.dns} answers {answer.rcode} for {zone}: it does not resolve the zone",
            code="resolver",
            hint="let it forward the zone to a secondary",
        )
    return f"{one.dns} resolves the zone in {answer.elapsed_ms} ms"
