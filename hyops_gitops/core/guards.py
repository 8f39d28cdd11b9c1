"""Guards that can refuse an apply, and the syntax of overrides.

`GUARD[:NAME]=REASON`, where NAME is a DNS name and REASON is kept as evidence. There is no global force: each use lifts
one guard (for one name, where the guard is about names), and only guards in `policy.overridable` can be lifted.
"""

from collections.abc import Collection, Iterable
from typing import Annotated

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.fields import LEFT_OUT, Keywords
from hyops_gitops.core.names import canonical_name


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, as `explain` shows it."""

    name: str
    about: str  # what it protects and when it refuses
    overridable: bool  # whether policy.overridable may name it
    per_name: bool = False  # whether an override names a DNS name


_ALL = (
    Guard("history", "the commit must equal or descend from the last applied one", overridable=True),
    Guard(
        "restored",
        "the zone's anchor must name the last applied intent; it is older or missing, so the zone was restored or "
        "rebuilt, or names one recorded as not applied, whose update landed afterwards",
        overridable=True,
    ),
    Guard(
        "drift",
        "a record we manage was changed outside the log, or is approved from a value that is not the live one",
        overridable=True,
        per_name=True,
    ),
    Guard(
        "foreign",
        "the name carries records that no contract owns and that conflict with the contract",
        overridable=True,
        per_name=True,
    ),
    Guard(
        "held",
        "the name was moved by break-glass or an automatic roll-back and waits for its contract to change",
        overridable=True,
        per_name=True,
    ),
    Guard(
        "readiness",
        "a cutover's new target must answer the probes of its contract",
        overridable=True,
        per_name=True,
    ),
    Guard(
        "cutover-required",
        "a target moves although its publisher promised that it is stable (endpoint_cutover_required: false)",
        overridable=True,
        per_name=True,
    ),
    Guard("max-replaces", "more endpoints would be replaced than policy.max_replaces", overridable=True),
    Guard("max-deletes", "more endpoints would be deleted than policy.max_deletes", overridable=True),
    Guard(
        "max-change-percent",
        "a larger share of the managed RRsets would change than policy.max_change_percent",
        overridable=True,
    ),
    Guard(
        "max-cutovers",
        "more endpoints would move between their sites than policy.max_cutovers",
        overridable=True,
    ),
    Guard(
        "max-environment-cutovers",
        "more endpoints of one environment would move than policy.assertions.max_environment_cutovers",
        overridable=True,
    ),
    Guard(
        "anti-flap",
        "the endpoint moved less than policy.assertions.anti_flap_minutes ago, and would not move back to where it was",
        overridable=True,
        per_name=True,
    ),
    Guard(
        "move-together",
        "another endpoint of a group in policy.assertions.move_together moves, and this one would not be at its site",
        overridable=True,
        per_name=True,
    ),
    Guard(
        "freeze",
        "the endpoint's environment is frozen now by policy.freezes, and the change is not of a kind that passes",
        overridable=True,
        per_name=True,
    ),
    Guard("empty-tree", "there is no contract at all; that deletes every record we manage", overridable=True),
    Guard(
        "separation-of-duties",
        "with policy.separation_of_duties: enforce, a person other than author and last pusher approves each "
        "merged change of contracts or authority",
        overridable=True,
    ),
    Guard(
        "trailers",
        "a Hyops- trailer of a commit cannot be understood, so it would not do what its author thinks",
        overridable=True,
    ),
    Guard(
        "mixed-commit",
        "one commit, pull request or fast-forward changes authority/ and endpoints/ together",
        overridable=True,
    ),
    Guard(
        "not-outdated",
        "restore rebuilds a primary that is empty or older than the log, never one that was changed since",
        overridable=False,
    ),
    Guard(
        "damaged",
        "the zone's SOA, our markers or names of ours hold rows that contradict each other, as two writers leave them "
        "in a database without isolation",
        overridable=True,
    ),
    Guard("log-gap", "the zone's anchor is newer than the log: entries are missing", overridable=True),
    Guard(
        "occluded",
        "the name is below a delegation or DNAME, so its records would never be served",
        overridable=False,
    ),
    Guard(
        "not-served",
        "what a contract adopts must be served by DNS as the API lists it",
        overridable=False,
    ),
    Guard(
        "other-log",
        "the zone's anchor belongs to another log: another repository writes this zone",
        overridable=False,
    ),
    Guard(
        "protocol",
        "the zone's updates must be fenced in a way that this program knows; its protocol marker names a newer one",
        overridable=False,
    ),
    Guard(
        "breakglass",
        "the zone was last changed by a break-glass segment that is not reconciled, or not in this folder",
        overridable=False,
    ),
    Guard(
        "breakglass-witness",
        "with policy.breakglass.witness: required, a second person signs each break-glass intent",
        overridable=False,
    ),
    Guard(
        "segment",
        "a break-glass segment must verify, and continue this log, before it is reconciled",
        overridable=False,
    ),
    Guard(
        "segment-trust",
        "a segment that is reconciled is signed by keys that count now",
        overridable=True,
    ),
    Guard(
        "segment-review",
        "the reviewer of a break-glass segment is neither its operator nor its witness",
        overridable=False,
    ),
    Guard(
        "primary",
        "the API must be a writable primary's; writes to a secondary are never right",
        overridable=False,
    ),
    Guard(
        "soa-edit-api",
        "a write must move the zone's serial forward (soa_edit_api), else secondaries never learn of a change",
        overridable=False,
    ),
    Guard(
        "served-serial",
        "a write must move the serial that is served forward (SOA-EDIT, default-soa-edit)",
        overridable=False,
    ),
    Guard(
        "signed-zone",
        "a signed zone must be served so that validating resolvers accept what is written (api_rectify, presigned, "
        "narrow NSEC3)",
        overridable=False,
    ),
    Guard(
        "request-size",
        "an apply is one request, and the server takes none that is larger than primary.max_body_mib",
        overridable=False,
    ),
    Guard(
        "primary-url",
        "HYOPS_PRIMARY_URL, kept beside the API key, must equal primary.api_url",
        overridable=False,
    ),
    Guard("dirty", "files under endpoints/ or authority/ are not committed", overridable=False),
    Guard(
        "shallow",
        "the clone's history is cut off, so nothing about the past can be concluded",
        overridable=False,
    ),
    Guard("signing-key", "evidence must be signed by a key in authority/allowed_signers", overridable=False),
    Guard("key-window", "a key that is retired has a valid-before in allowed_signers", overridable=False),
    Guard("last-key", "the last key that counts cannot be given up without a recovery key", overridable=False),
    Guard("evidence-missing", "the log is not initialised, or its branch is gone", overridable=False),
    Guard("evidence-exists", "a log exists already; genesis happens once", overridable=False),
    Guard("evidence-invalid", "the log does not verify", overridable=False),
    Guard(
        "evidence-diverged",
        "the local and the remote evidence branch do not descend from one another, or the branch was rewound",
        overridable=False,
    ),
    Guard("open-intent", "an earlier apply has not written its result", overridable=False),
    Guard("race", "another applier wrote first", overridable=False),
    Guard("clock", "this machine's clock is behind the log, or far from the API's", overridable=False),
)

GUARDS: dict[str, Guard] = {guard.name: guard for guard in _ALL}


@dataclass(frozen=True, slots=True)
class Override(JsonObject):
    """One use of `GUARD[:NAME]=REASON`."""

    guard: str  # the guard's name
    name: Annotated[str | None, LEFT_OUT]  # the DNS name that it is lifted for
    reason: Annotated[str, Keywords.of(maxLength=200)]  # why, masked in evidence
    source: str  # where it was given: option, trailer, ...

    @property
    def target(self) -> str:
        """`GUARD[:NAME]`."""
        return f"{self.guard}:{self.name}" if self.name else self.guard

    def __str__(self) -> str:
        return f"{self.target}={self.reason}"

    @classmethod
    def parse(cls, text: str, source: str = "option") -> "Override":
        """Read one override.

        Raises:
            UsageError: wrong syntax, an unknown guard, one that cannot be overridden, or a missing reason or name.
        """
        target, equals, reason = text.partition("=")
        guard_name, _, name = target.strip().partition(":")
        guard = GUARDS.get(guard_name)
        if guard is None:
            raise UsageError(
                f"override {text!r}: no guard is called {guard_name!r}",
                code="bad-override",
                hint=f"guards that can be overridden: {', '.join(overridable_guards())}",
            )
        if not guard.overridable:
            hint = f"what it asks for: {guard.about}"
            raise UsageError(f"guard {guard_name!r} has no override", code="bad-override", hint=hint)
        if not equals or not reason.strip():
            raise UsageError(
                f"override {text!r} has no reason",
                code="bad-override",
                hint=f"write {target}='why this is right'; the reason becomes evidence",
            )
        if guard.per_name != bool(name):
            needed = "needs a DNS name" if guard.per_name else "takes no DNS name"
            form = f"{guard_name}:NAME=REASON" if guard.per_name else f"{guard_name}=REASON"
            raise UsageError(
                f"override {text!r}: guard {guard_name!r} {needed}", code="bad-override", hint=f"write {form}"
            )
        return cls(guard_name, canonical_name(name) or None, reason.strip(), source)


def overridable_guards() -> list[str]:
    """The names `policy.overridable` may hold."""
    return sorted(guard.name for guard in GUARDS.values() if guard.overridable)


def override_line(guard: str, name: str | None = None) -> str:
    """The exact option that lifts a guard; every refusal prints it."""
    target = f"{guard}:{name}" if name else guard
    return f"--override {target}='REASON'"


# About the zone as it is. What the newest policy allows counts at once: a zone must not stay shut until the next apply.
_OF_THE_ZONE = frozenset({"restored", "log-gap", "damaged"})


def may_lift(override: Override, now: Collection[str], before: Collection[str] | None) -> bool:
    """Whether the policies let an override lift its guard.

    Args:
        override: The override.
        now: `policy.overridable` of the commit that is carried out.
        before: The same of the commit recorded last, so that no change loosens its own guards; None: there is none.
    """
    if override.guard == "trailers" and override.source == "trailer":
        return True  # or a trailer that is not understood could block main for ever
    if override.guard == "history":
        return before is not None and override.guard in before
    allowed = override.guard in now
    return allowed and (before is None or override.guard in before or override.guard in _OF_THE_ZONE)


def find_override(overrides: Iterable[Override], guard: str, name: str | None = None) -> Override | None:
    """The override that lifts this guard (for this name), if given."""
    return next((override for override in overrides if override.guard == guard and override.name == name), None)
