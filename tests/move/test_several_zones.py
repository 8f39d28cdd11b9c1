"""Moves in a repository with several zones: one commit for all, or the one zone that a name is in."""

import pytest

from hyops_gitops.cli.main import execute
from tests.move.conftest import CHILD, OF_FURTHER_ZONES, OTHER, Clone

FIRST = "x.internal"
PG, CHILD_PG, MAIL = "endpoints/prod/pg.yaml", f"endpoints/{CHILD}/prod/pg.yaml", f"endpoints/{OTHER}/live/mail.yaml"
FAILOVER = ("failover", "--from", "onprem", "--to", "gcp")


def names(listed: object) -> list[tuple[str, str]]:
    """Zone and name of moves, or of endpoints that stay."""
    assert isinstance(listed, list)
    return [(each["zone"], each["name"]) for each in listed]


def test_a_failover_moves_the_endpoints_of_every_zone_by_one_commit(several: Clone) -> None:
    ran = several.run(*FAILOVER, "--push")
    branch = str(ran.document["branch"])

    assert (ran.exit, branch) == (0, "failover/onprem-to-gcp")
    assert names(ran.document["moves"]) == [
        (CHILD, "pg.prod.eu.x.internal"),
        (FIRST, "pg.dev.x.internal"),
        (FIRST, "pg.prod.x.internal"),
        (FIRST, "web.prod.x.internal"),
        (OTHER, "mail.live.y.example"),
    ]
    assert (OTHER, "still.live.y.example") in names(ran.document["skipped"])
    changed = several.git("diff", "--name-only", "HEAD", branch).splitlines()
    assert {CHILD_PG, MAIL, PG} < set(changed)
    assert several.git("rev-list", "--count", f"HEAD..{branch}") == "1"
    subject, _, body = several.git("log", "-1", "--format=%B", branch).partition("\n")
    assert subject == "Fail over from onprem to gcp: 5 endpoints in 3 zones"
    assert f"zone {OTHER}\nmail.live.y.example: 10.0.2.1 -> 10.1.2.1\n1 stay: still.live.y.example" in body
    assert several.git("--git-dir", str(several.remote), "rev-parse", branch) == ran.document["commit"]


def test_one_zone_alone(several: Clone) -> None:
    ran = several.run(*FAILOVER, "--zone", CHILD)

    assert (ran.exit, ran.document["written"]) == (0, [CHILD_PG])
    assert several.git("status", "--porcelain") == f"M {CHILD_PG}"


def test_a_site_need_be_known_in_one_zone_alone(several: Clone) -> None:
    ran = several.run("failover", "--from", "onprem", "--to", "attic")

    assert (ran.exit, ran.document["written"]) == (0, [MAIL])
    assert several.run("failover", "--from", "onprem", "--to", "attik").document["code"] == "no-site"
    assert several.run("failover", "--from", "onprem", "--to", "attic", "--zone", CHILD).document["code"] == "no-site"


def test_an_environment_of_one_zone_moves_in_that_zone_alone(several: Clone) -> None:
    assert several.run(*FAILOVER, "--env", "live").document["written"] == [MAIL]
    assert several.run(*FAILOVER, "--env", "life").document["code"] == "no-environment"


def test_names_of_any_zone_are_held_or_taken_along(several: Clone) -> None:
    holds = [word for name in ("pg.prod.eu", "mail", "web.prod.x.internal") for word in ("--hold", f"{name}=later")]
    ran = several.run(*FAILOVER, *holds, "--include", "stable", "--commit")

    assert [name for _, name in names(ran.document["moves"])] == [
        "pg.dev.x.internal",
        "pg.prod.x.internal",
        "stable.prod.x.internal",
    ]
    message = several.git("log", "-1", "--format=%B", str(ran.document["branch"]))
    for name in ("pg.prod.eu.x.internal", "mail.live.y.example", "web.prod.x.internal"):
        assert f"Hyops-Hold: {name}=later" in message


def test_what_one_zone_refuses_leaves_nothing_written(several: Clone) -> None:
    refused = several.run(*FAILOVER, "--include", "still.live")
    assert (refused.exit, refused.document["code"]) == (2, "cannot-include")
    several.write(f"authority/{OTHER}.yaml", "environments: [live]", "environments: []")
    invalid = several.run(*FAILOVER)

    assert (invalid.exit, invalid.document["code"]) == (1, "findings")
    assert several.git("status", "--porcelain") == f"M authority/{OTHER}.yaml"


def test_a_policy_counts_in_its_zone_alone(several: Clone) -> None:
    several.write(f"authority/{OTHER}.yaml", "[10.0.0.0/8]", "[10.0.0.0/16]")
    ran = several.run(*FAILOVER)

    assert (OTHER, MAIL) in names(ran.document["skipped"])
    assert {zone for zone, _ in names(ran.document["moves"])} == {CHILD, FIRST}


def test_moves_of_two_zones_that_make_a_loop_are_not_written(several: Clone) -> None:
    """Each alone would be valid."""
    away = {PG: "mail.live.y.example", MAIL: "pg.prod.x.internal"}
    for path, target in away.items():
        old = "gcp: 10.1.0.1" if path == PG else "gcp: 10.1.2.1"
        several.write(path, old, f"gcp: {{target: {target}, type: dns}}")
    before = several.git("status", "--porcelain")
    assert several.run("validate").exit == 0
    for check in ((), ("--check",)):
        ran = several.run(*FAILOVER, *check)
        assert (ran.exit, ran.document["code"]) == (1, "findings")
        assert "loop" in str(ran.document["findings"])
    assert several.git("status", "--porcelain") == before


def test_nothing_is_committed_beside_what_another_zone_has_not_committed(several: Clone) -> None:
    several.write(MAIL, "25", "26")

    assert several.run(*FAILOVER, "--commit").document["code"] == "dirty"
    assert several.run(*FAILOVER, "--commit", "--zone", CHILD).exit == 0


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("pg.prod.eu.x.internal", CHILD_PG),
        ("PG.prod.x.internal.", PG),
        ("pg.prod.eu", CHILD_PG),
        ("mail", MAIL),
    ],
)
def test_a_cutover_finds_the_zone_by_the_name(several: Clone, name: str, path: str) -> None:
    ran = several.run("cutover", name, "--to", "gcp")

    assert (ran.exit, ran.document["written"]) == (0, [path])
    (move,) = names(ran.document["moves"])
    subject = f"Move {move[1]} to gcp"
    assert subject in ran.document["next"][3]  # type: ignore[index]


def test_a_short_name_of_several_zones_is_refused_with_the_candidates(several: Clone) -> None:
    for command in (
        ["cutover", "pg.prod", "--to", "gcp"],
        ["cutover", "pg.prod", "--prepare"],
        ["failback", "pg.prod"],
    ):
        ran = several.run(*command)
        assert (ran.exit, ran.document["code"]) == (2, "ambiguous-name")
        assert ran.document["hint"] == "give one of: pg.prod.eu.x.internal, pg.prod.x.internal"
    assert several.run("cutover", "pg.prod", "--to", "gcp", "--zone", FIRST).document["written"] == [PG]


def test_an_unknown_name_is_looked_for_in_its_zone(several: Clone) -> None:
    for name, hint in (("mial.live.y.example", "mail.live.y.example"), ("mial.live", "mail.live.y.example")):
        ran = several.run("cutover", name, "--to", "gcp")
        assert (ran.document["code"], ran.document["hint"]) == ("unknown-name", f"did you mean {hint}?")


def test_failback_in_a_further_zone_goes_home(several: Clone) -> None:
    several.run("cutover", "pg.prod.eu", "--to", "gcp")

    assert several.run("failback", "pg.prod.eu").exit == 0
    assert several.read(CHILD_PG) == OF_FURTHER_ZONES[CHILD_PG]


def test_a_rehearsal_is_of_each_zone(several: Clone) -> None:
    ran = several.run(*FAILOVER, "--check", "--env", "live")
    zones = ran.document["zones"]

    assert isinstance(zones, list)
    assert (ran.document["format"], ran.exit) == ("hyops-zones/1", 0)
    assert [part["zone"] for part in zones] == [CHILD, FIRST, OTHER]
    moved = [environment["name"] for part in zones for environment in part["result"]["environments"]]
    assert moved == ["live"]
    after = {change["name"]: change["after"] for change in zones[2]["result"]["plan"]["changes"]}
    assert after["mail.live.y.example"] == ["10.1.2.1"]
    assert several.git("status", "--porcelain") == ""


def test_a_drill_reports_each_zone(several: Clone) -> None:
    ran = several.run("failover", "--from", "onprem", "--check", "--report", "--env", "live")
    zones = ran.document["zones"]

    assert isinstance(zones, list)
    assert [part["result"]["zone"] for part in zones] == [CHILD, FIRST, OTHER]
    assert [endpoint["name"] for endpoint in zones[2]["result"]["endpoints"]] == [
        "mail.live.y.example",
        "still.live.y.example",
    ]


def test_a_failover_as_text_is_in_the_order_of_zones(several: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*FAILOVER, "--repo", str(several.root)]) == 0
    lines = capsys.readouterr().out.partition("\nnext:")[0].splitlines()
    assert [line for line in lines if line.startswith("zone ")] == [f"zone {CHILD}", f"zone {FIRST}", f"zone {OTHER}"]
    assert lines[1] == "pg.prod.eu.x.internal: onprem 10.0.1.1:5432 -> gcp 10.1.1.1:5432"
