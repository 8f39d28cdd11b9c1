"""`--format openmetrics`: what the reference parsers of both formats take, on every exit code of a look."""

import pytest

from hyops_gitops.cli.metrics import show_metrics
from hyops_gitops.observe.drift import DriftKind
from hyops_gitops.observe.metrics import KEY_EXPIRY, METRICS, Sample, exposition, status_metrics
from hyops_gitops.observe.status import Status
from tests.support.metrics import parsed, values
from tests.support.repository import first_cells, text
from tests.support.world import World


def test_silent_servers_are_metrics_too_and_the_exit_code_is_as_before(offline: World) -> None:
    ran = offline.cli("status", "--format", "openmetrics")
    found = parsed(ran.out)

    assert (ran.exit, offline.cli("status").exit) == (1, 1)  # nothing was applied yet
    assert values(found, "hyops_run_exit_code", command="status", zone="off.internal") == [1]
    assert set(values(found, "hyops_server_answers")) == {0}
    assert values(found, "hyops_names", state="unapplied") == [1]
    assert sum(values(found, "hyops_names")) == 1
    assert values(found, "hyops_log_verified") == [1]
    assert values(found, "hyops_log_entries") == [1]
    head = offline.entries()[-1].envelope.time
    assert values(found, "hyops_log_entry_timestamp_seconds") == [int(head.timestamp())]
    assert values(found, "hyops_run_timestamp_seconds")[0] >= int(head.timestamp())
    assert values(found, "hyops_writing_keys") == [1]
    assert values(found, "hyops_unreviewed_exceptions") == [0, 0, 0, 0]


def test_drift_that_sees_nothing_is_blind(offline: World) -> None:
    ran = offline.cli("drift", "--format", "openmetrics")
    found = parsed(ran.out)

    assert ran.exit == offline.cli("drift").exit == values(found, "hyops_run_exit_code", command="drift")[0]
    assert values(found, "hyops_drift_blind") == [1]
    kinds = [dict(labels)["kind"] for (name, labels) in found if name == "hyops_drift_cases"]
    assert kinds == [kind.value for kind in DriftKind]


def test_a_look_that_fails_says_when_and_how(offline: World) -> None:
    ran = offline.cli("drift", "--live", "--format", "openmetrics")
    found = parsed(ran.out)

    assert ran.exit == 4
    assert ran.err.splitlines()[-2].startswith("error: ")
    assert {name for name, _ in found} == {"hyops_run_timestamp_seconds", "hyops_run_exit_code"}
    assert values(found, "hyops_run_exit_code", command="drift", zone="off.internal") == [4]


def test_an_invalid_authority_file_names_no_zone(offline: World) -> None:
    offline.write(offline.authority_path, "zone: [")
    offline.commit()
    ran = offline.cli("status", "--format", "openmetrics")

    assert ran.exit == 1
    assert values(parsed(ran.out), "hyops_run_exit_code", zone="") == [1]


def test_a_log_that_is_not_here_is_not_verified(offline: World) -> None:
    for ref in offline.git("for-each-ref", "--format=%(refname)", "**/evidence").split():
        offline.git("update-ref", "-d", ref)
    found = parsed(offline.cli("status", "--format", "openmetrics").out)

    assert values(found, "hyops_log_verified") == [0]
    assert values(found, "hyops_log_entries") == []


def test_a_key_with_an_end(offline: World) -> None:
    line = offline.read("authority/allowed_signers")
    offline.write("authority/allowed_signers", line.replace(" ", ' valid-before="20991231Z" ', 1))
    offline.commit()
    found = parsed(offline.cli("status", "--format", "openmetrics").out)

    assert values(found, "hyops_key_expiry_timestamp_seconds", principal=line.split()[0]) == [4102358400]
    assert values(found, "hyops_writing_keys") == [1]


def test_labels_come_back_as_they_were_and_move_no_cursor() -> None:
    hostile = r'back\slash \n, "quotes", {braces}, # EOF, Ä'
    printed = exposition([Sample(KEY_EXPIRY, 1, ("z", hostile, "line\nend \x1b[2J \u202e"))])
    ((_, labels),) = parsed(printed)

    assert dict(labels) == {"zone": "z", "principal": hostile, "fingerprint": r"line\nend \x1b[2J \u202e"}
    assert all(line.isprintable() for line in printed.splitlines())


def test_a_bug_is_a_run_that_failed(offline: World, capsys: pytest.CaptureFixture[str]) -> None:
    def look() -> Status:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        show_metrics("status", offline.wiring(), look, status_metrics)

    assert values(parsed(capsys.readouterr().out), "hyops_run_exit_code", zone="off.internal") == [70]


def second_zone(world: World) -> World:
    """Another zone in the same clone, whose log was not started."""
    other = World(world.root, "other.internal", world.environ, None, world.remote, world.key, dict(world.policy))
    other.folder, other.branch = "other.internal/", "evidence-other.internal"
    other.write(other.authority_path, other.authority_text())
    other.contract("first", "10.0.0.1")
    other.commit("Add a zone")
    return other


def test_several_zones_are_one_text_in_which_each_has_its_series(offline: World) -> None:
    second_zone(offline)
    found = parsed(offline.cli("status", "--format", "openmetrics").out)

    for zone, verified in (("off.internal", 1), ("other.internal", 0)):
        assert len(values(found, "hyops_run_exit_code", zone=zone)) == 1
        assert values(found, "hyops_log_verified", zone=zone) == [verified]


def test_a_zone_of_several_keeps_its_name_where_its_authority_file_is_invalid(offline: World) -> None:
    other = second_zone(offline)
    for world in (offline, other):
        world.write(world.authority_path, world.read(world.authority_path) + "surplus: 1\n")
    other.commit("Break both")
    ran = offline.cli("status", "--format", "openmetrics")
    found = parsed(ran.out)

    assert ran.exit == 1
    assert [values(found, "hyops_run_exit_code", zone=world.zone) for world in (offline, other)] == [[1], [1]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "first.prod"), "metrics are of every name, got 'first.prod'"),
        (("drift", "--repair"), "--repair has no metrics"),
    ],
)
def test_what_has_no_metrics_is_refused(arguments: tuple[str, ...], said: str, offline: World) -> None:
    ran = offline.cli(*arguments, "--format", "openmetrics")

    assert (ran.exit, ran.out) == (2, "")
    assert f"error: {said}" in ran.err


def test_the_page_lists_every_metric_with_its_labels() -> None:
    rows = [row[:3] for row in first_cells(text("docs/status-and-drift.md"), "metric")]
    wanted = [
        [f"`{metric.name}`", ", ".join(f"`{label}`" for label in metric.labels), " and ".join(metric.of)]
        for metric in METRICS
    ]

    assert [list(row) for row in rows] == wanted
