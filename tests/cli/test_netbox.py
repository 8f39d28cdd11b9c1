"""`netbox check` and `netbox suggest` as they are called: formats, exit codes, and text of NetBox that is hostile."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from tests.support.contracts import AUTHORITY, MINIMAL, contract_text
from tests.support.netbox import TOKEN, NetboxServer, address, answer, nested, netbox_server, service

if not os.environ.get("CI"):
    pytest.importorskip("pynetbox")

NAME = "db.prod.hyops.internal"
PATH = "endpoints/prod/db.yaml"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def server() -> Iterator[NetboxServer]:
    with netbox_server(NetboxServer()) as started:
        yield started


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, server: NetboxServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One contract, below a directory of a checkout; the environment names the server."""
    root = tmp_path / "dns"
    (tmp_path / ".git").mkdir()
    texts = {AUTHORITY: MINIMAL.decode() + "policy: {netbox: {tag: dns-endpoint}}\n"}
    texts[PATH] = contract_text(NAME, "10.12.0.31")
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    monkeypatch.chdir(root)
    monkeypatch.setenv("HYOPS_NETBOX_URL", server.url)
    monkeypatch.setenv("HYOPS_NETBOX_TOKEN", TOKEN)
    return root


def test_agreement_is_exit_0(server: NetboxServer, capsys: Capture) -> None:
    server.put("ipam/ip-addresses", address(1, "10.12.0.31"))

    assert execute(["netbox", "check"]) == 0
    assert capsys.readouterr() == ("", "1 contract checked, 0 errors, 0 warnings\n")


def test_a_finding_has_place_rule_and_remedy(capsys: Capture) -> None:
    assert execute(["netbox", "check"]) == 1

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{PATH}:2:18: netbox-address: 10.12.0.31 is not found in NetBox, or not visible")
    assert second.startswith("  hint: add the address to NetBox")


def test_a_finding_in_json_has_the_members_of_validates(capsys: Capture) -> None:
    assert execute(["netbox", "check", "--format", "json"]) == 1

    document = json.loads(capsys.readouterr().out)
    (found,) = document["findings"]
    assert (document["format"], document["checked"]) == ("hyops-netbox-check/1", 1)
    assert list(found) == ["rule", "severity", "path", "line", "column", "message", "hint"]


def test_github_and_sarif_name_the_file_in_the_checkout(capsys: Capture) -> None:
    assert execute(["netbox", "check", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith(f"::error file=dns/{PATH},line=2,col=18,title=netbox-address::")

    assert execute(["netbox", "check", "--format", "sarif"]) == 1
    (result,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert result["ruleId"] == "netbox-address"


def test_warnings_alone_are_exit_0(repository: Path) -> None:
    policy = "policy: {netbox: {findings: {netbox-address: warning}}}\n"
    (repository / AUTHORITY).write_text(MINIMAL.decode() + policy)

    assert execute(["netbox", "check"]) == 0


def test_a_path_chooses_contracts(repository: Path, capsys: Capture) -> None:
    (repository / "endpoints/prod/api.yaml").write_text(contract_text("api.prod.hyops.internal", "10.12.0.32"))

    assert execute(["netbox", "check", "endpoints/prod/api.yaml"]) == 1
    assert PATH not in capsys.readouterr().out


def test_an_invalid_contract_is_left_out_with_a_note(repository: Path, capsys: Capture) -> None:
    (repository / PATH).write_text("endpoint_dns_name: x\n")

    assert execute(["netbox", "check"]) == 0
    assert "1 file with errors left out" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "suggest"])
def test_a_server_that_fails_is_exit_4_without_findings(server: NetboxServer, command: str, capsys: Capture) -> None:
    server.fault = lambda *_: answer({"detail": "Token expired"}, 403)

    assert execute(["netbox", command, "--format", "json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["code"]) == ("hyops-error/1", "netbox-forbidden")
    assert "Token expired" in document["message"]


def test_text_of_netbox_gives_no_orders(server: NetboxServer, capsys: Capture) -> None:
    evil = "x\x1b[2J\n::error::owned\u202e##[error]"
    server.put("ipam/ip-addresses", address(1, "10.12.0.31", dns_name=evil, status={"value": evil}))

    for form in ("text", "github", "json", "sarif"):
        assert execute(["netbox", "check", "--format", form]) == 1
        out = capsys.readouterr().out
        assert not {"\x1b", "\u202e"} & set(out)
        assert "##[" not in out
        assert not any(line.startswith("::error::owned") for line in out.splitlines())


def test_suggest_shows_and_write_writes(server: NetboxServer, repository: Path, capsys: Capture) -> None:
    tags = [nested("dns-endpoint")]
    server.put("ipam/ip-addresses", address(1, "10.12.0.40", dns_name="api.prod.hyops.internal", tags=tags))
    server.put("ipam/services", service(1, ["tcp/443"], [1]))
    made = repository / "endpoints/prod/api.yaml"

    assert execute(["netbox", "suggest"]) == 0
    shown = capsys.readouterr()
    assert "endpoints/prod/api.yaml: new\n  endpoint_dns_name: api.prod.hyops.internal\n" in shown.out
    assert "nothing was written: --write writes them" in shown.err
    assert not made.exists()

    assert execute(["netbox", "suggest", "--write", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["written"]) == ("hyops-netbox-suggest/1", True)
    assert made.read_text() == document["drafts"][0]["content"]


def test_a_refused_draft_is_exit_1(server: NetboxServer, capsys: Capture) -> None:
    tags = [nested("dns-endpoint")]
    server.put("ipam/ip-addresses", address(1, "10.12.0.40", dns_name="api.prod.hyops.internal", tags=tags))

    assert execute(["netbox", "suggest", "--write"]) == 1
    assert "api.prod.hyops.internal: refused: expected one port" in capsys.readouterr().out
