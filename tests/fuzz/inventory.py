"""What NetBox answers, held against two contracts."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any
from unittest.mock import patch

import requests

from hyops_gitops.adapters.netbox import CarefulSession, NetboxIpam
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.errors import HyopsError, OutsideFailure
from hyops_gitops.core.findings import Finding
from hyops_gitops.netbox.check import check_contracts
from hyops_gitops.validate.validation import MemoryTree, Validation, validate_tree
from tests.fuzz.one_file import AUTHORITY, FILES

_STATUSES = (200, 200, 200, 400, 403, 404, 302, 429)
_MOST_REPLIES = 24
_POLICY = b"""policy:
  netbox:
    tag: hyops
    vrfs: [global, Lab]
    owner: contact
    services: required
    places:
      - {prefix: 10.12.0.0/16, site: onprem, environments: [prod]}
      - {netbox_site: gcp, site: gcp}
      - {tag: prod, environments: [prod]}
"""
_CONTRACT = b"""endpoint_dns_name: postgres.prod.hyops.internal
endpoint_target: 10.12.0.31
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
endpoint_owner: data-platform
endpoint_sites: {onprem: 10.12.0.31, gcp: 10.72.16.24}
endpoint_home: onprem
"""


@cache
def _contracts() -> Validation:
    authority = FILES[AUTHORITY].replace(b"policy:\n", _POLICY)
    files = {AUTHORITY: authority, "endpoints/prod/postgres.yaml": _CONTRACT}
    validation = validate_tree(MemoryTree(files), read_document, check_document)
    assert not validation.findings
    return validation


def _answers(replies: list[bytes]) -> Iterator[requests.Response]:
    """The first to the question for the version, the others around to all that are asked after it."""
    for reply in itertools.islice(itertools.chain(replies[:1], itertools.cycle(replies[1:] or [b""])), _MOST_REPLIES):
        response = requests.Response()
        response.status_code = _STATUSES[reply[0] % len(_STATUSES)] if reply else 200
        response._content = reply[1:]
        yield response
    raise OutsideFailure("cannot reach NetBox: it is gone", code="netbox-unreachable")


def findings_of(replies: list[bytes]) -> tuple[Finding, ...]:
    """What is found with these replies of NetBox, each with a first byte that stands for its status."""
    validation = _contracts()
    assert validation.authority is not None
    answers = _answers(replies)
    session: Any = CarefulSession("http://127.0.0.1:1", None, 1, sleep=lambda _: None)
    with patch.object(CarefulSession, "_in_time", lambda *_: next(answers)), suppress(HyopsError):
        ipam = NetboxIpam(session, "token", lambda _: None)
        findings = check_contracts(validation.contracts, validation.authority, ipam)
        ipam.tagged("hyops")
        return findings
    return ()
