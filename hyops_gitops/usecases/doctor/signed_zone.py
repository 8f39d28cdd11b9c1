"""The check of a signed zone: what is written has to reach validating resolvers, and to stay valid."""

from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.counting import counted
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import ZoneHeader
from hyops_gitops.core.signed_zone import signatures_expire
from hyops_gitops.usecases.doctor.examining import Unseen
from hyops_gitops.usecases.doctor.ports import DoctorPorts
from hyops_gitops.usecases.planning.observation import check_signing


def signed_zone(header: ZoneHeader, authority: Authority, ports: DoctorPorts) -> str:
    """How the zone is signed."""
    check_signing(header, authority)
    zone = authority.zone
    if header.signing is None:
        return _unsigned(zone, ports.zone_keys(authority))
    transferred = bool(authority.secondaries) and authority.policy.replication == "transfer"
    expire = signatures_expire(header) if transferred else False
    hint = f"pdnsutil set-meta {zone} SOA-EDIT INCEPTION-INCREMENT, with SOA-EDIT-API DEFAULT"
    if expire is None:
        raise Unseen("whether the serial moves with each week's new signatures: default-soa-edit is not shown", hint)
    if expire:
        raise OutsideFailure(
            "signatures that secondaries got by transfer expire two weeks after the last change: PowerDNS signs anew "
            "each week, and the serial does not move with it",
            code="signatures-expire",
            hint=hint,
        )
    return "signed by PowerDNS, rectified after each write"


def _unsigned(zone: str, keys: tuple[bool, ...] | None) -> str:
    if keys is None:
        return "not signed; keys that do not sign are not shown to this key"
    if keys:
        raise Unseen(
            f"not signed, though it has {counted(len(keys), 'key')}, none of them active and published: while the "
            "parent has a DS, validating resolvers answer SERVFAIL for every name",
            f"pdnsutil activate-zone-key {zone} ID; or take the DS out at the parent, then remove the keys",
        )
    return "not signed"
