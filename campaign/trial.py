"""One run of a history: a change is merged, applied under a fault, made good, and judged."""

import random
import signal
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from campaign.place import Scene, git
from campaign.program import main
from campaign.witness.zone import Records
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.processes import is_running
from tests.support.commands import Forked
from tests.support.repository import ROOT
from tests.support.world import Ran, World

WAIT_S = 120.0
TRIES = 6  # applies until one has to end with 0 once a fault is over
_PAUSE_S = 0.5
_KILLED = frozenset(
    {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGALRM, -signal.SIGTERM, -signal.SIGINT, Exit.INTERRUPTED}
)

_UNCHANGED = frozenset({Exit.NO, Exit.USAGE, Exit.REFUSED, Exit.OUTSIDE})  # of ours


def _no_aid() -> None:
    return


@dataclass
class Trial:
    """One scene, what its contracts say, and what one run may do to it."""

    scene: Scene
    seed: int
    rng: random.Random = field(init=False)
    wanted: dict[str, tuple[int, str]] = field(default_factory=lambda: {"first": (60, "10.0.0.1")})
    number: int = 1
    sites: dict[str, str] = field(default_factory=dict)  # of the one service that has some
    lifts: list[Callable[[], object]] = field(default_factory=list)
    recovering: list[str] = field(default_factory=list)  # arguments of the first apply after the fault
    recoverer: World | None = None  # the clone of that apply, where it is not the first
    ends: list[Callable[[], object]] = field(default_factory=list)  # what takes away what was put up for one run
    aid: Callable[[], object] = _no_aid  # what comes before that apply
    dumps: list[tuple[RRset, ...]] = field(default_factory=list)  # the zone as it was after each run
    overridden: bool = False  # whether an audit has to point to an override
    said: list[str] = field(default_factory=list)
    ended: dict[int, int] = field(default_factory=dict)  # process to exit code, in this run
    problems: list[str] = field(default_factory=list)  # that a fault found by itself

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def world(self) -> World:
        return self.scene.world

    # --- running the program

    def start(self, *words: str, world: World | None = None, environ: Mapping[str, str] | None = None) -> Forked:
        """The program, in a process of its own."""
        place = world or self.world
        group = 2 if words[0] in ("evidence", "keys", "breakglass") else 1
        command = [*words[:group], "--repo", str(place.root), *words[group:]]
        return Forked(main, command, ROOT, {**place.environ, **(environ or {})})

    def finish(self, process: Forked, wait_s: float = WAIT_S) -> Ran:
        """Its end."""
        try:
            code = process.wait(wait_s)
            ran = Ran(code, process.out.decode(errors="replace"), process.err.decode(errors="replace"))
        finally:
            process.end()
        self.ended[process.pid] = ran.exit
        self.said.append(f"exit {ran.exit}: {ran.err.strip()[-1500:]}")
        return ran

    def run(self, *words: str, world: World | None = None, **environ: str) -> Ran:
        return self.finish(self.start(*words, world=world, environ=environ))

    def apply(self, *words: str, world: World | None = None, **environ: str) -> Ran:
        return self.run("apply", *words, world=world, **environ)

    # --- what is asked for

    def fresh(self) -> str:
        """An address that nothing had."""
        self.number += 1
        return f"10.{self.number >> 16}.{self.number >> 8 & 255}.{self.number & 255}"

    def put(self, service: str, ttl: int, target: str) -> None:
        """Write one contract."""
        self.wanted[service] = (ttl, target)
        self.world.contract(service, target, ttl=ttl)

    def missing(self) -> list[str]:
        """Where the zone is not as the contracts have it."""
        version = self.scene.version()
        wanted: Mapping[tuple[str, str], Records] = {
            (self.world.name(service), "A"): (ttl, (target,)) for service, (ttl, target) in self.wanted.items()
        }
        suffix = f".prod.{self.world.zone}"
        ours = {key: records for key, records in version.items() if key[0].endswith(suffix)}
        return sorted({name for name, _ in {*wanted, *ours} if wanted.get((name, "A")) != ours.get((name, "A"))})

    # --- faults

    def expect(self, holds: bool, otherwise: str) -> None:
        """Have a problem where something does not hold."""
        if not holds:
            self.problems.append(otherwise)

    def on_lift(self, undo: Callable[[], object]) -> None:
        self.lifts.append(undo)

    def on_end(self, undo: Callable[[], object]) -> None:
        self.ends.append(undo)

    def end(self) -> None:
        """Leave nothing of one run beside the zone, the clone and the log."""
        for undo in reversed(self.ends):
            undo()
        self.ends.clear()

    def lift(self) -> None:
        """End every fault."""
        place = self.scene.place
        for undo in reversed(self.lifts):
            undo()
        self.lifts.clear()
        for server in place.lab.servers:
            place.resume(server)
            if not is_running(server.process):
                place.start(server.name)
        if place.second_machine:
            place.second_machine.join()
        place.proxy.calm()
        for proxy in place.dns_proxies:
            proxy.calm()


@dataclass(frozen=True, slots=True)
class Found:
    """How one run ended."""

    fault: str
    step: str
    exit: int
    exits: tuple[int, ...]  # of the applies that made it good
    recovery_s: float
    problems: tuple[str, ...]
    lost: int
    unrecorded: int
    wrong_exit: bool
    traceback: bool

    @property
    def survived(self) -> bool:
        return not self.problems


def exit_is_right(trial: Trial, ran: Ran, before: int, allowed: frozenset[int]) -> str:
    """Why an exit code is not one that the truth allows; empty where it is.

    Args:
        trial: What ran.
        ran: How it ended.
        before: The number of steps of the zone before it.
        allowed: What the fault allows, where the truth does.
    """
    if ran.exit in _KILLED:
        return "" if ran.exit in allowed else f"ended by signal: {ran.exit}"
    changed = [step for step in trial.scene.steps()[before:] if step.markers and step.changed]
    if ran.exit not in allowed:
        return f"exit {ran.exit}, expected one of {sorted(allowed)}"
    if ran.exit == Exit.OK and trial.missing():
        return f"exit 0, and the zone is not as its contracts have it: {', '.join(trial.missing())}"
    if ran.exit in _UNCHANGED and changed:
        return f"exit {ran.exit}, which means that nothing was changed, and the zone was"
    return ""


def denied(trial: Trial, known: Collection[int]) -> str:
    """Where a process ended as if nothing of its own was changed, and its intent, none of the known, is applied."""
    own = [one for one in trial.scene.log() if one.seq not in known and trial.ended.get(one.pid) in _UNCHANGED]
    wrong = [one for one in own if one.outcome == "applied" and one.changed]
    return "; ".join(f"exit {trial.ended[one.pid]}, and intent {one.seq} of this process is applied" for one in wrong)


def conduct(trial: Trial, step: str, fault: str, allowed: frozenset[int], run: Callable[[Trial], Ran]) -> Found:
    """Run under the fault, end it, apply until it is made good, and judge."""
    try:
        return _conduct(trial, step, fault, allowed, run)
    finally:
        trial.end()


def _conduct(trial: Trial, step: str, fault: str, allowed: frozenset[int], run: Callable[[Trial], Ran]) -> Found:
    before, known = len(trial.scene.steps()), {one.seq for one in trial.scene.log()}
    trial.said.clear()
    trial.ended.clear()
    trial.problems.clear()
    trial.recovering, trial.recoverer, trial.overridden = [], None, False
    trial.aid = _no_aid
    try:
        ran = run(trial)
    finally:
        trial.lift()
    wrong = exit_is_right(trial, ran, before, allowed)
    began, exits = time.monotonic(), []
    trial.aid()
    problems = list(trial.problems)
    for attempt in range(TRIES):
        first = attempt == 0
        again = trial.apply(*(trial.recovering if first else ()), world=trial.recoverer if first else None)
        exits.append(again.exit)
        if again.exit == Exit.OK:
            break
        time.sleep(_PAUSE_S * (attempt + 1))
    recovery_s = time.monotonic() - began
    if exits[-1] != Exit.OK:
        problems.append(f"not made good: {exits}")
    if left := trial.missing():
        problems.append(f"the zone is not as its contracts have it: {', '.join(left)}")
    trial.dumps.append(trial.scene.api.rrsets())
    faults = trial.scene.faults()
    problems += [f"{one.kind}: {one.text}" for one in faults]
    wrongs = list(filter(None, [wrong, denied(trial, known)]))
    problems += wrongs
    for words in (("evidence", "verify"), ("audit",)):
        code, out, err = read_only(trial, *words)
        if code != Exit.OK and not (trial.overridden and words == ("audit",)):
            problems.append(f"{' '.join(words)} ended with {code}: {(out + err).strip()[-600:]}")
    crashed = any("Traceback" in said or "report this bug" in said for said in trial.said)
    problems += ["internal error"] if crashed else []
    return Found(
        fault,
        step,
        ran.exit,
        tuple(exits),
        round(recovery_s, 2),
        tuple(problems),
        lost=sum(one.kind in ("lost", "lie") for one in faults),
        unrecorded=sum(one.kind in ("unrecorded", "twice", "digest") for one in faults),
        wrong_exit=bool(wrongs),
        traceback=crashed,
    )


def read_only(trial: Trial, *words: str, wait_s: float = WAIT_S) -> tuple[int, str, str]:
    try:
        git(trial.world.root, "fetch", "-q", "origin", "evidence")
    except RuntimeError as error:
        return 1, "", str(error)
    process = Forked(main, [*words, "--repo", str(trial.world.root)], ROOT, dict(trial.world.environ))
    ran = trial.finish(process, wait_s)
    return ran.exit, ran.out, ran.err
