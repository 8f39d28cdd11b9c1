"""The checks of the primary's API, from its key to a plan."""

import re
from collections.abc import Collection

from hyops_gitops.apply.look import (
    anchor_refusal,
    check_clock,
    check_kind,
    check_signing,
    observe,
)
from hyops_gitops.apply.preview import PlanRequest, make_proposal
from hyops_gitops.core.authority import DEFAULT_MAX_BODY_MIB, Authority, bound_url
from hyops_gitops.core.damage import REPAIR, SETTINGS, damage_words, find_damage
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.exchange import ServerInfo, ZoneHeader
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.serials import StuckSerial, forecast_serial, signatures_expire, stuck_serial
from hyops_gitops.core.text import counted
from hyops_gitops.log.log import Log
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.checkup import CachedCheck, CannotSee, DoctorRequest, Look
from hyops_gitops.observe.isolation import ENOUGH, ONE_WRITER, closing_settings, race
from hyops_gitops.plan.limits import Limits


def signed_zone(header: ZoneHeader, authority: Authority, workspace: Workspace) -> str:
    """The signing of the zone."""
    check_signing(header, authority)
    zone = authority.zone
    if header.signing is None:
        return _unsigned(zone, workspace.zone_keys(authority))
    transferred = bool(authority.secondaries) and authority.policy.replication == "transfer"
    expire = signatures_expire(header) if transferred else False
    hint = f"pdnsutil set-meta {zone} SOA-EDIT INCEPTION-INCREMENT, with SOA-EDIT-API DEFAULT"
    if expire is None:
        raise CannotSee("whether the serial moves with each week's new signatures: default-soa-edit is not shown", hint)
    if expire:
        raise OutsideFailure(
            "signatures that secondaries got by transfer expire two weeks after the last change: PowerDNS renews them "
            "each week, and the serial does not move with it",
            code="signatures-expire",
            hint=hint,
        )
    return "signed by PowerDNS, rectified after each write"


def _unsigned(zone: str, keys: tuple[bool, ...] | None) -> str:
    if keys is None:
        return "not signed; unused DNSSEC keys are not shown to this API key"
    if keys:
        raise CannotSee(
            f"not signed, though it has {counted(len(keys), 'key')}, none of them active and published: while the "
            "parent has a DS, validating resolvers answer SERVFAIL for every name",
            f"pdnsutil activate-zone-key {zone} ID; or take the DS out at the parent, then remove the keys",
        )
    return "not signed"


# What the suites have run on: docs/servers.md has the dates.
_TESTED = ((4, 7), (4, 9), (5, 1))
_TESTED_BACKENDS = ("gsqlite3", "lmdb", "gpgsql", "gmysql")
_READ_ONLY_BACKENDS = frozenset({"bind", "pipe", "geoip", "ldap"})


class PrimaryServer:
    """The primary's API, and its answers, asked for once."""

    def __init__(
        self, request: DoctorRequest, workspace: Workspace, authority: Authority, log: CachedCheck[Log]
    ) -> None:
        self.request = request
        self.workspace = workspace
        self.authority = authority
        self.log = log
        self.reader: CachedCheck[ZoneReader] = CachedCheck("api-key", lambda: workspace.open_reader(authority))
        self.header: CachedCheck[ZoneHeader] = CachedCheck("api", lambda: self.reader().header())
        self.info: CachedCheck[ServerInfo] = CachedCheck("version", lambda: workspace.server_info(authority))


def looks(primary: PrimaryServer) -> dict[str, Look]:
    """Every check, by its id."""
    return {
        "api-bound": lambda: _bound(primary),
        "api-key": lambda: _key(primary),
        "api": lambda: _api(primary),
        "tls": lambda: _tls(primary),
        "version": lambda: _version(primary),
        "backend": lambda: _backend(primary),
        "isolation": lambda: _isolation(primary),
        "request-size": lambda: _request_size(primary),
        "zone-kind": lambda: _kind(primary),
        "soa-edit-api": lambda: _soa_edit_api(primary),
        "served-serial": lambda: _served_serial(primary),
        "signed-zone": lambda: signed_zone(primary.header(), primary.authority, primary.workspace),
        "anchor": lambda: _anchor(primary),
        "rows": lambda: _rows(primary),
        "clock": lambda: _clock(primary),
        "plan": lambda: _plan(primary),
    }


def _bound(primary: PrimaryServer) -> str:
    api, bound = primary.authority.primary.api, bound_url(primary.request.bound_url, primary.authority.zone)
    if bound.rstrip("/") != api.url:
        setting = f"HYOPS_PRIMARY_URL is {bound}" if bound else "HYOPS_PRIMARY_URL is not set"
        raise Refused(
            f"primary.api_url is {api.url}, but {setting}",
            guard="primary-url",
            hint=f"keep HYOPS_PRIMARY_URL={api.url} beside {api.key_env}, if that is the primary",
        )
    return f"{api.key_env} is for {api.url} alone"


def _key(primary: PrimaryServer) -> str:
    primary.reader()
    return f"there is a key for {primary.authority.primary.api.url}"


def _api(primary: PrimaryServer) -> str:
    header = primary.header()
    return f"{primary.authority.primary.api.url} takes the key and has the zone, serial {header.serial}"


def _tls(primary: PrimaryServer) -> str:
    api = primary.authority.primary.api
    if not api.url.startswith("https://"):
        return "plain http, on loopback"  # elsewhere the rule authority-plain-http refuses it
    failure = primary.header.failure
    if failure is not None and failure.code == "powerdns-tls":
        raise failure
    primary.header()
    return f"verified against {api.ca_file}" if api.ca_file else "verified against the system's CAs"


def _version(primary: PrimaryServer) -> str:
    primary.header()  # an API that did not answer is asked no further
    version = primary.info().version
    match = re.match(r"([0-9]+)\.([0-9]+)", version)
    if match is None or (int(match[1]), int(match[2])) not in _TESTED:
        tried = ", ".join(".".join(map(str, release)) for release in _TESTED)
        raise CannotSee(f"PowerDNS {version}; tried were {tried}", "try it with a copy of the zone")
    return f"PowerDNS {version}"


def _backend(primary: PrimaryServer) -> str:
    backends = primary.info().backends
    if not backends:
        raise CannotSee("the API does not name the backend", "look at `launch` in pdns.conf")
    shown = ", ".join(backends)
    names = {name.partition(":")[0] for name in backends}
    if names <= _READ_ONLY_BACKENDS:
        hint = "use one that the API can write, such as gpgsql, gmysql, gsqlite3 or lmdb"
        raise OutsideFailure(f"{shown} cannot be written through the API", code="backend", hint=hint)
    if not names <= set(_TESTED_BACKENDS):
        raise CannotSee(f"{shown}; tried were {', '.join(_TESTED_BACKENDS)}", "try it with a copy of the zone")
    return shown


def _isolation(primary: PrimaryServer) -> str:
    primary.header()
    backends, asked = primary.info().backends, primary.info().isolation
    shown = ", ".join(backends) or "this backend"
    if primary.request.race:
        return _raced(primary, backends)
    if backends and {name.partition(":")[0] for name in backends} <= ONE_WRITER:
        return f"{shown} has one writer at a time"
    if asked in ENOUGH:
        return f"pdns.conf asks {shown} for {asked}"
    seen = f"pdns.conf asks {shown} for {asked}" if asked else f"the API does not show the isolation of {shown}"
    raise CannotSee(
        f"{seen}: concurrent updates by another program may leave rows that contradict each other",
        "`doctor --race` tries it in a scratch zone; where the applier is the only writer, attest that. "
        + closing_settings(backends),
    )


def _request_size(primary: PrimaryServer) -> str:
    primary.header()
    allowed, taken = primary.authority.primary.max_body_mib, primary.info().max_body_mib
    if taken is not None and taken < allowed:
        raise OutsideFailure(
            f"primary.max_body_mib is {allowed}, but the server takes {taken} MiB at most",
            code="request-size",
            hint=f"set webserver-max-bodysize={allowed} in its pdns.conf, or primary.max_body_mib: {taken}",
        )
    if taken is None and allowed > DEFAULT_MAX_BODY_MIB:
        raise CannotSee(
            f"the API does not show whether the server takes {allowed} MiB, as primary.max_body_mib says",
            "look at webserver-max-bodysize in pdns.conf, and at the limit of a proxy before it",
        )
    return f"one request may have {allowed} MiB" + ("" if taken is None else f", the server takes {taken}")


def _raced(primary: PrimaryServer, backends: Collection[str]) -> str:
    try:
        outcome = race(primary.workspace.open_scratch(primary.authority), primary.workspace.on_event)
    except OutsideFailure as error:
        if error.code != "powerdns-unauthorized":
            raise
        raise CannotSee(
            f"cannot create a scratch zone through this API: {error.message}",
            "a proxy that lets only one zone through refuses it: run this where `restore` runs, past the proxy",
        ) from None
    if not outcome.kept_apart:
        raise OutsideFailure(str(outcome), code="isolation", hint=closing_settings(backends))
    return str(outcome)


def _kind(primary: PrimaryServer) -> str:
    header = primary.header()
    check_kind(header, primary.authority)
    return f"{header.kind}: writable"


def _soa_edit_api(primary: PrimaryServer) -> str:
    header, stuck = primary.header(), _stuck(primary)
    if stuck is not None and stuck.guard == "soa-edit-api":
        raise Refused(stuck.message, guard=stuck.guard, hint=stuck.hint)
    if forecast_serial(header, primary.workspace.clock.now()).stored_moves is None:
        raise CannotSee(
            f"cannot tell whether the next write moves the serial: SOA-EDIT-API is {header.soa_edit_api}, and the "
            "serial is within two minutes of the time",
            "run this again in two minutes",
        )
    return header.soa_edit_api


def _served_serial(primary: PrimaryServer) -> str:
    header, stuck = primary.header(), _stuck(primary)
    if stuck is not None and stuck.guard == "served-serial":
        raise Refused(stuck.message, guard=stuck.guard, hint=stuck.hint)
    if stuck is not None:
        return f"serial {header.edited_serial} is served; settle soa-edit-api first"
    if forecast_serial(header, primary.workspace.clock.now()).served_moves is None:
        raise CannotSee(
            f"cannot tell whether the next write moves the served serial {header.edited_serial}: the API does not show "
            "how it is made of {header.serial}",
            "give the zone a SOA-EDIT of its own in place of default-soa-edit",
        )
    return f"serial {header.edited_serial} is served, and the next write moves it"


def _stuck(primary: PrimaryServer) -> StuckSerial | None:
    return stuck_serial(primary.header(), primary.authority.zone, primary.workspace.clock.now())


def _anchor(primary: PrimaryServer) -> str:
    header, log = primary.header(), primary.log()
    observation = observe(primary.reader(), log, header)
    refusal = anchor_refusal(observation, log, Limits.of(primary.authority.policy), ())
    if refusal is not None:
        raise refusal
    anchor = observation.anchor
    return f"names entry {anchor.seq} of this log" if anchor else "none yet: no other log writes this zone"


def _rows(primary: PrimaryServer) -> str:
    primary.header()
    if damage := find_damage(primary.reader().rrsets()):
        hint = f"{REPAIR}; prevent it: {SETTINGS}"
        raise OutsideFailure(damage_words(damage), code="damaged", hint=hint)
    return "no rows contradict each other"


def _clock(primary: PrimaryServer) -> str:
    header, log = primary.header(), primary.log()
    now = primary.workspace.clock.now()
    check_clock(now, log.head.envelope.time, header.server_time)
    if header.server_time is None:
        raise CannotSee(
            "not behind the log; PowerDNS sends no Date to compare with",
            "compare `date -u` here and on the primary, or put a proxy that sends Date before the API",
        )
    return f"{(now - header.server_time).total_seconds():+.0f} s from the API's"


def _plan(primary: PrimaryServer) -> str:
    primary.header()
    primary.log()
    request = PlanRequest(None, live=True)
    plan = make_proposal(request, primary.workspace).plan
    if plan.refusals:
        first = plan.refusals[0]
        more = f", and {len(plan.refusals) - 1} more" if len(plan.refusals) > 1 else ""
        raise Refused(f"{first.guard}: {first.message}{more}", guard=first.guard, hint=first.hint)
    written = counted(sum(change.writes for change in plan.changes), "RRset")
    return f"{written} would change; no guard refuses"
