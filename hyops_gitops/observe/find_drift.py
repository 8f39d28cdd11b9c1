"""Drift: differences between zone, secondaries, log and contracts.

Reads the primary's API where there is a key, DNS elsewhere, and lists what it could not see. Writes nothing,
but for a `drift` entry when asked to record, and a transfer when asked to bring a secondary up.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from hyops_gitops.apply.look import anchor_refusal, check_clock, check_header, judge_anchor, observe
from hyops_gitops.core.authority import Secondary
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit, HyopsError, OutsideFailure, Refused, UsageError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.fields import Of
from hyops_gitops.core.serials import StuckSerial, stuck_serial
from hyops_gitops.core.servers import is_shared
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin import open_for_writing
from hyops_gitops.log.entries import ZoneDrift
from hyops_gitops.log.holds import holds_in_effect
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import SecondaryDrift, ZoneDigests
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.answers import Viewer
from hyops_gitops.observe.drift import DriftCase, DriftKind, ServerView, secondary_drift
from hyops_gitops.observe.drift_cases import (
    AnchorSays,
    DriftInputs,
    SecondaryInputs,
    by_hand,
    left_by,
    secondary_case,
    unapplied_cases,
    zone_cases,
)
from hyops_gitops.plan.limits import Limits

_POLL_S = 0.2
_OF_SECONDARIES = (DriftKind.SECONDARY_BEHIND, DriftKind.SECONDARY_EDITED)

Look = Literal["auto", "api", "dns"]  # by the API where there is a key; by the API; never by the API


@dataclass(frozen=True, slots=True)
class DriftRequest:
    """One call of drift."""

    look: Look = "auto"
    record: bool = False
    retransfer: str | None = None  # the secondary to bring up


class DriftDocument:
    """All cases, and what could not be seen, hyops-drift/1."""

    FORMAT = "hyops-drift/1"
    zone: str
    commit: str
    seq: int
    drift: Annotated[bool, Of(lambda report: any(case.counts for case in report.cases))]
    cases: tuple[DriftCase, ...]
    servers: Annotated[tuple[ServerView, ...], Of("views")]
    unseen: tuple[str, ...]
    recorded_seq: int | None
    retransferred: str | None


@dataclass(frozen=True, slots=True)
class DriftReport(JsonReport):
    """All cases, and what could not be seen."""

    FORM = DriftDocument
    zone: str
    commit: str
    seq: int  # the newest entry of the log
    cases: tuple[DriftCase, ...]
    views: tuple[ServerView, ...]
    unseen: tuple[str, ...]  # what could not be looked at, and why
    blind: bool  # whether that includes a server that has to be looked at
    recorded_seq: int | None = None  # the drift entry written by this run
    retransferred: str | None = None  # the secondary that transferred, and now holds what the primary holds

    @property
    def exit_code(self) -> Exit:
        """1: drift. 4: none seen, but a server that counts was not."""
        if any(case.counts for case in self.cases):
            return Exit.NO
        return Exit.OUTSIDE if self.blind else Exit.OK


def look_for_drift(request: DriftRequest, workspace: Workspace) -> DriftReport:
    """Find everything that differs.

    Raises:
        FindingsError: the authority is invalid.
        Refused: `evidence-missing`, `evidence-invalid`; to record also what an apply refuses of key, log and zone.
        UsageError: code `unknown-server`: no secondary of that name, or its API is not given.
        OutsideFailure: the API where it has to be asked, or the remote, cannot be reached.
    """
    return _DriftSearch(request, workspace).run()


class _DriftSearch:
    def __init__(self, request: DriftRequest, workspace: Workspace) -> None:
        self.request = request
        self.workspace = workspace
        self.zone = workspace.at("HEAD").zone()
        self.commit = self.zone.commit
        self.validation = self.zone.revision.validation
        self.authority = self.zone.authority
        self.viewer = Viewer(self.authority, _views(request, workspace), strict=request.look == "api" or request.record)

    def run(self) -> DriftReport:
        """Look, record, then bring up: the record shows the state before."""
        log = self._log()
        inputs = self._inputs(log)
        keys = log.observed.rrsets.keys() | log.state.entries.keys() | inputs.desired.rrsets.keys()
        primary = self.viewer.primary(keys)
        copies = self._copies(log, primary)
        cases = [*self._zone_cases(inputs, primary), *self._unapplied(inputs), *(case for _, _, case in copies if case)]
        recorded_seq = self._record(copies) if self.request.record else None
        retransferred = None
        if self.request.retransfer is not None:
            retransferred = self._retransfer(self.request.retransfer, log, primary)
            copies = self._copies(log, primary)
            cases = [case for case in cases if case.kind not in _OF_SECONDARIES]
            cases += [case for _, _, case in copies if case]
        views = [*([primary] if primary else []), *(view for _, view, _ in copies)]
        return DriftReport(
            self.authority.zone,
            self.commit,
            log.head.seq,
            tuple(cases),
            tuple(views),
            (*self._invalid(), *dict.fromkeys(self.viewer.unseen)),
            self.viewer.blind,
            recorded_seq,
            retransferred,
        )

    # --- what there is

    def _log(self) -> Log:
        return self.zone.verified(self.zone.store.fetch()) if self.request.record else self.zone.log()

    def _inputs(self, log: Log) -> DriftInputs:
        """The log and the contracts; a held one keeps what was applied."""
        contracts = {contract.path: contract for contract in self.validation.contracts}
        held = holds_in_effect(log.state, log.holder, contracts.values())
        asked = (rrset for path, contract in contracts.items() if path not in held for rrset in contract.rrsets())
        kept = (entry.rrset for entry in log.state.entries.values() if entry.contract in held)
        return DriftInputs(log, Zone.of(self.authority.zone, (*asked, *kept)), contracts, self.authority.policy)

    def _invalid(self) -> Iterator[str]:
        for path in sorted(self.validation.invalid_paths):
            yield f"what {path} intends: it is invalid"

    def _copies(self, log: Log, primary: ServerView | None) -> list[tuple[Secondary, ServerView, DriftCase | None]]:
        """Every visible secondary, compared with the primary or else the log."""
        found = []
        for secondary in self.authority.secondaries:
            reference = primary.zone if primary and primary.looked_at is None else left_by(log)
            view = self.viewer.secondary(secondary, reference.rrsets.keys())
            if view is not None:
                expected = self._expected_of(view, primary, log)
                recorded = self.viewer.comparable(log.observed, view.source)
                shared = is_shared(self.authority)
                inputs = SecondaryInputs(secondary, view, expected, recorded, primary, log, shared, self._stuck)
                found.append((secondary, view, secondary_case(inputs)))
        return found

    def _expected_of(self, view: ServerView, primary: ServerView | None, log: Log) -> Zone:
        """The zone that a secondary should hold: the primary's, else the log's."""
        if primary is None:
            return self.viewer.comparable(left_by(log), view.source)
        if primary.looked_at is None:
            return self.viewer.comparable(primary.zone, view.source)
        rest = self.viewer.comparable(left_by(log).without(primary.looked_at), view.source)
        return rest.with_rrsets(primary.zone.rrsets.values())

    def _stuck(self) -> StuckSerial | None:
        """The reason why a write would not move the primary's serial."""
        try:
            reader = self.viewer.workspace.reader_with_key(self.authority)
            if reader is not None:
                return stuck_serial(reader.header(), self.authority.zone, self.workspace.clock.now())
        except HyopsError as error:
            self.viewer.unseen.append(f"what moves the primary's serial: {error.message}")
        return None

    # --- the cases

    def _zone_cases(self, inputs: DriftInputs, primary: ServerView | None) -> Iterator[DriftCase]:
        if primary is None:
            return iter(())
        if not primary.serves:
            self.viewer.unseen.append(f"{primary.where}: it does not answer for {self.authority.zone} with authority")
            self.viewer.blind = True
            return iter(())
        expected = self.viewer.comparable(left_by(inputs.log), primary.source)
        return zone_cases(inputs, primary, expected, _anchor_state(primary, inputs.log))

    def _unapplied(self, inputs: DriftInputs) -> Iterator[DriftCase]:
        history, recorded = self.workspace.history, inputs.log.recorded_commit
        commits: tuple[CommitInfo, ...] = ()
        if recorded is not None and recorded != self.commit:
            if history.is_ancestor(self.commit, recorded):
                self.viewer.unseen.append(
                    f"what is intended now: {self.commit[:12]} is older than {recorded[:12]}, which was applied last"
                )
                return iter(())
            if history.is_ancestor(recorded, self.commit):
                commits = history.first_parent_commits(recorded, self.commit)
        undecided = self.validation.undecided(self.authority.zone, inputs.log.state)
        return unapplied_cases(inputs, undecided, commits)

    # --- what it does

    def _record(self, copies: list[tuple[Secondary, ServerView, DriftCase | None]]) -> int | None:
        """Append the drift, unless the log has it already; the entry's number."""
        workspace, authority = self.workspace, self.authority
        opened = open_for_writing(workspace, about_keys=False, tolerate_doubt=False)
        log = opened.log
        reader = self.workspace.open_reader(authority)
        header = reader.header()
        check_header(header, authority, workspace.clock.now())
        check_clock(workspace.clock.now(), log.head.envelope.time, header.server_time)
        observation = observe(reader, log, header)
        if observation.state in ("ahead", "breakglass") and (
            refused := anchor_refusal(observation, log, Limits.of(authority.policy), ())
        ):
            raise refused
        contracts = {key: entry.contract for key, entry in log.state.entries.items()}
        secondaries = tuple(secondary_drift(case, view, contracts) for _, view, case in copies if case)
        drift = observation.drift(log, self.commit)
        known = log.damage
        damage = () if known is not None and known[1] == observation.damage else observation.damage
        if drift is None and not damage and (not secondaries or secondaries == _recorded_last(log)):
            return None
        same = ZoneDigests.of(log.observed, log.state, log.serial)
        body = drift or ZoneDrift(self.commit, same, same, ())
        body = replace(body, secondaries=secondaries, damage=observation.damage)
        zone = observation.zone if drift else log.observed
        return opened.writer.append(log, body, zone, log.state).head.seq

    def _retransfer(self, name: str, log: Log, primary: ServerView | None) -> str:
        """Have a secondary transfer, or flush its caches, and wait for it."""
        secondary = next((secondary for secondary in self.authority.secondaries if secondary.name == name), None)
        if secondary is None:
            known = ", ".join(secondary.name for secondary in self.authority.secondaries) or "none"
            raise UsageError(f"no secondary has the name {name!r}", code="unknown-server", hint=f"secondaries: {known}")
        shared = is_shared(self.authority)
        requester = self.workspace.open_refresher(self.authority, secondary)
        if requester is None:
            raise UsageError(
                f"the API of secondary {name} is not given, or its key is not here",
                code="unknown-server",
                hint=by_hand(name, self.authority.zone, shared=shared),
            )
        requester.refresh()
        clock, deadline = self.workspace.clock, self.authority.policy.convergence.timeout_s
        until = clock.monotonic() + deadline
        reference = primary.zone if primary and primary.looked_at is None else left_by(log)
        while True:
            view = self.viewer.secondary(secondary, reference.rrsets.keys())
            if view is not None and view.serves and not view.differences(self._expected_of(view, primary, log)):
                return name
            if clock.monotonic() >= until:
                raise OutsideFailure(
                    f"secondary {name} was requested to {'flush its caches' if shared else 'transfer'}, and after "
                    f"{deadline} s still holds something else",
                    code="retransfer",
                    hint="check which database it reads, and that database's replication"
                    if shared
                    else "read its log; check that it reaches the primary, and may transfer from it",
                )
            clock.sleep(_POLL_S)


def _views(request: DriftRequest, workspace: Workspace) -> Workspace:
    """The ports to look through: the API's reader where it is wanted."""
    match request.look:
        case "auto" if not request.record:
            return workspace
        case "dns" if not request.record:
            return workspace.replaced(reader_with_key=lambda _: None, open_secondary=lambda *_: None)
        case _:
            return workspace.replaced(reader_with_key=workspace.open_reader)


def _anchor_state(primary: ServerView, log: Log) -> AnchorSays:
    if primary.marker is not None and primary.anchor is None:
        return "other"
    try:
        return judge_anchor(primary.anchor, log)
    except Refused:
        return "other"


def _recorded_last(log: Log) -> tuple[SecondaryDrift, ...] | None:
    """The secondaries of the newest drift entry; None after a later apply."""
    entry = log.entries[log.ledger.drift - 1] if log.ledger.drift else None
    return entry.body.secondaries if entry is not None and isinstance(entry.body, ZoneDrift) else None
