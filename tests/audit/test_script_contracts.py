"""What script/audit-contracts.jq reads in contracts and authority files, held against our own readers."""

import json
import subprocess

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.servers import servers_of
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.validate.validation import Validation, validate_tree
from tests.support.repository import ROOT

ZONE, COMMIT = "hyops.internal", "c" * 40
AUTHORITY, CONTRACT = f"authority/{ZONE}.yaml", "endpoints/prod/db.yaml"
ORDINARY = """\
zone: hyops.internal
environments: [prod]
failure_domain: onprem
primary: {api_url: "https://10.90.0.53:8443", api_key_env: KEY, dns: "10.90.0.53:53", site: hetzner}
secondaries:
  - {name: onprem, site: onprem, dns: "10.12.0.53:53"}
  - {name: gcp, site: gcp, dns: "10.13.0.53:53"}
resolvers:
  - {name: clients, site: onprem, dns: "10.12.0.10:53"}
policy:
  # the default: 5 of a comment does not count
  ttl: {min: 5, max: 3600, default: 45}
  convergence: {timeout_s: 60, require: [primary, secondaries]}
evidence: {branch: evidence, remote: origin}
"""
BLOCKS = """\
zone: hyops.internal
environments:
  - prod
failure_domain: onprem
primary:
  api_url: https://10.90.0.53:8443
  api_key_env: KEY
  site: hetzner
secondaries:
  - name: onprem  # the old one
    site: onprem
    dns: 10.12.0.53:53
  - site: gcp
    name: "gcp-2"
    dns: 10.13.0.53:53
resolvers: [{name: a-b, site: onprem, dns: "10.12.0.10:53"}, {name: c, site: gcp, dns: "10.13.0.10:53"}]
policy:
  ttl:
    min: 5
    default: 30
  convergence:
    timeout_s: 60
    require:
      - secondaries
      - resolvers
evidence: {branch: evidence, remote: origin}
"""
REQUIRE = "  convergence: {timeout_s: 60, require: [primary, secondaries]}\n"
AUTHORITIES = {
    "as shipped": ORDINARY,
    "blocks": BLOCKS,
    "json": ORDINARY.replace(REQUIRE, '  convergence: {"require": ["secondaries"]}\n'),
    "nothing required by name": ORDINARY.replace(REQUIRE, ""),
    "nothing required, primary not asked": BLOCKS.partition("    require:")[0] + BLOCKS[BLOCKS.index("evidence:") :],
}
FIRST = "endpoint_dns_name: db.prod.hyops.internal\nendpoint_port: 5432\nendpoint_cutover_required: true\n"
CONTRACTS = {
    "an address": "endpoint_target: 10.0.0.7\nendpoint_target_type: host\nendpoint_ttl: 20\n",
    "a comment": "endpoint_target: 10.0.0.7 # old\nendpoint_target_type: vip\nendpoint_ttl: 20  # short\n",
    "no TTL": "endpoint_target: 10.0.0.7\nendpoint_target_type: host\n",
    "addresses": "endpoint_target: [10.0.0.9, 10.0.0.10,  fd00::9]\nendpoint_target_type: host\n",
    "a list below": "endpoint_target:\n  - 10.0.0.9\n  - 'fd00::9'\nendpoint_target_type: host\n",
    "a name": 'endpoint_target: "db.cloud.example"\nendpoint_target_type: dns\n',
}


def judge(authority: str, contract: str, *, outside: bool = False, **what: object) -> list[str]:
    """What the script finds in one plan or result, at a commit with these two files."""
    log = {"plans": what.get("plans", []), "results": what.get("results", [])}
    for one in (*log["plans"], *log["results"]):  # type: ignore[misc]  # lists, both
        one |= {"seq": 2, "commit": COMMIT, "outside": outside}
    files = f"{COMMIT} a {AUTHORITY}\n{COMMIT} b {CONTRACT}\n{COMMIT} b endpoints/README.md\n"
    texts = json.dumps([{"a": authority, "b": contract}])
    command = ["jq", "-rn", "--arg", "zone", ZONE, "--argjson", "texts", texts, "--arg", "files", files]
    command += ["--argjson", "log", json.dumps([log]), "-f", str(ROOT / "script/audit-contracts.jq")]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def ours(authority: str, contract: str = FIRST + CONTRACTS["an address"]) -> Validation:
    class Tree(SourceTree):
        def files(self) -> list[SourceFile]:
            return [SourceFile(AUTHORITY, authority.encode()), SourceFile(CONTRACT, contract.encode())]

    validation = validate_tree(Tree(), read_document, check_document)
    assert [one for one in validation.findings if one.path != "authority/allowed_signers"] == []
    return validation


def result(*converged: tuple[str, str], lost: tuple[str, ...] = ()) -> dict[str, object]:
    servers = [{"role": role, "name": name, "verdict": "converged"} for role, name in converged]
    return {"lost": list(lost), "servers": servers}


@pytest.mark.parametrize("name", AUTHORITIES)
def test_required_servers_are_those_that_we_read(name: str) -> None:
    text = AUTHORITIES[name]
    authority = ours(text).authority
    assert authority is not None
    required = [(one.role, one.name) for one in servers_of(authority) if one.required]
    assert required
    found = judge(text, FIRST, results=[result()])
    assert sorted(line.split("required ")[1].split(" is not")[0] for line in found) == sorted(map(" ".join, required))
    assert judge(text, FIRST, results=[result(*required)]) == []


def test_a_server_of_a_lost_site_is_not_required() -> None:
    shown = (("primary", "primary"), ("secondary", "gcp"))
    assert len(judge(ORDINARY, FIRST, results=[result(*shown)])) == 1
    assert judge(ORDINARY, FIRST, results=[result(*shown, lost=("onprem",))]) == []


def test_where_sites_are_lost_with_all_required_servers_another_has_to_show_it() -> None:
    text = AUTHORITIES["json"]  # which requires the secondaries
    lost = ("onprem", "gcp")
    assert judge(text, FIRST, results=[result(("primary", "primary"), lost=lost)]) == []
    (line,) = judge(text, FIRST, results=[result(lost=lost)])
    assert "required primary primary is not shown" in line


def test_servers_of_an_authority_that_is_not_at_hand_are_those_listed() -> None:
    assert judge(ORDINARY, FIRST, outside=True, results=[result(("secondary", "another"))]) == []
    stale = {"role": "secondary", "name": "another", "verdict": "stale"}
    found = judge(ORDINARY, FIRST, outside=True, results=[{"lost": [], "servers": [stale]}])
    assert [line[0] for line in found] == ["P"]
    assert [line[0] for line in judge(ORDINARY, FIRST, outside=True, results=[result()])] == ["Q"]


def plan(*rows: tuple[str, str, int], aside: bool = False, changed: bool = False) -> dict[str, object]:
    """A plan that leaves the contract with these records: name, address, TTL."""
    left = {CONTRACT: [{"name": name, "rdata": [rdata], "ttl": ttl} for name, rdata, ttl in rows]}
    return {"aside": [CONTRACT] if aside else [], "restored": False, "changed": left if changed else {}, "left": left}


@pytest.mark.parametrize("name", CONTRACTS)
def test_targets_and_ttls_are_those_that_we_read(name: str) -> None:
    text = FIRST + CONTRACTS[name]
    rrsets = [rrset for one in ours(ORDINARY, text).contracts for rrset in one.rrsets()]
    rows = [(rrset.name, rdata, rrset.ttl) for rrset in rrsets for rdata in rrset.rdata]
    assert rows
    assert judge(ORDINARY, text, plans=[plan(*rows)]) == []
    for wrong in (
        [(owner, rdata, ttl + 1) for owner, rdata, ttl in rows],
        [("another.prod.hyops.internal", rdata, ttl) for _, rdata, ttl in rows],
        [*rows, (rows[0][0], "10.6.6.6", rows[0][2])],
        rows[1:],
    ):
        found = judge(ORDINARY, text, plans=[plan(*wrong)])
        assert [line[:9] for line in found] == ["P\tentry 2"], wrong


def test_what_is_held_is_left_aside_unless_the_plan_changes_it() -> None:
    text, name = FIRST + CONTRACTS["an address"], "db.prod.hyops.internal"
    assert judge(ORDINARY, text, plans=[plan((name, "10.0.0.1", 20), aside=True)]) == []
    assert judge(ORDINARY, text, plans=[plan((name, "10.0.0.7", 20), aside=True, changed=True)]) == []
    assert len(judge(ORDINARY, text, plans=[plan((name, "10.0.0.1", 20), aside=True, changed=True)])) == 1


def test_a_default_ttl_that_is_not_at_hand_is_a_question() -> None:
    rows = ("db.prod.hyops.internal", "10.0.0.7", 46)
    assert [
        judge(ORDINARY, FIRST + CONTRACTS[one], outside=True, plans=[plan(rows)])[0][0]
        for one in ("no TTL", "an address")
    ] == ["Q", "P"]


def test_a_target_that_cannot_be_read_is_a_question() -> None:
    text = FIRST + "endpoint_target: [\n  10.0.0.7]\nendpoint_target_type: host\n"
    assert [line[0] for line in judge(ORDINARY, text, plans=[plan(("db.prod.hyops.internal", "10.0.0.7", 45))])] == [
        "Q"
    ]
