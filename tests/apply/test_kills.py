"""An applier killed anywhere: one ordinary apply afterwards, and zone and log agree."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from hyops_gitops.lab.model import BACKENDS
from hyops_gitops.log.log import Log
from tests.conftest import SAID
from tests.support.applier import ENDED, MARKS
from tests.support.site import LONG, Applier, Site, results

REPEATS = 20 if LONG else 1
SEEDS = 200 if LONG else len(MARKS)  # each gap once
KILLS_A_GAP = 10  # that 200 seeds have to bring
KILLED, ALARMED = -signal.SIGKILL, -signal.SIGALRM
# Between these marks the intent is in the log and its result is not.
OPEN = MARKS[MARKS.index("intent-pushed") : MARKS.index("result-pushed")]

pytestmark = [pytest.mark.authority, pytest.mark.every_backend]


@pytest.fixture
def site(lasting_site: Site) -> Site:
    """One for all kills: each is made good before the next."""
    return lasting_site


def reconcile(site: Site, before: int) -> Log:
    """One ordinary apply, at once: this boot's process is gone. `before`: the log's length before the accident."""
    receipt = site.apply()
    assert receipt.outcome in ("applied", "nothing"), receipt.reason
    log = site.check()
    for entry in log.entries[before:]:
        intent = log.entries[results(log)[entry.seq].intent_seq - 1] if entry.seq in results(log) else None
        if intent is not None:
            other = intent.body.lease.pid != os.getpid()  # type: ignore[union-attr]  # it is an intent
            own_result = other and results(log)[entry.seq].accepted is not None
            assert results(log)[entry.seq].recovered is (other and not own_result)
    return log


@pytest.mark.one_backend
@pytest.mark.parametrize("mark", MARKS)
def test_a_kill_at_a_step_is_made_good(site: Site, mark: str) -> None:
    kill_and_reconcile(site, mark)


@pytest.mark.parametrize("lab", BACKENDS[1:], indirect=True, scope="session")
@pytest.mark.parametrize("mark", ["intent-pushing", "patching", "patched", "result-pushed"])
def test_a_kill_is_made_good_on_another_storage(site: Site, mark: str) -> None:
    """A database meets four cases: no intent, one that never landed, one that did, and one that is over."""
    kill_and_reconcile(site, mark)


def kill_and_reconcile(site: Site, mark: str) -> None:
    """Kill an applier at this mark, apply once more, and compare what the log says with what landed."""
    for _ in range(REPEATS):
        before = len(site.verified().entries)
        site.change()
        with Applier(site.world, at=mark) as applier:
            assert applier.finish().exit == KILLED
        assert applier.marks[-1] == mark
        log = reconcile(site, before)
        recovered = [seq for seq, result in results(log).items() if result.recovered and seq > before]
        assert len(recovered) == (1 if mark in OPEN else 0)
        landed = MARKS.index(mark) >= MARKS.index("patched")
        assert [results(log)[seq].outcome for seq in recovered] == (
            ["applied" if landed else "failed"] * len(recovered)
        )


@pytest.mark.parametrize("side", ["request", "reply"])
def test_a_kill_inside_the_patch_is_made_good(site: Site, side: str) -> None:
    for _ in range(REPEATS):
        before = len(site.verified().entries)
        site.change()
        with site.proxy.hold("request" if side == "request" else "reply") as held:
            with Applier(site.world) as applier:
                held.wait()
                applier.process.kill()
            receipt = site.apply()
            zone = site.zone_bytes()
            held.let_go()  # the request of a process long dead arrives after all, or was stored before
        assert receipt.outcome == ("applied" if side == "request" else "nothing")
        late = next(one for one in reversed(site.proxy.updates()) if one.claims and one.claims[0] == before + 1)
        assert late.status == (422 if side == "request" else 204)
        assert site.zone_bytes() == zone
        log = reconcile(site, before)
        assert results(log)[before + 1].recovered
        assert results(log)[before + 1].outcome == ("failed" if side == "request" else "applied")


@pytest.mark.one_backend
@pytest.mark.parametrize("mark", ["settling", "settled", "result-pushing"])
@pytest.mark.parametrize("first", ["patching", "patched"])
def test_a_kill_while_making_good_is_made_good(site: Site, first: str, mark: str) -> None:
    before = len(site.verified().entries)
    site.change()
    for at in (first, mark):
        with Applier(site.world, at=at) as applier:
            assert applier.finish().exit == KILLED
    log = reconcile(site, before)
    assert results(log)[before + 1].outcome == ("applied" if first == "patched" else "failed")
    assert results(log)[before + 1].recovered


@pytest.mark.one_backend
def test_kills_at_random_times_are_made_good(site: Site, record_property: Callable[[str, object], None]) -> None:
    """Seeds choose the gap between two marks, and a moment of the time that the gap took when it was last passed.

    So each gap is hit, whether it lasts a tenth of a millisecond or a hundred. Where a kill came is read afterwards.
    """
    site.change()
    with Applier(site.world) as undisturbed:
        assert undisturbed.finish().exit == 0
    lengths = dict(undisturbed.gaps)
    assert lengths.keys() == set(MARKS)
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        gap, chance = MARKS[seed % len(MARKS)], random.Random(seed)  # noqa: S311 - repeatable, guards nothing
        before = len(site.verified().entries)
        site.change()
        with Applier(site.world, at=gap, after_s=max(1e-6, lengths[gap] * chance.random())) as applier:
            status = applier.finish().exit
        assert status in (ALARMED, 0)
        assert (status == 0) is (applier.marks[-1] == ENDED)
        seen[applier.marks[-1]] += 1
        lengths |= applier.gaps
        reconcile(site, before)
    widths = {mark: f"{1000 * lengths[mark]:.1f} ms" for mark in MARKS}
    killed = ", ".join(f"{mark} {seen[mark]} ({widths[mark]})" for mark in MARKS)
    record_property(SAID, f"{SEEDS} runs, kills after each mark (and its gap): {killed}; left alone {seen[ENDED]}")
    if LONG:
        assert min(seen[mark] for mark in MARKS) >= KILLS_A_GAP
