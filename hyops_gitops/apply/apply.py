"""Apply: carry the contracts of one commit to the zone (docs/apply.md).

 1. the commit, its validation, the signing key                    (opening, merged_commits)
 2. the signed log, fetched and verified
 3. no open intent: waited for, or settled                         (recover)
 4. the zone's header and anchor                                   (prepare, look)
 5. the three-way plan                                             (propose, adopt, plan.planning)
 6. readiness of new targets                                       (probe, plan.readiness)
 7. the intent, signed and pushed: the commit point and the lock   (carry_out, log.writer)
 8. one PATCH, if nothing moved meanwhile                          (send, read_back)
 9. proof by DNS                                                   (prove, core.servers)
10. the moved services, probed through their names                 (probe)
11. the result, signed and pushed                                  (carry_out)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hyops_gitops.apply.carry_out import Stopwatch
from hyops_gitops.apply.finish import carry_out_and_prove, receipt_of, with_late_proof
from hyops_gitops.apply.late_proof import look_for_late_proof
from hyops_gitops.apply.merged_commits import AttributedCommit, attribute
from hyops_gitops.apply.opening import ApplyBase, ApplyRequest, commits_since, open_log
from hyops_gitops.apply.prepare import (
    ChosenCommits,
    Preparation,
    check_commits,
    check_sites,
    look,
    prepare,
    record_circumstances,
)
from hyops_gitops.apply.propose import with_trailers
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.record import record_refusal, recorded_refusal
from hyops_gitops.apply.recover import without_open_intent
from hyops_gitops.core.errors import HyopsError, Refused
from hyops_gitops.core.events import Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.text import masked
from hyops_gitops.log.entries import Unchanged
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import RecordedRefusal
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.plan import Change

_RACES = 40  # each time, at least, one of the others wrote its entry
_PAUSE_S = 0.5  # never longer: losing often must not make a run later
_Outcome = TypeVar("_Outcome")


def retry_on_race(attempt: Callable[[], _Outcome], workspace: Workspace) -> _Outcome:
    """Retry with jitter, a bounded number of times, after a lost race.

    Raises:
        Refused: guard `race`: another writer was first each time.
    """
    for left in range(_RACES - 1, -1, -1):
        try:
            return attempt()
        except Refused as error:
            if error.guard != "race" or left == 0:
                raise
            workspace.on_event(Warned("another run wrote to the log first; retrying"))
            workspace.clock.sleep(_PAUSE_S * (0.5 + workspace.jitter()))
    raise AssertionError("unreachable: the last attempt returns or raises")


_RECORDED_FINDINGS = 20


def apply(request: ApplyRequest, workspace: Workspace) -> Receipt:
    """Apply one commit.

    Returns a receipt for every outcome of the apply itself, refusals by the plan included.

    Raises:
        FindingsError: what would be applied is invalid; nothing was changed.
        Refused: a guard refused before there was a plan; nothing was changed.
        UsageError: an unknown site is declared lost; nothing was changed.
        OutsideFailure: API or remote failed before the intent; nothing was changed.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    return retry_on_race(lambda: _Apply(request, workspace).run(), workspace)


class _Apply:
    """One attempt, from reading the log to writing the result."""

    def __init__(self, request: ApplyRequest, workspace: Workspace) -> None:
        self.request = request
        self.workspace = workspace
        self.watch = Stopwatch(workspace.clock)

    def run(self) -> Receipt:
        """Steps 1 to 11."""
        opened = open_log(self.request, self.workspace)
        check_sites(opened, self.request, self.workspace)
        commits = self._commits(opened)
        # What the commits alone show comes before any server is asked; an open intent may yet change what is recorded.
        checked = None if opened.log.open_intent else self._checked(opened, commits)
        opened, seen = without_open_intent(opened, self.request, self.workspace)
        checked = checked or self._checked(opened, self._commits(opened))
        try:
            prepared = prepare(opened, checked, seen, self.request, self.workspace)
        except Refused as error:
            self._refused(opened, checked.merged, (recorded_refusal(error),))
            raise
        self.watch.lap("prepare")
        plan = prepared.plan
        if plan.refusals:
            log = self._refused(opened, checked.merged, tuple(map(recorded_refusal, plan.refusals)), plan.changes)
            return replace(receipt_of(prepared, "refused", log, self.watch), reason=plan.refusals[0].message)
        log = record_circumstances(prepared)
        if not plan.changes:
            return self._nothing(prepared, log)
        return carry_out_and_prove(prepared, log, self.request, self.workspace, self.watch)

    # --- what is recorded when nothing is sent

    def _commits(self, opened: ApplyBase) -> tuple[CommitInfo, ...]:
        """The commits of this apply; their trailers lift guards from here on."""
        commits = commits_since(opened, self.workspace)
        self.request = replace(self.request, overrides=with_trailers(self.request.overrides, commits))
        return commits

    def _checked(self, opened: ApplyBase, commits: tuple[CommitInfo, ...]) -> ChosenCommits:
        """Check the commits; record a refusal where log and zone belong together."""
        people = attribute(commits, self.workspace.forge, self.workspace.on_event)
        try:
            return check_commits(opened, people, self.request, self.workspace)
        except FindingsError as error:
            shown = error.findings[:_RECORDED_FINDINGS]
            found = tuple(
                RecordedRefusal("findings", None, masked(f"{finding.path}: {finding.rule}")) for finding in shown
            )
            self._record_if_whole(opened, people, found)
            raise
        except Refused as error:
            self._record_if_whole(opened, people, (recorded_refusal(error),))
            raise

    def _record_if_whole(
        self, opened: ApplyBase, people: tuple[AttributedCommit, ...], refusals: tuple[RecordedRefusal, ...]
    ) -> None:
        try:
            look(opened, self.request, self.workspace)
        except HyopsError as error:
            self.workspace.on_event(Warned(f"cannot record the refusal: {error.message}"))
        else:
            self._refused(opened, tuple(attributed.merged for attributed in people), refusals)

    def _refused(
        self,
        opened: ApplyBase,
        merged: tuple[MergedCommit, ...],
        refusals: tuple[RecordedRefusal, ...],
        changes: tuple[Change, ...] = (),
    ) -> Log:
        return record_refusal(opened, merged, refusals, changes, self.request.overrides)

    def _nothing(self, prepared: Preparation, log: Log) -> Receipt:
        """Record a merge that asks for nothing new, once, and late proof.

        While the change before is not proved, this run is not confirmed either.
        """
        opened, recorded = prepared.opened, log.recorded
        late = look_for_late_proof(log, opened.authority, prepared.primary, prepared.sites_lost, self.workspace)
        if recorded is None or recorded.contracts.manifest != opened.contracts.manifest or late.is_news:
            body = Unchanged(
                opened.contracts,
                opened.authority_ref,
                prepared.merged,
                () if late.of_segment else late.caught_up,
                late.retire,
                late.caught_up if late.of_segment else (),
            )
            log = opened.writer.append(log, body, log.observed, log.state)
        return with_late_proof(receipt_of(prepared, "nothing", log, self.watch), late)
