"""What is measured, with which command of each tool, and what was aimed at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Need = Literal["empty", "staged", "pending", "pending-100", "settled", "clone", "clone-pending", "any"]


@dataclass(frozen=True, slots=True)
class Case:
    """One command on one state of zone and repository.

    Attributes:
        name: For `--only`, the JSON document and docs/performance.md.
        text: What is measured.
        need: The state that it starts from.
        ours: Our command line; {file}, {name} and {before} are filled in.
        peers: The command of the peers, by what it is called there.
        against: The case of the peers that it is compared with, where they have none of its own.
        targets: The most that is aimed at, as a ratio to each peer.
        exits: The exit codes of ours that count as done.
    """

    name: str
    text: str
    need: Need
    ours: str
    peers: Literal["", "validate", "plan", "apply"] = ""
    against: str = ""
    targets: Mapping[str, float] = field(default_factory=dict)
    exits: frozenset[int] = frozenset({0})

    @property
    def applies(self) -> bool:
        """Whether it changes the zone."""
        return self.ours.startswith("apply") and self.need not in ("settled", "any")


OCTO, CONTROL, FLOOR, OURS = "octodns", "dnscontrol", "floor", "hyops-gitops"
TOOLS = (OURS, OCTO, CONTROL, FLOOR)
_APPLY = "apply"
_OR_UNANSWERED = frozenset({0, 4})  # a busy server may leave questions out; the table says so

CASES: tuple[Case, ...] = (
    Case("first-apply", "first apply, to an empty zone", "empty", _APPLY, "apply", targets={OCTO: 1.2, CONTROL: 0.8}),
    Case("version", "`--version`", "any", "--version"),
    Case(
        "validate-file",
        "validate one file (the hook)",
        "staged",
        "validate --staged {file}",
        against="validate",
        targets={OCTO: 0.15},
    ),
    Case("validate-changed", "`validate --changed-since`", "pending", "validate --changed-since {before}"),
    Case("validate", "validate everything", "pending", "validate", "validate", targets={OCTO: 0.7}),
    Case("plan", "plan one change, offline", "pending", "plan", "plan", targets={OCTO: 0.2}),
    Case("apply-one", "apply one change", "pending", _APPLY, "apply", targets={OCTO: 0.3, CONTROL: 0.4}),
    Case("apply-none", "apply, nothing to do", "settled", _APPLY, "apply", targets={OCTO: 0.2}),
    Case("apply-100", "apply a failover of 100", "pending-100", _APPLY, "apply", "apply-one", {OCTO: 0.5}),
    Case(
        "status",
        "status of everything",
        "settled",
        "status",
        against="apply-none",
        targets={OCTO: 1.0},
        exits=_OR_UNANSWERED,
    ),
    Case("status-name", "`status NAME`", "settled", "status {name}", against="apply-none"),
    Case("drift", "drift", "settled", "drift", against="apply-none"),
    Case("verify", "evidence verify", "settled", "evidence verify", against="apply-none", targets={OCTO: 0.2}),
    Case("audit", "audit --offline", "settled", "audit --offline", against="apply-none", targets={OCTO: 1.0}),
    Case("clone-status-name", "a fresh clone's first command: `status NAME`", "clone", "status {name}"),
    Case("clone-plan", "a fresh clone's first command: plan one change", "clone-pending", "plan", against="plan"),
    Case(
        "clone-apply", "a fresh clone's first command: apply one change", "clone-pending", _APPLY, against="apply-one"
    ),
)
BY_NAME = {case.name: case for case in CASES}
