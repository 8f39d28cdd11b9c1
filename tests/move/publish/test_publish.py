"""`publish`: what modules publish, in each of its forms, and what becomes of it."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from hyops_gitops.cli.main import execute
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.move.publication import read_publication
from tests.move.publish.conftest import OUTPUTS
from tests.support.authority import AUTHORITY

PG = "endpoints/prod/pg.yaml"
PG_STATE = "postgresql-ha/instances/postgresql_prod.json"


@dataclass(frozen=True)
class Ran:
    exit: int
    document: dict[str, object]


class Publish(Protocol):
    """Runs the command."""

    def __call__(self, file: str, *options: str) -> Ran: ...


@pytest.fixture
def publish(root: Path, capsys: pytest.CaptureFixture[str]) -> Publish:
    """`publish(file, *options)`; a file without folder is one of the case files."""

    def run(file: str, *options: str) -> Ran:
        path = file if file == "-" else OUTPUTS / file
        code = execute(["publish", str(path), *options, "--repo", str(root), "--format", "json"])
        return Ran(code, json.loads(capsys.readouterr().out))

    return run


def contract(root: Path, path: str = PG) -> list[str]:
    return (root / path).read_text().splitlines()


def outputs(**more: object) -> str:
    base = {
        "endpoint_dns_name": "a.prod.x.internal",
        "endpoint_host": "10.0.0.1",
        "endpoint_port": 1,
        "endpoint_cutover_required": True,
    }
    return json.dumps({**base, **more})


# --- the publishers of HybridOps


def test_a_cluster_with_a_name(root: Path, publish: Publish) -> None:
    ran = publish(PG_STATE, "--site", "onprem")

    assert (ran.exit, ran.document["outcome"], ran.document["written"]) == (0, "created", True)
    assert contract(root) == [
        "endpoint_dns_name: pg.prod.x.internal",
        "endpoint_target: 10.0.0.31",
        "endpoint_target_type: host",
        "endpoint_port: 5432",
        "endpoint_cutover_required: true",
        "endpoint_source: platform/postgresql-ha#postgresql_prod",
        "endpoint_sites: {onprem: 10.0.0.31}",
    ]
    assert execute(["validate", "--repo", str(root)]) == 0


@pytest.mark.parametrize("link", ["endpoints", "endpoints/prod"])
def test_a_link_leads_nothing_out_of_the_repository(
    root: Path, publish: Publish, tmp_path_factory: pytest.TempPathFactory, link: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    if link == "endpoints":
        (root / link).rmdir()
    (root / link).symlink_to(outside)
    ran = publish(PG_STATE, "--site", "onprem")
    assert (ran.exit, ran.document["code"]) == (4, "cannot-write")
    assert list(outside.iterdir()) == []


def test_a_cluster_with_a_name_and_a_virtual_address(root: Path, publish: Publish) -> None:
    assert publish("postgresql-ha-name-and-vip.json").exit == 0
    assert contract(root, "endpoints/prod/pgvip.yaml") == [
        "endpoint_dns_name: pgvip.prod.x.internal",
        "endpoint_target: 10.0.0.40",
        "endpoint_target_type: vip",
        "endpoint_port: 5432",
        "endpoint_cutover_required: true",
    ]
    assert execute(["validate", "--repo", str(root)]) == 0


def test_a_cluster_with_a_virtual_address_only_has_nothing_to_publish(root: Path, publish: Publish) -> None:
    ran = publish("postgresql-ha-vip-only.json")

    assert (ran.exit, ran.document["outcome"], ran.document["written"]) == (0, "nothing", False)
    assert "endpoint_dns_name is empty" in str(ran.document["notes"])
    assert list((root / "endpoints").iterdir()) == []
    assert execute(["validate", "--repo", str(root)]) == 0


def test_a_managed_database_with_a_name(root: Path, publish: Publish) -> None:
    assert publish("cloudsql.json").exit == 0
    assert contract(root) == [
        "endpoint_dns_name: pg.prod.x.internal",
        "endpoint_target: 10.72.16.24",
        "endpoint_target_type: host",
        "endpoint_port: 5432",
        "endpoint_cutover_required: false",
        "endpoint_source: org/gcp/cloudsql-external-replica",
    ]
    assert execute(["validate", "--repo", str(root)]) == 0


def test_a_standby_fills_its_place_and_nothing_moves(root: Path, publish: Publish) -> None:
    publish(PG_STATE, "--site", "onprem")
    before = contract(root)
    ran = publish("cloudsql.json", "--site", "gcp")

    assert ran.document["edits"] == [{"key": "endpoint_sites.gcp", "value": "10.72.16.24"}]
    assert contract(root) == [*before[:-1], "endpoint_sites: {onprem: 10.0.0.31, gcp: 10.72.16.24}"]
    assert "stays at onprem" in str(ran.document["notes"])


def test_outputs_of_terraform_and_nothing_secret_is_said(root: Path, publish: Publish) -> None:
    ran = publish("terraform.json")

    assert (ran.exit, "never-to-be-shown" in json.dumps(ran.document)) == (0, False)
    assert contract(root, "endpoints/prod/gw.yaml")[1:4] == [
        "endpoint_target: gw-7f3a.example.com",
        "endpoint_target_type: dns",
        "endpoint_port: 443",
    ]


# --- what is there already


def test_comments_order_and_optional_fields_stay(root: Path, publish: Publish) -> None:
    publish(PG_STATE, "--site", "onprem")
    file = root / PG
    old = "# ours\nendpoint_ttl: 30  # short\n" + file.read_text() + "endpoint_home: onprem\n\n# the end\n"
    file.write_text(
        old.replace("endpoint_target: 10.0.0.31", "endpoint_target: '10.0.0.30'  # leader", 1).replace(
            "onprem: 10.0.0.31", "onprem: 10.0.0.30"
        )
    )
    ran = publish(PG_STATE)  # which site is not clear: neither target is known
    assert (ran.exit, ran.document["code"], ran.document["hint"]) == (
        2,
        "which-site",
        "name the site: --site onprem",
    )
    assert publish(PG_STATE, "--site", "onprem").document["outcome"] == "updated"
    assert file.read_text() == old.replace("endpoint_target: 10.0.0.31", "endpoint_target: '10.0.0.31'  # leader", 1)


def test_what_is_published_already_is_not_written_again(root: Path, publish: Publish) -> None:
    publish(PG_STATE, "--site", "onprem")
    (root / PG).chmod(0o400)
    before = (root / PG).stat()
    ran = publish(PG_STATE)

    assert (ran.exit, ran.document["outcome"], ran.document["written"]) == (0, "unchanged", False)
    assert (root / PG).stat().st_ino == before.st_ino


def test_a_site_beside_a_target_that_is_none(publish: Publish) -> None:
    publish(PG_STATE)
    ran = publish("cloudsql.json", "--site", "gcp")

    assert (ran.exit, ran.document["code"]) == (2, "no-active-site")
    assert publish(PG_STATE, "--site", "onprem").exit == publish("cloudsql.json", "--site", "gcp").exit == 0


def test_the_publisher_of_the_active_site_says_whether_dns_must_move(root: Path, publish: Publish) -> None:
    publish(PG_STATE, "--site", "onprem")
    publish("cloudsql.json", "--site", "gcp")
    file = root / PG
    file.write_text(file.read_text().replace("endpoint_target: 10.0.0.31", "endpoint_target: 10.72.16.24"))
    ran = publish("cloudsql.json")

    assert [one["key"] for one in ran.document["edits"]] == ["endpoint_cutover_required", "endpoint_source"]  # type: ignore[attr-defined]
    assert "a failover of its site skips it" in str(ran.document["notes"])


def test_check_writes_nothing_and_says_whether_it_would(root: Path, publish: Publish) -> None:
    assert publish(PG_STATE, "--check").exit == 1
    assert list((root / "endpoints").iterdir()) == []
    publish(PG_STATE)
    assert publish(PG_STATE, "--check").exit == 0
    assert publish(PG_STATE, "--check", "--attest").exit == 0  # a word that ages is no difference


def test_an_invalid_contract_is_left_to_people(root: Path, publish: Publish) -> None:
    publish(PG_STATE)
    (root / PG).write_text((root / PG).read_text() + "endpoint_tll: 1\n")
    before = (root / PG).read_bytes()
    ran = publish(PG_STATE)

    assert (ran.exit, ran.document["code"]) == (1, "findings")
    assert (root / PG).read_bytes() == before


def test_what_would_be_invalid_is_not_written(root: Path, tmp_path: Path, publish: Publish) -> None:
    (tmp_path / "o.json").write_text(outputs(endpoint_host="192.0.2.1"))
    ran = publish(str(tmp_path / "o.json"))

    assert (ran.exit, ran.document["findings"][0]["rule"]) == (1, "target-network")  # type: ignore[index]
    assert list((root / "endpoints").iterdir()) == []


# --- status and attestation


def test_a_status_that_is_not_ok(tmp_path: Path, publish: Publish) -> None:
    state = json.loads((OUTPUTS / PG_STATE).read_text()) | {"status": "degraded"}
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))
    refused = publish(str(file))

    assert (refused.exit, refused.document["code"]) == (1, "module-status")
    assert "'degraded'" in str(refused.document["message"])
    assert publish(str(file), "--allow-status", "--attest").document["code"] == "module-status"
    assert publish(str(file), "--allow-status").document["outcome"] == "created"
    del state["status"]
    file.write_text(json.dumps(state))
    assert publish(str(file)).document["code"] == "module-status"


def test_a_publishers_word_is_kept_for_each_target_that_there_is(root: Path, publish: Publish) -> None:
    publish(PG_STATE, "--site", "onprem", "--attest")
    publish("cloudsql.json", "--site", "gcp", "--attest")
    publish("cloudsql.json", "--attest")
    line = contract(root)[-1]

    assert line.startswith('endpoint_attested: [{target: 10.0.0.31, status: ok, time: "')
    assert line.count("target: 10.72.16.24, status: ok") == 1
    assert execute(["validate", "--repo", str(root)]) == 0


# --- reading


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad-outputs"),
        ("[]", "bad-outputs"),
        ("{}", "bad-outputs"),
        ('{"endpoint_dns_name": "a.prod.x", "endpoint_dns_name": "b.prod.x"}', "bad-outputs"),
        (outputs(endpoint_port="pg"), "bad-outputs"),
        (outputs(endpoint_port=0), "bad-outputs"),
        (outputs(endpoint_port=True), "bad-outputs"),
        (outputs(endpoint_port=65536), "bad-outputs"),
        (outputs(endpoint_cutover_required="maybe"), "bad-outputs"),
        (outputs(endpoint_host=7), "bad-outputs"),
        (outputs(endpoint_host=["10.0.0.1", "a.example.com"]), "bad-outputs"),
        (outputs(endpoint_dns_name=["a"]), "bad-outputs"),
        (outputs(endpoint_host="", endpoint_target="A.prod.x.internal."), "self-target"),
        (outputs(endpoint_host=None), "self-target"),
    ],
)
def test_what_cannot_be_published(text: str, code: str) -> None:
    with pytest.raises(InvalidData) as caught:
        read_publication(text, "outputs")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("more", "kind", "values"),
    [
        ({}, "host", ("10.0.0.1",)),
        ({"endpoint_target_type": "vip"}, "vip", ("10.0.0.1",)),
        ({"cluster_vip": "10.0.0.1/24"}, "vip", ("10.0.0.1",)),
        ({"cluster_vip": "10.0.0.9"}, "host", ("10.0.0.1",)),
        ({"endpoint_host": "DB.example.com."}, "dns", ("db.example.com",)),
        ({"endpoint_host": "", "endpoint_target": "10.0.0.2"}, "host", ("10.0.0.2",)),
        ({"endpoint_host": ["fd00:0::2", "10.0.0.2"]}, "host", ("10.0.0.2", "fd00::2")),
        ({"endpoint_host": "a.prod.x.internal", "endpoint_target": "10.0.0.2"}, "host", ("10.0.0.2",)),
    ],
)
def test_target_and_type(more: dict[str, object], kind: str, values: tuple[str, ...]) -> None:
    found = read_publication(outputs(**more), "outputs")

    assert (found.type.value, found.values) == (kind, values)


@pytest.mark.parametrize("name", ["a.b.prod.x.internal", "a.prod.y.internal", "prod.x.internal", "a_b.prod.x.internal"])
def test_a_name_that_no_contract_can_have(tmp_path: Path, publish: Publish, name: str) -> None:
    (tmp_path / "o.json").write_text(outputs(endpoint_dns_name=name))
    ran = publish(str(tmp_path / "o.json"))

    assert ran.exit == 1
    assert ran.document["code"] in ("bad-outputs", "findings")


@pytest.mark.parametrize(("content", "exit_code"), [(b"\xff", 1), (None, 2)])
def test_a_file_that_cannot_be_read(tmp_path: Path, publish: Publish, content: bytes | None, exit_code: int) -> None:
    file = tmp_path / "o.json"
    if content is not None:
        file.write_bytes(content)
    assert publish(str(file)).exit == exit_code


def test_stdin(root: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(outputs().encode()))
    monkeypatch.setattr("sys.stdin", stdin)

    assert publish("-", "--source", "by/hand#one").document["outcome"] == "created"
    assert "endpoint_source: by/hand#one" in contract(root, "endpoints/prod/a.yaml")


# --- fmt


def test_fmt_puts_keys_in_order_and_check_only_says_so(root: Path, publish: Publish) -> None:
    publish(PG_STATE)
    file = root / PG
    ordered = file.read_text()
    lines = ordered.splitlines(keepends=True)
    file.write_text("".join(["# top\n", *reversed(lines)]))

    assert execute(["fmt", "--check", "--repo", str(root)]) == 1
    assert execute(["fmt", str(root / "endpoints/dev"), "--check", "--repo", str(root)]) == 0
    assert execute(["fmt", str(file), "--repo", str(root)]) == 0
    assert file.read_text() == "# top\n" + ordered
    assert execute(["fmt", "--check", "--repo", str(root)]) == 0


def test_fmt_of_a_file_that_is_no_yaml_writes_nothing(root: Path, publish: Publish) -> None:
    publish(PG_STATE)
    (root / "endpoints/prod/bad.yaml").write_text("a: [\n")
    (root / PG).write_text("\n".join(reversed(contract(root))))
    before = (root / PG).read_text()

    assert execute(["fmt", "--repo", str(root)]) == 1
    assert (root / PG).read_text() == before


# --- several zones


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.prod.x.internal", "endpoints/prod/a.yaml"),
        ("a.prod.eu.x.internal", "endpoints/eu.x.internal/prod/a.yaml"),
    ],
)
def test_a_contract_goes_to_the_zone_with_the_longest_suffix(
    root: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch, name: str, path: str
) -> None:
    (root / "authority/eu.x.internal.yaml").write_text(AUTHORITY.replace("x.internal", "eu.x.internal"))
    (root / "endpoints/eu.x.internal").mkdir()
    (root / "endpoints/eu.x.internal/README.md").write_text("")
    (root / "schemas").mkdir()
    (root / "schemas/endpoint.schema.json").write_text("{}")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(outputs(endpoint_dns_name=name).encode())))

    assert publish("-").document["path"] == path
    schema = contract(root, path)[0].partition("=")[2]
    assert ((root / path).parent / schema).resolve() == root / "schemas/endpoint.schema.json"


def test_a_name_of_no_zone_is_not_published(root: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "authority/y.example.yaml").write_text(AUTHORITY.replace("x.internal", "y.example"))
    (root / "endpoints/y.example").mkdir()
    (root / "endpoints/y.example/README.md").write_text("")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(outputs(endpoint_dns_name="a.prod.z.org").encode())))

    ran = publish("-")
    assert (ran.exit, ran.document["code"]) == (1, "bad-outputs")
    assert "x.internal, y.example" in str(ran.document["message"])
