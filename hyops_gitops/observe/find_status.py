"""Status: intended (contracts), recorded (log) and answered (servers), by name.

By DNS alone: no credentials. What could not be seen is listed, never guessed.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.damage import REPAIR, Damage, damage_words, find_damage
from hyops_gitops.core.errors import HyopsError, Refused
from hyops_gitops.core.exchange import Question, unseen_because, why_inconclusive
from hyops_gitops.core.managed import OWN_TYPES
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.core.names import resolved_name
from hyops_gitops.core.network import DnsClient, ZoneTransfers
from hyops_gitops.core.servers import (
    Answers,
    DnsServer,
    TransferredZone,
    ZoneCopy,
    ask_all,
    copy_questions,
    is_shared,
    servers_of,
)
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.holds import held_contracts
from hyops_gitops.log.log import Landing, Log
from hyops_gitops.log.reconciling import segment_warnings
from hyops_gitops.log.retirement import last_change
from hyops_gitops.log.workspace import ManagedZone, Workspace
from hyops_gitops.observe.answers import Judge, negative_ttl
from hyops_gitops.observe.status import NameStatus, ServerState, Since, Status
from hyops_gitops.plan.limits import Limits
from hyops_gitops.validate.validation import Validation

MANY_NAMES = 300  # from here on a zone is transferred where a server allows that, instead of asked for by name


def look(name: str | None, workspace: Workspace) -> Status:
    """The status of a name, or of every intended or recorded name.

    Raises:
        FindingsError: the authority is invalid.
        UsageError: `unknown-name`: neither contract nor log knows the name; `ambiguous-name`: several are meant.
    """
    head = workspace.at("HEAD")
    zone = head.zone()
    log, trouble = _log(zone)
    validation, authority = zone.validated(log), zone.authority
    intended = _intended(validation, authority.zone, log)
    undecided = validation.undecided(authority.zone, log.state if log else None)
    known = intended.names() | undecided | (log.state.names() if log else set())
    names = (
        sorted(known) if name is None else [resolved_name(name, authority.zone, known, "contract or record of ours")]
    )
    servers = servers_of(authority)
    given = _ask(servers, names, authority.zone, workspace.dns, workspace.transfers)
    states = tuple(_state(server, given[server], authority.zone) for server in servers)
    judge = Judge(log, negative_ttl(given.values(), authority.zone), workspace.clock.now(), is_shared(authority))
    contracts = {contract.path: str(contract.name) for contract in validation.looked_at}
    holds = held_contracts(log, validation.looked_at, Limits.of(authority.policy), ())
    held = {contracts[path]: why for path, why in holds.items()}
    damage, doubts, api_asked = _damage(authority, names if name else None, states, log, workspace)
    wanted = _by_name(intended, names)
    recorded = None if log is None else _recorded(log.state.zone, intended, wanted, names)
    since = _since(log, names) if log else {}
    return Status(
        authority.zone,
        head.commit,
        tuple(
            NameStatus(
                each,
                None if each in undecided else tuple(wanted.get(each, {}).values()),
                tuple(recorded.get(each, {}).values()) if recorded is not None else None,
                since.get(each),
                tuple(
                    judge.answer(server, each, given[server], wanted.get(each, {}), decided=each not in undecided)
                    for server in servers
                ),
                held.get(each),
            )
            for each in names
        ),
        states,
        (*_warnings(states, log), *_about_segments(authority, log, workspace), *doubts),
        tuple(_unseen(authority, validation, states, trouble)),
        tuple(_caught_up(states, log)) if log else (),
        log_verifies=trouble is None or trouble.guard == "evidence-missing",
        damage=damage,
        api_asked=api_asked,
    )


def _intended(validation: Validation, zone: str, log: Log | None) -> Zone:
    """What the contracts ask for; others ask for what is recorded."""
    asked = (rrset for contract in validation.looked_at for rrset in contract.rrsets())
    if validation.others is None or log is None:
        return Zone.of(zone, asked)
    before = (entry.rrset.key for path in validation.about or () for entry in log.state.of_contract(path))
    return log.state.zone.without(before).with_rrsets(asked)


def _by_name(zone: Zone, names: Sequence[str]) -> Mapping[str, Mapping[str, RRset]]:
    """The RRsets of these names, or of all, by type."""
    return {name: zone.rrsets.at(name) for name in names} if len(names) < MANY_NAMES else zone.by_name()


def _recorded(
    state: Zone, intended: Zone, wanted: Mapping[str, Mapping[str, RRset]], names: Sequence[str]
) -> Mapping[str, Mapping[str, RRset]]:
    """The recorded RRsets by name; where all is applied, the intended ones."""
    return wanted if state.data == intended.data else _by_name(state, names)


def _log(zone: ManagedZone) -> tuple[Log | None, Refused | None]:
    """The log, or why it cannot be had although it was started."""
    try:
        return zone.log_if_started(), None
    except Refused as error:
        return None, error


def _ask(
    servers: Sequence[DnsServer], names: list[str], zone: str, dns: DnsClient, transfers: ZoneTransfers
) -> dict[DnsServer, Answers]:
    """The answers of each server about every name.

    Above MANY_NAMES a server that allows it is asked for one transfer.
    """
    about_names = [Question(name, rrtype) for name in names for rrtype in OWN_TYPES]
    copy = copy_questions(zone)
    if len(names) <= MANY_NAMES:
        with_copy = [*copy, *about_names]
        return ask_all(dns, {server: with_copy if server.authoritative else about_names for server in servers})
    given = ask_all(dns, {server: copy for server in servers if server.authoritative})
    serving = {server: answers for server, answers in given.items() if ZoneCopy.of(zone, answers).serves}
    transferred = _transfer_all(serving, zone, transfers)
    asked = ask_all(dns, {server: about_names for server in servers if server not in transferred})
    return {
        server: transferred[server] if server in transferred else {**given.get(server, {}), **asked[server]}
        for server in servers
    }


def _transfer_all(
    serving: Mapping[DnsServer, Answers], zone: str, transfers: ZoneTransfers
) -> dict[DnsServer, TransferredZone]:
    """The zones of those servers that transfer them to us."""

    def transfer(server: DnsServer) -> TransferredZone | None:
        with contextlib.suppress(HyopsError):  # then it is asked for every name
            return TransferredZone(zone, serving[server], transfers.transfer(server.address, zone))
        return None

    if not serving:
        return {}
    with ThreadPoolExecutor(max_workers=len(serving)) as pool:
        found = dict(zip(serving, pool.map(transfer, serving), strict=True))
    return {server: taken for server, taken in found.items() if taken is not None}


def _state(server: DnsServer, answers: Answers, zone: str) -> ServerState:
    anchor = ZoneCopy.of(zone, answers).anchor
    return ServerState(
        server.role,
        server.name,
        str(server.address),
        server.required,
        why_inconclusive(answers.values()),
        anchor.seq if anchor and anchor.segment is None else None,
        anchor.segment if anchor else None,
        "transfer" if isinstance(answers, TransferredZone) else "names",
    )


def _since(log: Log, names: Collection[str]) -> dict[str, Since]:
    """The newest applied change that left records at each name."""
    found: dict[str, Since] = {}
    for wanted in [None] if len(names) > MANY_NAMES else names:
        for applied in log.applied() if wanted is None else log.applied_to(wanted):
            since = _since_of(applied)
            left = {change.name: since for change in applied.intent.changes if change.after is not None}
            found |= left if wanted is None else {name: since for name in left if name == wanted}
    return found


def _since_of(applied: Landing) -> Since:
    when = applied.result.accepted or applied.result_entry.envelope.time
    own = applied.intent_entry.envelope
    segment, operator = (own.segment.id, own.principal) if own.segment else (None, None)
    return Since(applied.entry.seq, when, segment, operator, applied.intent.merged)


def _warnings(states: tuple[ServerState, ...], log: Log | None) -> Iterator[str]:
    if log is not None and (intent := log.open_intent) is not None:
        yield f"intent {intent.seq} has no result yet: an apply is running, or has died; the next apply settles it"
    reconciled = {reconcile.segment for _, reconcile in log.reconciles} if log else set()
    for segment in sorted({server.break_glass for server in states if server.break_glass} - reconciled):
        where = ", ".join(f"{server.label}" for server in states if server.break_glass == segment)
        yield f"break-glass segment {segment} is not reconciled with the log; seen on {where}"


def _damage(
    authority: Authority,
    names: list[str] | None,
    states: tuple[ServerState, ...],
    log: Log | None,
    workspace: Workspace,
) -> tuple[tuple[Damage, ...], tuple[str, ...], bool]:
    """Damage that DNS hides; a warning; whether an API was asked.

    Where the primary's key is here its API is asked, for few names or for the whole zone, unless it is silent by DNS
    already; else the log has what was seen last and not repaired since.
    """
    recorded = log.damage if log else None
    damage, source = (recorded[1], f", as entry {recorded[0].seq} recorded it") if recorded else ((), "")
    api_asked = False
    silent = any(server.role == "primary" and not server.answers for server in states)
    try:
        if not silent and (reader := workspace.reader_with_key(authority)) is not None:
            zone = authority.zone
            rows = reader.rrsets() if names is None else reader.rows_at([*names, anchor_name(zone), zone])
            damage, source, api_asked = find_damage(rows), "", True
    except HyopsError as error:
        source += f"; cannot ask the primary's API: {error.message}"
    warnings = (f"{damage_words(damage)}{source}; repair it: `{REPAIR}`",) if damage else ()
    return damage, warnings, api_asked


def _about_segments(authority: Authority, log: Log | None, workspace: Workspace) -> Iterator[str]:
    if log is not None:
        yield from segment_warnings(log, workspace.segment_folder.segments(), authority.policy.breakglass.review_h)


def _caught_up(states: tuple[ServerState, ...], log: Log) -> Iterator[str]:
    """Notes on servers that show the newest change by now."""
    last = last_change(log)
    late = {server.key for server in last.behind} if last and last.segment is None else set()
    for server in states:
        if last and (server.role, server.name) in late and server.anchor_seq == last.seq:
            yield f"{server.label} shows the anchor of entry {last.seq}; the next apply proves it"


def _unseen(
    authority: Authority, validation: Validation, states: tuple[ServerState, ...], trouble: Refused | None
) -> Iterator[str]:
    for path in sorted(validation.invalid_paths):
        yield f"what {path} intends: it is invalid"
    if authority.primary.dns is None:
        yield "the primary: primary.dns is not given"
    for server in states:
        if not server.answers:
            need = "" if server.required else ", which policy.convergence does not require"
            yield f"{server.label} ({server.address}){need}: {unseen_because(server.trouble)}"
    if trouble is not None:
        hint = f" ({trouble.hint})" if trouble.hint else ""
        yield f"what is recorded: {trouble.message}{hint}"
    elif authority.evidence.genesis is None:
        yield "what is recorded: the log is not initialised"
