"""Signed zones in which what the API writes is not served as a validating resolver needs it (RFC 4033 to 4035)."""

from dataclasses import dataclass

from hyops_gitops.core.exchange import ZoneHeader

FOLLOWS_THE_WEEK = frozenset({"INCREMENT-WEEKS", "INCEPTION-EPOCH", "INCEPTION-INCREMENT", "EPOCH"})


@dataclass(frozen=True, slots=True)
class WronglySigned:
    """What is wrong with it, and what mends it."""

    message: str
    hint: str


def wrongly_signed(header: ZoneHeader, zone: str, *, transferred: bool) -> WronglySigned | None:
    """Why a record that is written now would not be served rightly; None where nothing speaks against it.

    Args:
        header: The zone's settings.
        zone: Its name.
        transferred: Whether secondaries get it by transfer.
    """
    signing = header.signing
    if signing is None:
        return None
    if signing.presigned:
        return presigned(zone)
    if transferred and header.nsec3narrow:
        return WronglySigned(
            f"{zone} is signed with NSEC3 in narrow mode, which PowerDNS does not transfer: no secondary gets a change",
            f"pdnsutil set-nsec3 {zone} '1 0 0 -' (without `narrow`), then pdnsutil rectify-zone {zone}",
        )
    if signing.rectified:
        return None
    hint = f"pdnsutil set-meta {zone} API-RECTIFY 1, then pdnsutil rectify-zone {zone}"
    if signing.rectified is None:
        return WronglySigned(
            f"{zone} is signed and its api_rectify is not set; what the server does by default (default-api-rectify) "
            "is not shown to this key: without it validating resolvers answer SERVFAIL or NXDOMAIN for what is written",
            hint,
        )
    return WronglySigned(
        f"{zone} is signed and not rectified after a write by the API (api_rectify, default-api-rectify): validating "
        "resolvers answer SERVFAIL or NXDOMAIN for what is written",
        hint,
    )


def presigned(zone: str) -> WronglySigned:
    """What is wrong with a zone that another signer has signed."""
    return WronglySigned(
        f"{zone} is presigned: PowerDNS signs nothing in it, so a record written by the API has no signature and "
        "validating resolvers answer SERVFAIL",
        f"write where the zone is signed; or let PowerDNS sign it: pdnsutil unset-presigned {zone}, pdnsutil "
        f"secure-zone {zone}, and the new DS at the parent",
    )


def signatures_expire(header: ZoneHeader) -> bool | None:
    """Whether signatures that secondaries got by transfer run out while nothing is written; None: not shown.

    PowerDNS signs anew each week, and only a serial that moves with the week has secondaries transfer that.
    """
    if header.signing is None:
        return False
    if header.soa_edit:
        return header.soa_edit.upper() not in FOLLOWS_THE_WEEK
    if header.edited_serial != header.serial:
        return False
    default = header.signing.default_soa_edit
    return None if default is None else default.upper() not in FOLLOWS_THE_WEEK
