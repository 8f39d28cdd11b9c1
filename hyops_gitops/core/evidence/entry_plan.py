"""The parts of a plan in evidence entries: changes, drift, held names and overrides, back from their JSON form."""

from hyops_gitops.core.guards import Override
from hyops_gitops.core.json_fields import Fields, Json, present
from hyops_gitops.core.plan.plan import Action, Change, Drift, Held
from hyops_gitops.core.zone import RRset


def override_json(override: Override) -> Json:
    """The entry's form of an override."""
    said = {"guard": override.guard, "reason": override.reason, "source": override.source}
    return {**said, **present(name=override.name)}


def override_from_json(fields: Fields) -> Override:
    """Back from the entry's form of an override."""
    return Override(fields.text("guard"), fields.optional_text("name"), fields.text("reason"), fields.text("source"))


def _rrset(name: str, rrtype: str, ttl: int | None, rdata: tuple[str, ...]) -> RRset | None:
    return None if ttl is None else RRset.of(name, rrtype, ttl, rdata)


def change_from_json(fields: Fields) -> Change:
    """Back from `Change.to_json`; which records were disabled is not in it."""
    name, rrtype, ttl = fields.text("name"), fields.text("type"), fields.nested("ttl")
    return Change(
        fields.choice("action", list(Action)),
        name,
        rrtype,
        _rrset(name, rrtype, ttl.optional_integer("before"), fields.texts("before")),
        _rrset(name, rrtype, ttl.optional_integer("after"), fields.texts("after")),
        fields.text("contract"),
        cutover=fields.boolean("cutover"),
    )


def drift_from_json(fields: Fields) -> Drift:
    """Back from `Drift.to_json`."""
    name, rrtype, ttl = fields.text("name"), fields.text("type"), fields.nested("ttl")
    return Drift(
        name,
        rrtype,
        _rrset(name, rrtype, ttl.optional_integer("recorded"), fields.texts("recorded")),
        _rrset(name, rrtype, ttl.optional_integer("observed"), fields.texts("observed")),
        fields.text("contract"),
    )


def held_from_json(fields: Fields) -> Held:
    """Back from `Held.to_json`."""
    return Held(fields.text("name"), fields.text("contract"), fields.text("reason"))
