"""NetBox's JSON as values; another shape is an error.

The shapes are those of 4.0 to 4.7; where a release changed one, both are read. Texts are only made encodable here.
"""

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.text import masked
from hyops_gitops.netbox.ipam import IpamAddress, IpamPrefix, IpamService, IpamVrf, ObjectKey
from hyops_gitops.validate.netbox_policy import GLOBAL

_HOLDERS = {  # what an interface belongs to: the member that says it, and its type
    "dcim.interface": ("device", "dcim.device"),
    "virtualization.vminterface": ("virtual_machine", "virtualization.virtualmachine"),
}
_MAX_PORT = 65535
_Value = TypeVar("_Value")


class _Mismatched(Exception):
    """A value of another shape than NetBox's."""


def parse_document(content: bytes, url: str) -> object:
    """The JSON document of an answer.

    Raises:
        OutsideFailure: code `netbox-reply`.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        start = "HTML" if content.lstrip()[:1] == b"<" else "something else"
        hint = "HYOPS_NETBOX_URL has to be NetBox's own address, without /api; a login page in front of it hides it"
        raise OutsideFailure(f"expected JSON from {url}, got {start}", code="netbox-reply", hint=hint) from None


def checked_page(document: object) -> Mapping[str, Any]:
    """A page of a list, its members checked.

    Raises:
        OutsideFailure: code `netbox-reply`.
    """
    page = document if isinstance(document, dict) else {}
    count, link, results = page.get("count"), page.get("next"), page.get("results")
    if not isinstance(results, list) or not isinstance(link, str | None) or not isinstance(count, int | None):
        raise strange("expected a page of a list")
    return {"count": count, "next": link, "results": results}


def detail_of(content: bytes) -> str:
    """The words of an error on one line, or ""."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if isinstance(document, dict):
        document = document.get("detail") or document.get("error") or document
    return _encodable(masked(document if isinstance(document, str) else json.dumps(document)))


def strange(what: str) -> OutsideFailure:
    """An answer that cannot be understood."""
    return OutsideFailure(f"cannot understand NetBox: {what}", code="netbox-reply")


def read_objects(read: Callable[[Mapping[str, Any]], _Value], found: Iterable[object], what: str) -> list[_Value]:
    """The values of a list's objects.

    Raises:
        OutsideFailure: code `netbox-reply`.
    """
    values = []
    for each in found:
        try:
            values.append(read(_object(each, "an object")))
        except _Mismatched as wrong:
            number = each.get("id") if isinstance(each, dict) else None
            which = f" {number}" if isinstance(number, int) else ""
            raise strange(f"{what}{which}: {wrong}") from None
    return values


def read_address(found: Mapping[str, Any]) -> IpamAddress:
    """One of ipam/ip-addresses."""
    text = _text(found.get("address"), "address")
    try:
        address = str(ipaddress.ip_interface(text).ip)
    except ValueError:
        raise _Mismatched(f"expected an address, got {masked(text)!r}") from None
    return IpamAddress(
        id=_number(found.get("id"), "id"),
        address=address,
        vrf=_vrf(found.get("vrf")),
        status=_choice(found.get("status"), "status") or "",
        dns_name=_text(found.get("dns_name") or "", "dns_name"),
        role=_choice(found.get("role"), "role"),
        owner=_names(found.get("owner"), "owner", "name"),
        tenant=_names(found.get("tenant"), "tenant", "slug", "name"),
        tags=_slugs(found.get("tags")),
        holder=_holder(found),
    )


def read_prefix(found: Mapping[str, Any]) -> IpamPrefix:
    """One of ipam/prefixes."""
    text = _text(found.get("prefix"), "prefix")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _Mismatched(f"expected a prefix, got {masked(text)!r}") from None
    scope = found.get("scope") if found.get("scope_type") == "dcim.site" else found.get("site")  # before 4.2
    return IpamPrefix(
        id=_number(found.get("id"), "id"),
        network=network,
        vrf=_vrf(found.get("vrf")).id,
        site=next(iter(_names(scope, "site", "slug")), None),
        owner=_names(found.get("owner"), "owner", "name"),
        tenant=_names(found.get("tenant"), "tenant", "slug", "name"),
        tags=_slugs(found.get("tags")),
    )


def read_service(found: Mapping[str, Any]) -> IpamService:
    """One of ipam/services."""
    return IpamService(
        id=_number(found.get("id"), "id"),
        name=_text(found.get("name") or "", "name"),
        ports=frozenset(_ports(found)),
        addresses=frozenset(_id_of(each, "ipaddresses") for each in _list(found.get("ipaddresses"), "ipaddresses")),
        parent=_parent(found),
    )


def read_contact(found: Mapping[str, Any]) -> tuple[ObjectKey, str]:
    """One of tenancy/contact-assignments: what it is of, and a name."""
    _number(found.get("id"), "id")
    kind = _text(found.get("object_type") or found.get("content_type"), "object_type")
    contact = _object(found.get("contact"), "contact")
    return (kind, _number(found.get("object_id"), "object_id")), _text(contact.get("name"), "contact")


def _ports(found: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    if found.get("port_mappings") is not None:  # since 4.7
        for each in _list(found["port_mappings"], "port_mappings"):
            protocol, _, port = _text(each, "port_mappings").partition("/")
            if not port.isascii() or not port.isdigit() or len(port) > len(str(_MAX_PORT)):
                raise _Mismatched(f"expected PROTOCOL/PORT in port_mappings, got {masked(str(each))!r}")
            yield protocol, int(port)
        return
    known = _choice(found.get("protocol"), "protocol")
    for each in _list(found.get("ports"), "ports"):
        yield known or "", _number(each, "ports")


def _parent(found: Mapping[str, Any]) -> ObjectKey | None:
    if found.get("parent_object_type") is not None:  # since 4.3
        return _text(found["parent_object_type"], "parent_object_type"), _number(
            found.get("parent_object_id"), "parent_object_id"
        )
    for member, kind in _HOLDERS.values():
        if found.get(member) is not None:
            return kind, _id_of(found[member], member)
    return None


def _holder(found: Mapping[str, Any]) -> ObjectKey | None:
    """What an address is assigned to; of an interface its device."""
    assigned = found.get("assigned_object")
    if assigned is None or found.get("assigned_object_type") is None:
        return None
    kind = _text(found["assigned_object_type"], "assigned_object_type")
    if kind not in _HOLDERS:
        return kind, _id_of(assigned, "assigned_object")
    member, holder = _HOLDERS[kind]
    inner = _object(assigned, "assigned_object").get(member)
    return None if inner is None else (holder, _id_of(inner, member))


def _vrf(value: object) -> IpamVrf:
    if value is None:
        return IpamVrf(None, (GLOBAL,))
    # A VRF that is called as the global table must not be taken for it.
    names = tuple(f"VRF {name}" if name == GLOBAL else name for name in _names(value, "vrf", "name", "rd"))
    number = _id_of(value, "vrf")
    return IpamVrf(number, names or (f"VRF {number}",))


def _names(value: object, what: str, *members: str) -> tuple[str, ...]:
    """Those texts of a nested object that are there."""
    if value is None:
        return ()
    found = _object(value, what)
    return tuple(_text(found[member], what) for member in members if found.get(member))


def _slugs(value: object) -> frozenset[str]:
    return frozenset(_text(_object(each, "tags").get("slug"), "tags") for each in _list(value, "tags"))


def _choice(value: object, what: str) -> str | None:
    """A choice, as {value, label} or plain."""
    if isinstance(value, dict):
        value = value.get("value")
    return None if value is None else _text(value, what)


def _id_of(value: object, what: str) -> int:
    return _number(_object(value, what).get("id"), what)


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Mismatched(f"expected {what} to be an object")
    return value


def _list(value: object, what: str) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _Mismatched(f"expected {what} to be a list")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _Mismatched(f"expected {what} to be text")
    return value if value.isascii() else _encodable(value)


def _number(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Mismatched(f"expected {what} to be a number")
    return value


def _encodable(text: str) -> str:
    """Without surrogates, which JSON can name and UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
