"""The publication of an endpoint, read from a module's outputs.

Accepted forms: a HybridOps module state (`outputs` beside `module_ref` and `status`), a bare object of outputs, and the
output of `terraform output -json` (`{"key": {"value": ...}}`). Only outputs `endpoint_*` and `cluster_vip` are read.
"""

import json
import re
from collections.abc import Iterable, Mapping

from hyops_gitops.core.contract import Target, TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.zone import canonical_address, is_address

_HIGHEST_PORT = 65535
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Publication:
    """The endpoint that one module publishes."""

    name: str  # canonical; "" when the service has no DNS name
    values: tuple[str, ...]  # of the target; empty without a name
    type: TargetType
    port: int | None  # None: not published
    cutover_required: bool | None
    source: str | None  # the module, from module_ref
    status: str | None  # None: outputs without a state

    def target(self, port: int) -> Target:
        """The target, with this port where none is published."""
        return Target(self.type, self.values, self.port or port)


def read_publication(text: str, shown: str) -> Publication:
    """Read the outputs of a module.

    Raises:
        InvalidData: codes `bad-outputs`: not a JSON object of outputs, or an impossible value;
            `self-target`: the name would point at itself.
    """
    document = _parsed(text, shown)
    inner = document.get("outputs")
    outputs, state = (inner, document) if isinstance(inner, dict) else (document, {})
    if outputs and all(isinstance(output, dict) and "value" in output for output in outputs.values()):
        outputs = {key: output["value"] for key, output in outputs.items() if isinstance(output, dict)}
    if "endpoint_dns_name" not in outputs:
        raise InvalidData(
            f"{shown} has no output endpoint_dns_name",
            code="bad-outputs",
            hint="give a module's state file, its outputs as one JSON object, or `terraform output -json`",
        )
    name = canonical_name(_text(outputs, "endpoint_dns_name"))
    values = _values(outputs, name) if name else ()
    source = state.get("module_ref")
    return Publication(
        name,
        values,
        _type(outputs, values),
        _port(outputs),
        _flag(outputs, "endpoint_cutover_required"),
        source if isinstance(source, str) and source else None,
        _status(state),
    )


def _parsed(text: str, shown: str) -> Mapping[str, object]:
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, _Duplicate) else "not JSON"
        raise InvalidData(f"cannot read {shown}: {detail}", code="bad-outputs") from None
    if not isinstance(document, dict):
        hint = "give a module's state file, an object of its outputs, or what `terraform output -json` prints"
        raise InvalidData(f"expected a JSON object in {shown}", code="bad-outputs", hint=hint)
    return document


class _Duplicate(ValueError):
    """A key that occurs twice."""


def _no_duplicates(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _Duplicate(f"the key {key!r} occurs twice")
        found[key] = value
    return found


def _status(state: Mapping[str, object]) -> str | None:
    """The status in a module's state; None: not such a state."""
    if not state or "terraform_version" in state:
        return None
    status = state.get("status")
    return "missing" if status is None else str(status)


def _values(outputs: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The target: endpoint_host, else endpoint_target if another name."""
    for key in ("endpoint_host", "endpoint_target"):
        given = outputs.get(key)
        listed = given if isinstance(given, list) else [given]
        if not all(value is None or isinstance(value, str) for value in listed):
            raise InvalidData(f"output {key}: expected text or a list of texts", code="bad-outputs")
        found = {canonical_address(canonical_name(str(value).strip())) for value in listed if value}
        if found - {name, ""}:
            return tuple(sorted(found - {""}))
    raise InvalidData(
        f"{name} would point at itself: endpoint_host is empty, and endpoint_target is empty or the name",
        code="self-target",
        hint="publish the address behind the endpoint as endpoint_host",
    )


def _type(outputs: Mapping[str, object], values: tuple[str, ...]) -> TargetType:
    if not all(map(is_address, values)):
        if len(values) != 1:
            raise InvalidData(f"expected addresses or one name, got {', '.join(values)}", code="bad-outputs")
        return TargetType.DNS
    vip = outputs.get("cluster_vip")
    virtual = canonical_address(vip.strip().partition("/")[0]) if isinstance(vip, str) else ""
    declared = outputs.get("endpoint_target_type") == TargetType.VIP.value
    return TargetType.VIP if declared or virtual in values else TargetType.HOST


def _port(outputs: Mapping[str, object]) -> int | None:
    given = outputs.get("endpoint_port")
    if given is None or given == "":
        return None
    text = str(given).strip()
    if isinstance(given, int | str) and _NUMBER.fullmatch(text) and int(text) <= _HIGHEST_PORT:
        return int(text)
    raise InvalidData(f"output endpoint_port: expected a port, got {text[:20]!r}", code="bad-outputs")


def _flag(outputs: Mapping[str, object], key: str) -> bool | None:
    match outputs.get(key):
        case None | "":
            return None
        case bool() as flag:
            return flag
        case str() as text if text.strip().lower() in ("true", "false"):
            return text.strip().lower() == "true"
    raise InvalidData(f"output {key}: expected true or false", code="bad-outputs")


def _text(outputs: Mapping[str, object], key: str) -> str:
    value = outputs.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidData(f"output {key}: expected text", code="bad-outputs")
    return value.strip()
