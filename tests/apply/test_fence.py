"""The fence: the server itself refuses an update whose intent was settled or followed by others, on both backends."""

import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from hyops_gitops.cli.wiring import TOOL
from hyops_gitops.core.authority import Authority, EvidenceSettings
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.markers import claim_name
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.branch import SIGNERS_PATH, read_signers
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.log.writer import EntryWriter
from tests.support.applier import Marks, marking_store
from tests.support.clone import CLOSED
from tests.support.site import Applier, Site, results

pytestmark = [pytest.mark.authority, pytest.mark.every_backend]


@pytest.fixture
def site(lasting_site: Site) -> Site:
    """One for all: what a test leaves is applied, and its intents are settled."""
    return lasting_site


def test_a_sleeper_that_wakes_after_others_went_on_changes_nothing(site: Site) -> None:
    site.change()
    with Applier(site.world, at="patching", raising="SIGSTOP") as sleeper:
        sleeper.wait_until_stopped()
        seq = site.verified().head.seq
        with pytest.raises(Refused, match=f"intent {seq} ") as refused:
            site.apply(wait=False)
        assert refused.value.guard == "open-intent"
        assert f"--recover {seq}" in refused.value.hint
        assert site.apply(recover=seq).outcome == "applied"
        for service in ("second", "third"):
            site.change(service)
            assert site.apply().outcome == "applied"
        zone, log = site.zone_bytes(), site.check()

        sleeper.process.send_signal(signal.SIGCONT)
        ran = sleeper.finish()

    late = site.proxy.updates()[-1]
    assert late.claims is not None
    assert (late.claims[0], late.status) == (seq, 422)
    assert site.zone_bytes() == zone
    assert ran.exit == 4
    assert "Traceback" not in ran.err
    assert f"another run took this one for dead and settled its intent {seq} by entry {seq + 1}" in ran.err
    assert site.check().entries == log.entries
    assert results(log)[seq].recovered
    assert results(log)[seq].outcome == "failed"


def test_a_sleeper_whose_update_landed_finds_its_result_written(site: Site) -> None:
    site.change()
    with Applier(site.world, at="patched", raising="SIGSTOP") as sleeper:
        sleeper.wait_until_stopped()
        seq = site.verified().head.seq
        assert site.apply(recover=seq).outcome == "nothing"
        log = site.check()
        sleeper.process.send_signal(signal.SIGCONT)
        ran = sleeper.finish()
    assert ran.exit == 5
    assert "Traceback" not in ran.err
    assert f"settled its intent {seq} by entry {seq + 1}: the update was applied" in ran.err
    assert site.check().entries == log.entries
    assert results(log)[seq].recovered


def test_an_old_patch_sent_again_is_refused(site: Site) -> None:
    site.change()
    site.apply()
    old = site.proxy.landed()[-1]
    for service in ("second", "third"):
        site.change(service)
        site.apply()
        zone = site.zone_bytes()
        assert site.proxy.replay(old) == 422
        assert site.zone_bytes() == zone
    site.check()


def test_a_patch_that_was_settled_as_landed_is_refused_when_sent_again(site: Site) -> None:
    site.change()
    with Applier(site.world, at="patched") as applier:
        applier.finish()
    site.apply()
    zone = site.zone_bytes()
    assert site.proxy.replay(site.proxy.landed()[-1]) == 422
    assert site.zone_bytes() == zone


# --- the owner's last look


class Shifting:
    """A clock whose monotonic time moves by sleeping, and on demand."""

    def __init__(self, ports: Workspace) -> None:
        self.ahead = 0.0
        self.now = ports.clock.now

    def monotonic(self) -> float:
        return self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


class After(Marks):
    """Does something of the test's at a mark, once."""

    def __init__(self, mark: str, act: Callable[[], object]) -> None:
        super().__init__({})
        self._mark = mark
        self._act = act

    def passing(self, mark: str) -> None:
        if mark == self._mark:
            self._mark = ""
            self._act()


def marked(ports: Workspace, marks: Marks) -> Workspace:
    """A workspace whose store passes marks."""
    return ports.replaced(open_store=lambda settings: marking_store(ports.open_store(settings), marks))


@pytest.mark.one_backend
def test_nothing_is_sent_once_the_lease_is_over(site: Site) -> None:
    site.change()
    sent = len(site.proxy.patches)

    def swap(ports: Workspace) -> Workspace:
        clock = Shifting(ports)

        def later() -> None:
            clock.ahead += 121

        return marked(ports.replaced(clock=clock), After("intent-pushed", later))

    receipt = site.apply(swap=swap)
    assert receipt.outcome == "refused"
    assert "lease" in receipt.reason
    assert len(site.proxy.patches) == sent
    assert results(site.verified())[receipt.intent.seq if receipt.intent else 0].outcome == "refused"
    site.apply()
    site.check()


@pytest.mark.one_backend
def test_nothing_is_sent_once_the_log_went_on(site: Site) -> None:
    site.change()
    head = site.verified().head.seq

    def settle() -> None:
        assert site.apply(recover=head + 1).outcome == "applied"

    with pytest.raises(OutsideFailure, match=f"settled its intent {head + 1} by entry {head + 2}") as error:
        site.apply(swap=lambda ports: marked(ports, After("intent-pushed", settle)))
    assert error.value.code == "settled-by-another"
    updates = [patch.claims[0] for patch in site.proxy.updates() if patch.claims]
    assert head + 1 not in updates
    site.check()


@pytest.mark.one_backend
def test_a_result_goes_behind_what_was_written_meanwhile(site: Site) -> None:
    """Somebody may write an entry of another kind while an intent is open; the result is numbered anew."""
    site.change()

    def write() -> None:
        log, ports, files = site.verified(), site.world.wiring(), {}
        files[SIGNERS_PATH] = site.world.read(SIGNERS_PATH).encode()
        store = ports.open_store(EvidenceSettings("evidence", "origin", None))
        writer = EntryWriter.prepare(store, ports.open_signer(), read_signers(files), ports.clock, TOOL, {})
        writer.append(log, Gap("looked into", acknowledges=1), log.observed, log.state)

    receipt = site.apply(swap=lambda ports: marked(ports, After("result-pushing", write)))
    assert receipt.outcome == "applied"
    assert [entry.type for entry in site.check().entries[-3:]] == ["intent", "gap", "result"]


@pytest.mark.one_backend
def test_a_result_whose_push_lost_its_answer_is_not_written_twice(site: Site) -> None:
    site.change()

    def lose() -> None:
        raise OutsideFailure("the answer was lost", code="remote-unreachable")

    receipt = site.apply(swap=lambda ports: marked(ports, After("result-pushed", lose)))
    assert receipt.outcome == "applied"
    assert [entry.type for entry in site.check().entries[-2:]] == ["intent", "result"]


# --- settling


def open_intent(site: Site, mark: str = "patching") -> int:
    """A dead applier's intent; its number."""
    site.change()
    with Applier(site.world, at=mark) as applier:
        assert applier.finish().exit == -9
    return site.verified().head.seq


@pytest.mark.one_backend
@pytest.mark.parametrize("how", ["before", "between"])
def test_while_the_server_is_down_nothing_is_settled(site: Site, how: str) -> None:
    seq = open_intent(site)
    before = site.verified().entries

    class Down:
        """A server that goes away, at once or after its header was read."""

        def __init__(self, writer: ZoneWriter, dead: ZoneWriter) -> None:
            self.header = dead.header if how == "before" else writer.header
            self.rrsets, self.rrsets_at, self.notify = dead.rrsets, dead.rrsets_at, dead.notify
            self.rrsets_below, self.rows_at, self.patch = dead.rrsets_below, dead.rows_at, dead.patch
            self.check_size = dead.check_size

    def swap(ports: Workspace) -> Workspace:
        def open_writer(authority: Authority) -> ZoneWriter:
            api = replace(authority.primary.api, url=f"http://{CLOSED}")
            away = replace(authority, primary=replace(authority.primary, api=api))
            site.world.environ["HYOPS_PRIMARY_URL"] = api.url
            try:
                dead = ports.open_writer(away)
            finally:
                site.world.environ["HYOPS_PRIMARY_URL"] = authority.primary.api.url
            return Down(ports.open_writer(authority), dead)

        return ports.replaced(open_writer=open_writer)

    with pytest.raises(OutsideFailure) as error:
        site.apply(swap=swap)
    assert error.value.exit_code == 4
    log = site.verified()
    assert log.entries == before
    assert log.open_intent is not None
    assert log.open_intent.seq == seq
    site.apply()
    site.check()


@pytest.mark.one_backend
def test_a_stranger_at_the_claim_is_not_settled(site: Site) -> None:
    seq = open_intent(site)
    before = site.verified().entries
    name = claim_name(site.world.zone, seq)
    site.primary.patch([], [RRset.of(name, "TXT", 60, ['"v=hyops1 intent=sha256:other"'])])
    with pytest.raises(OutsideFailure, match="holds something else") as error:
        site.apply()
    assert error.value.code == "not-settled"
    assert site.verified().entries == before
    site.primary.patch([(name, "TXT")], [])
    site.apply()
    site.check()


@pytest.mark.one_backend
def test_to_recover_another_number_does_nothing(site: Site) -> None:
    site.change()
    with Applier(site.world, at="patching", raising="SIGSTOP") as sleeper:
        sleeper.wait_until_stopped()
        log, sent = site.verified(), len(site.proxy.patches)
        for other in (log.head.seq + 1, log.head.seq - 1):
            with pytest.raises(Refused) as refused:
                site.apply(recover=other, wait=False)
            assert refused.value.guard == "open-intent"
        assert site.verified().entries == log.entries
        assert len(site.proxy.patches) == sent
        site.apply(recover=log.head.seq)
    site.check()


# --- waiting


@pytest.mark.one_backend
def test_an_applier_waits_for_another_and_goes_on(site: Site) -> None:
    site.change()
    with Applier(site.world, at="patching", raising="SIGSTOP") as first:
        first.wait_until_stopped()
        seq = site.verified().head.seq
        site.change("second")
        with Applier(site.world, "--format", "json") as second:
            second.wait_for_words(b"waiting for intent")
            first.process.send_signal(signal.SIGCONT)
            assert first.finish().exit == 0
            assert second.finish().exit == 0
    log = site.check()
    assert not results(log)[seq].recovered
    assert [one.intent.lease.pid for one in log.applied_after(0)][-2:] == [first.process.pid, second.process.pid]


@pytest.mark.one_backend
def test_an_applier_that_ended_after_its_result_is_not_settled(site: Site) -> None:
    """Its intent was open when the log was read; when it is asked for, it has done all and is gone."""
    before, sent = site.verified().head.seq, len(site.proxy.patches)
    site.change()
    with Applier(site.world, at="patched", raising="SIGSTOP") as first:
        first.wait_until_stopped()
        site.change("second")

        def gone(_: int) -> bool:
            first.process.send_signal(signal.SIGCONT)
            assert first.finish().exit == 0
            return True

        assert site.apply(swap=lambda ports: ports.replaced(process_is_gone=gone)).outcome == "applied"
    assert not any(result.recovered for seq, result in results(site.check()).items() if seq > before)
    assert not any(patch.settles for patch in site.proxy.patches[sent:])


@pytest.mark.one_backend
def test_an_intent_of_another_boot_is_waited_for_and_then_settled(site: Site) -> None:
    """Nobody can tell whether its process lives: its lease, and half a minute on our own clock, must pass."""
    site.change()
    with pytest.raises(KeyboardInterrupt):
        site.apply(swap=lambda ports: marked(ports, After("intent-pushed", _interrupt)), boot_id="of another machine")
    intent = site.verified().head
    assert isinstance(intent.body, Intent)
    clocks: list[Shifting] = []

    def swap(ports: Workspace) -> Workspace:
        clocks.append(Shifting(ports))
        return ports.replaced(clock=clocks[0], process_is_gone=lambda _: True)

    receipt = site.apply(swap=swap)
    assert receipt.outcome == "applied"
    assert clocks[0].ahead >= intent.body.lease.seconds + 30
    log = site.check()
    assert results(log)[intent.seq].recovered


def _interrupt() -> None:
    raise KeyboardInterrupt
