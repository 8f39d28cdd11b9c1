"""One size: the tools on one lab, each with a zone of its own, case after case in turn."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.compare.cases import BY_NAME, CASES, Case
from bench.compare.measure import Command, CommandFailed, Sample, finish, launch, measure, wait_for
from bench.compare.ours import Ours
from bench.compare.tools import Tool
from bench.compare.tree import Tree
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone

CONVERGENCE = "answers"
_APPLY_ONE, _FIRST = BY_NAME["apply-one"], BY_NAME["first-apply"]
_ANSWER_S = 90.0  # a tool that sends no NOTIFY waits for the secondary's own cycle of 60 s
_MANY = 100

MakeTool = Callable[[Path, str, Lab, Tree], Tool]
Samples = dict[str, dict[str, list[Sample]]]  # case, tool


@dataclass
class Contest:
    """The state of one run over one size."""

    lab: Lab
    scratch: Path
    size: int
    makers: Sequence[tuple[str, MakeTool]]
    only: frozenset[str]
    say: Callable[[str], None] = print
    samples: Samples = field(default_factory=dict)
    entries: int = 0
    failed: list[str] = field(default_factory=list)

    def run(self, runs: int, first_runs: int) -> None:
        """Everything, so many times; the first apply as often as asked, into new zones."""
        for number in range(first_runs if "first-apply" in self.only else 1):
            self._begin(number)
        for _ in range(runs):
            for case in CASES:
                if case.name in self.only and case is not _FIRST:
                    self._measure(case)
            if CONVERGENCE in self.only:
                self._measure_answers()
        self.entries = self._ours.entries()

    def _begin(self, number: int) -> None:
        """New zones, and the first apply to them."""
        self._tree = Tree(self.size)
        self._pending: list[int] = []
        folder = self.scratch / f"{self.size}-{number}"
        folder.mkdir()
        shutil.rmtree(self.scratch / f"{self.size}-{number - 1}", ignore_errors=True)
        self._tools: list[Tool] = []
        for name, make in self.makers:
            zone = f"{name.partition('-')[0]}{number}.n{self.size}.internal"
            create_zone(self.lab, zone)
            self._tools.append(make(folder / name, zone, self.lab, self._tree))
        everything = range(self.size)
        for tool in self._tools:
            if tool is not self._ours:
                tool.write(everything)
        self._measure_with(_FIRST, everything)

    @property
    def _ours(self) -> Ours:
        return next(tool for tool in self._tools if isinstance(tool, Ours))

    # --- the states that cases start from

    def _reach(self, need: str) -> None:
        """Bring tree, files and zones into the state that a case needs."""
        wanted = {"settled": 0, "clone": 0, "staged": 1, "pending": 1, "clone-pending": 1, "pending-100": _MANY}
        if need not in wanted or need == "clone":
            return
        if self._pending and (need in ("settled", "staged") or (need == "pending-100") != (len(self._pending) > 1)):
            self._settle()
        if wanted[need] and not self._pending:
            self._pending = self._tree.move(wanted[need])
            for tool in self._tools:
                tool.write(self._pending)
            if need != "staged":
                self._ours.commit()

    def _settle(self) -> None:
        """Apply what is pending, unmeasured."""
        for tool in self._tools:
            if command := tool.command(_APPLY_ONE):
                measure(command, self.scratch)
        self._ours.prove(self._pending)
        self._pending = []

    # --- measuring

    def _measure(self, case: Case) -> None:
        self._reach(case.need)
        self._measure_with(case, self._pending)
        if case.need == "staged":
            self._ours.commit()

    def _measure_with(self, case: Case, moved: Sequence[int]) -> None:
        """Measure each tool that has a command for this; prove what was applied."""
        for tool in self._tools:
            command = tool.command(case)
            if command is None:
                continue
            try:
                sample = measure(command, self.scratch)
            except CommandFailed as error:
                if case.peers == "apply":
                    raise
                self.failed.append(case.name)
                self.say(f"  {self.size} {case.name} {tool.name}: {error}")
                continue
            if case.name in self.only:
                self._keep(case.name, tool, sample)
        if case.applies:
            self._ours.prove(moved)
            if case.need.startswith("clone"):
                self._catch_up(moved)
            self._pending = []

    def _catch_up(self, moved: Sequence[int]) -> None:
        """Let the peers apply what only we had to, so that all stand at the same place."""
        for tool in self._tools:
            if tool is not self._ours and moved and (command := tool.command(_APPLY_ONE)):
                measure(command, self.scratch)

    def _measure_answers(self) -> None:
        """Until which moment after its start an apply of one change is answered by primary and secondaries."""
        if self._pending:
            self._settle()
        self._reach("pending")
        for tool in self._tools:
            command = tool.command(_APPLY_ONE)
            if command is not None:
                self._keep(CONVERGENCE, tool, self._until_answered(command, tool.zone))
        self._ours.prove(self._pending)
        self._pending = []

    def _until_answered(self, command: Command, zone: str) -> Sample:
        expected = {f"{self._tree.label(index)}.{zone}": self._tree.target(index) for index in self._pending}
        began = time.perf_counter()
        running = launch(command, self.scratch)
        primary, *last = (wait_for(server.dns, expected, _ANSWER_S) for server in self.lab.servers)
        sample = finish(running, command, self.scratch)
        return replace(sample, primary_s=primary - began, last_s=max(last, default=primary) - began)

    def _keep(self, case: str, tool: Tool, sample: Sample) -> None:
        self.samples.setdefault(case, {}).setdefault(tool.name, []).append(sample)
        note = "" if sample.last_s is None else f", the last server after {sample.last_s:.3f} s"
        note += f", exit {sample.exit}" if sample.exit else ""
        self.say(
            f"  {self.size} {case} {tool.name}: {sample.cpu_s:.2f} s of CPU, {sample.wall_s:.2f} s, "
            f"{sample.memory_mib:.0f} MiB{note}"
        )
