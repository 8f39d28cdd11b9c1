"""Changes of a contract as values: which keys become what. How a file takes them is an adapter's.

The order of `CONTRACT_KEYS` is the canonical one; the schema's properties have it, and a test compares them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.contract import Contract, Target
from hyops_gitops.core.document import Edit

CONTRACT_KEYS = (
    "endpoint_dns_name",
    "endpoint_target",
    "endpoint_target_type",
    "endpoint_port",
    "endpoint_cutover_required",
    "endpoint_ttl",
    "endpoint_protocol",
    "endpoint_owner",
    "endpoint_description",
    "endpoint_source",
    "endpoint_sites",
    "endpoint_home",
    "endpoint_aliases",
    "endpoint_attested",
    "endpoint_readiness",
)


def edited(data: Mapping[str, object], edits: Iterable[Edit]) -> dict[str, object]:
    """A document's data as the edits leave it."""
    result = dict(data)
    for edit in edits:
        first, rest = edit.at[0], edit.at[1:]
        inner = result.get(first)
        below = [Edit(rest, edit.value)]
        result[first] = edited(inner if isinstance(inner, dict) else {}, below) if rest else edit.value
    return result


def same_data(one: object, other: object) -> bool:
    """Whether two documents say the same; addresses of a list are a set."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same_data(value, other[key]) for key, value in one.items())
        case list(), list() if all(isinstance(item, str) for item in [*one, *other]):
            return sorted(one) == sorted(other)
        case list(), list():
            return len(one) == len(other) and all(map(same_data, one, other))
        case _:
            return type(one) is type(other) and one == other


def moved(contract: Contract, target: Target) -> tuple[Edit, ...]:
    """The edits that make `target` the active one; every site goes on meaning what it meant.

    A site that gives no type or port has the contract's: where those change, it gets its own.
    """
    now = contract.target
    edits = [Edit(("endpoint_target",), target_value(target))] if target.values != now.values else []
    if target.type is not now.type:
        edits.append(Edit(("endpoint_target_type",), target.type.value))
    if target.port != now.port:
        edits.append(Edit(("endpoint_port",), target.port))
    written = _written_sites(contract)
    for name, site in contract.sites.items():
        value = written.get(name)
        stated = value if isinstance(value, dict) else {"target": value}
        added = {
            key: _of_target(key, site)
            for key in ("type", "port")
            if key not in stated and _of_target(key, site) != _of_target(key, target)
        }
        at = ("endpoint_sites", name)
        if added and isinstance(value, dict):
            edits += [Edit((*at, key), one) for key, one in added.items()]
        elif added:
            edits.append(Edit(at, {**stated, **added}))
    return tuple(edits)


def moved_with_site(contract: Contract, site: str, target: Target) -> tuple[Edit, ...]:
    """The edits that give a site this target and make it the active one."""
    others = {name: one for name, one in contract.sites.items() if name != site}
    return (*moved(replace(contract, sites=others), target), *set_site(replace(contract, target=target), site, target))


def set_site(contract: Contract | None, name: str, target: Target) -> tuple[Edit, ...]:
    """The edits that give a site its target; type and port only where they are not the contract's."""
    if contract is not None and contract.sites.get(name) == target:
        return ()
    base = target if contract is None else contract.target
    written = None if contract is None else _written_sites(contract).get(name)
    stated = written if isinstance(written, dict) else {}
    said: dict[str, object] = {"target": target_value(target)}
    for key in ("type", "port"):
        if key in stated or _of_target(key, target) != _of_target(key, base):
            said[key] = _of_target(key, target)
    at = ("endpoint_sites", name)
    if stated:
        return tuple(Edit((*at, key), one) for key, one in said.items() if stated.get(key) != one)
    return (Edit(at, said if len(said) > 1 else said["target"]),)


def target_value(target: Target) -> object:
    """A target as a contract writes it."""
    return target.values[0] if len(target.values) == 1 else list(target.values)


def _of_target(key: str, target: Target) -> object:
    return target.type.value if key == "type" else target.port


def _written_sites(contract: Contract) -> Mapping[str, object]:
    data = contract.document.data
    sites = data.get("endpoint_sites") if isinstance(data, dict) else None
    return sites if isinstance(sites, dict) else {}


def key_order(key: str, order: Sequence[str] = CONTRACT_KEYS) -> int:
    """Where a key stands; what is not known comes last."""
    return order.index(key) if key in order else len(order)
