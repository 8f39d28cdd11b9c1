"""The checks of the DNS servers: their answers, transfers and NOTIFY.

Secondaries on the primary's database (`policy.replication: native`) transfer nothing; they keep answers in caches.
"""

from functools import partial

from hyops_gitops.core.authority import Authority, Resolver, Secondary, ServerAddress
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.exchange import Answer, Question, ZoneHeader
from hyops_gitops.core.servers import ANSWER_TIMEOUT_S, NEW_ZONE_S, NO_ANSWER_S, OLD_ANSWER_S, is_shared
from hyops_gitops.core.zone import soa_serial
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.checkup import CachedCheck, CannotSee, Look


def looks(workspace: Workspace, authority: Authority, header: CachedCheck[ZoneHeader]) -> dict[str, Look]:
    """Every check, by its id."""
    primary = authority.primary.dns
    serial: CachedCheck[int]
    if primary is not None:
        address = primary
        serial = CachedCheck("primary-dns", lambda: served_serial_of(workspace, authority.zone, address))
    else:
        serial = CachedCheck("api", lambda: header().edited_serial)
    named: dict[str, Look] = {"primary-dns": lambda: _primary(authority, serial)}
    if is_shared(authority):
        named |= _sharing(workspace, authority, serial, header)
    else:
        named |= _transferring(workspace, authority, serial, header)
    for resolver in authority.resolvers:
        named[f"resolver-{resolver.name}"] = partial(_resolver, workspace, authority.zone, resolver)
    return named


def _transferring(
    workspace: Workspace, authority: Authority, serial: CachedCheck[int], header: CachedCheck[ZoneHeader]
) -> dict[str, Look]:
    named: dict[str, Look] = {}
    for secondary in authority.secondaries:
        named[f"secondary-{secondary.name}"] = partial(_secondary, workspace, authority, secondary, serial)
        if secondary.api is not None:
            named[f"secondary-api-{secondary.name}"] = partial(_secondary_api, workspace, authority, secondary)
    if authority.secondaries:
        named["notify"] = partial(_notify, workspace, authority, header)
    return named


def _primary(authority: Authority, serial: CachedCheck[int]) -> str:
    if authority.primary.dns is None:
        raise CannotSee("primary.dns is not given, so the primary is never asked", "add primary.dns")
    return f"{authority.primary.dns} answers with authority, serial {serial()}"


def _secondary(workspace: Workspace, authority: Authority, secondary: Secondary, serial: CachedCheck[int]) -> str:
    served = served_serial_of(workspace, authority.zone, secondary.dns)
    wanted = serial()
    if served != wanted:
        raise OutsideFailure(
            f"{secondary.dns} serves serial {served}, the primary {wanted}: transfers do not arrive",
            code="secondary-behind",
            hint="on the primary allow-axfr-ips and also-notify, on the secondary its primary's address; "
            f"`pdns_control retrieve {authority.zone}` on the secondary tries a transfer",
        )
    return f"{secondary.dns} answers with authority, serial {served}, as the primary"


def _secondary_api(workspace: Workspace, authority: Authority, secondary: Secondary) -> str:
    reader = workspace.open_secondary(authority, secondary)
    if reader is None:
        raise CannotSee(
            "no key is bound to its api_url, so it transfers only when NOTIFY arrives",
            "put its URL into HYOPS_SECONDARY_URLS beside its key, or remove api_url",
        )
    kind = reader.header().kind
    if kind not in ("slave", "secondary", "consumer"):
        raise Refused(
            f"it holds {authority.zone} as kind {kind!r}, which takes no transfers",
            guard="primary",
            hint="make the zone's kind Secondary there, with the primary's address",
        )
    return f"kind {kind}, takes the key"


def _notify(workspace: Workspace, authority: Authority, header: CachedCheck[ZoneHeader]) -> str:
    seen = header()
    if seen.notified_serial == seen.serial:
        return f"the primary has sent NOTIFY for serial {seen.serial}"
    if all(workspace.open_secondary(authority, secondary) is not None for secondary in authority.secondaries):
        return "not sent for this serial; each secondary is asked by its API"
    raise CannotSee(
        f"the primary has not sent NOTIFY for serial {seen.serial} yet",
        f"`pdns_control notify {authority.zone}` on the primary, then look again",
    )


def _resolver(workspace: Workspace, zone: str, resolver: Resolver) -> str:
    question = Question(zone, "SOA")
    answer = conclusive(workspace, resolver.dns, question, recursion_desired=True)
    if answer.rcode != "NOERROR" or not answer.rrsets:
        raise OutsideFailure(
            f"{resolver.dns} answers {answer.rcode} for {zone}: it does not resolve the zone",
            code="resolver",
            hint="let it forward the zone to a secondary",
        )
    return f"{resolver.dns} resolves the zone in {answer.elapsed_ms} ms"


# --- secondaries that read the primary's database


def _sharing(
    workspace: Workspace, authority: Authority, serial: CachedCheck[int], header: CachedCheck[ZoneHeader]
) -> dict[str, Look]:
    """Every check, by its id."""
    named: dict[str, Look] = {}
    for secondary in authority.secondaries:
        named[f"secondary-{secondary.name}"] = partial(_shared_served, workspace, authority, secondary, serial)
        if secondary.api is not None:
            named[f"secondary-api-{secondary.name}"] = partial(_database, workspace, authority, secondary, header)
        named[f"secondary-caches-{secondary.name}"] = partial(_caches, workspace, authority, secondary)
    return named


def _shared_served(workspace: Workspace, authority: Authority, secondary: Secondary, serial: CachedCheck[int]) -> str:
    try:
        served = served_serial_of(workspace, authority.zone, secondary.dns)
    except OutsideFailure as error:
        if error.code != "not-authoritative":
            raise
        hint = (
            f"it reads the list of its zones every {NEW_ZONE_S} s (zone-cache-refresh-interval): an apply with its "
            "api_url and key makes a new zone known, a restart too; else look at which database it reads"
        )
        raise OutsideFailure(error.message, code=error.code, hint=hint) from None
    wanted = serial()
    if served != wanted:
        raise CannotSee(
            f"{secondary.dns} answers serial {served}, the primary {wanted}: from its caches, or from another state of "
            "the database",
            f"look again in {OLD_ANSWER_S} s; if it is still so, look at the replication of the database",
        )
    return f"{secondary.dns} answers with authority, serial {served}, as the primary"


def _database(workspace: Workspace, authority: Authority, secondary: Secondary, header: CachedCheck[ZoneHeader]) -> str:
    reader = workspace.open_secondary(authority, secondary)
    if reader is None:
        raise CannotSee(
            "no key is bound to its api_url, so its caches are not flushed after a change",
            "put its URL into HYOPS_SECONDARY_URLS beside its key, or remove api_url",
        )
    seen = reader.header()
    if seen.kind in ("slave", "secondary", "consumer"):
        raise Refused(
            f"it holds {authority.zone} as kind {seen.kind!r}, in a database of its own",
            guard="primary",
            hint="set policy.replication: transfer if it transfers the zone; else let it read the primary's database",
        )
    wanted = header().serial
    if seen.serial != wanted:
        raise OutsideFailure(
            f"its database has serial {seen.serial}, the primary's {wanted}",
            code="secondary-behind",
            hint="look at the replication of the database, and at which database that server reads",
        )
    return f"kind {seen.kind}, serial {seen.serial} in its database, as in the primary's"


def _caches(workspace: Workspace, authority: Authority, secondary: Secondary) -> str:
    if workspace.open_secondary(authority, secondary) is not None:
        return "flushed by its API after each change"
    timeout_s = authority.policy.convergence.timeout_s
    keeps = f"its caches keep an answer for up to {OLD_ANSWER_S} s, and that there is none for up to {NO_ANSWER_S} s"
    if timeout_s <= NO_ANSWER_S and "secondaries" in authority.policy.convergence.require:
        raise CannotSee(
            f"with PowerDNS's defaults {keeps}; policy.convergence.timeout_s is {timeout_s}",
            "give its api_url and key, to have them flushed; or wait longer (timeout_s: 90); where cache-ttl, "
            "query-cache-ttl and negquery-cache-ttl are shorter there, attest that",
        )
    return f"{keeps}; an apply waits {timeout_s} s for it"


# --- one question


def served_serial_of(workspace: Workspace, zone: str, address: ServerAddress) -> int:
    """The serial that a server answers with authority.

    Raises:
        OutsideFailure: codes `silent`, `not-authoritative`, `no-answer`.
    """
    question = Question(zone, "SOA")
    answer = conclusive(workspace, address, question, recursion_desired=False)
    serial = soa_serial(answer.rrset(question))
    if not answer.authoritative or serial is None:
        raise OutsideFailure(
            f"{address} has no authority for {zone} (it answers {answer.rcode})",
            code="not-authoritative",
            hint="create the zone there, or correct the address",
        )
    return serial


def conclusive(workspace: Workspace, address: ServerAddress, question: Question, *, recursion_desired: bool) -> Answer:
    """The answer of a server.

    Raises:
        OutsideFailure: it does not answer, or answers that it cannot.
    """
    asked = workspace.dns.ask(address, [question], recursion_desired=recursion_desired, timeout_s=ANSWER_TIMEOUT_S)
    answer = asked[question]
    if answer.conclusive:
        return answer
    if answer.rcode == "SILENT":
        hint = "check that it runs and that this machine may ask it: `dig @HOST -p PORT ZONE SOA`"
        raise OutsideFailure(f"{address} does not answer", code="silent", hint=hint)
    message = f"{address} answered {answer.rcode} for {question.name}: what it serves cannot be seen"
    if answer.rcode == "REFUSED":
        hint = "create the zone there, let this machine ask, or correct the address"
        raise OutsideFailure(message, code="not-authoritative", hint=hint)
    hint = "read its log; check that it reaches its database and the servers that it asks"
    raise OutsideFailure(message, code="no-answer", hint=hint)
