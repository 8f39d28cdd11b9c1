"""What the commands print: documents of a fixed shape on stdout, progress on stderr, and an exit code that answers."""

import json
import re
from pathlib import Path

import pytest

from hyops_gitops.cli.output import echo_json
from hyops_gitops.core.errors import EXIT_MEANINGS
from tests.support.world import MakeWorld, World

SHA256 = re.compile(r"[0-9a-f]{64}")
PLAN_KEYS = {"format", "zone", "commit", "dirty", "base", "changes", "drift", "held", "refusals", "unmanaged", "digest"}
BASE_KEYS = {"source", "serial", "zone_sha256", "seq"}
CHANGE_KEYS = {"action", "name", "type", "ttl", "before", "after", "contract", "cutover"}
RECEIPT_KEYS = {"format", "outcome", "serial", "intent", "result", "servers", "changes", "timings_ms"}
SERVER_KEYS = {"role", "name", "address", "verdict", "after_ms"}
ERROR_KEYS = {"format", "code", "message", "hint", "exit"}


def test_a_document_is_utf_8_and_orders_no_terminal_whatever_is_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    said = {"path": "\udcff \x9b31m \x7f \u202e \xe9"}
    echo_json(said)
    shown = capfd.readouterr().out
    assert json.loads(shown) == said
    assert [char for char in shown if char > "~"] == ["\xe9"]


# --- plan


def test_a_plan_document(offline: World) -> None:
    ran = offline.cli("plan", "--format", "json")
    plan = ran.document()
    assert ran.exit == 0
    assert plan.keys() >= PLAN_KEYS
    assert (plan["format"], plan["zone"], plan["dirty"]) == ("hyops-plan/1", "off.internal", False)
    assert isinstance(plan["base"], dict)
    assert plan["base"].keys() == BASE_KEYS
    assert (plan["base"]["source"], plan["base"]["seq"], plan["base"]["serial"]) == ("evidence", 1, None)
    assert plan["changes"] == [
        {
            "action": "create",
            "name": "first.prod.off.internal",
            "type": "A",
            "ttl": {"before": None, "after": 60},
            "before": [],
            "after": ["10.0.0.1"],
            "contract": "endpoints/prod/first.yaml",
            "cutover": False,
        }
    ]
    assert SHA256.fullmatch(str(plan["digest"]))


def test_a_plan_of_uncommitted_contracts_says_so(offline: World) -> None:
    offline.contract("pg", "10.0.0.9")
    plan = offline.cli("plan", "--format", "json").document()
    assert plan["dirty"] is True
    assert "pg.prod.off.internal" in json.dumps(plan["changes"])


def test_a_plan_of_a_commit_looks_at_no_work_tree(offline: World) -> None:
    offline.contract("pg", "10.0.0.9")
    plan = offline.cli("plan", "--commit", "HEAD", "--format", "json").document()
    assert plan["dirty"] is False
    assert "pg.prod.off.internal" not in json.dumps(plan["changes"])


def test_a_plan_before_the_log_is_started_starts_from_nothing(tmp_path: Path) -> None:
    world = World.make(tmp_path, "off.internal", init=False)
    plan = world.cli("plan", "--format", "json").document()
    assert isinstance(plan["base"], dict)
    assert plan["base"]["source"] == "empty"


def test_the_digest_depends_on_nothing_but_the_plan(offline: World) -> None:
    before = offline.cli("plan", "--format", "json").document()["digest"]
    offline.write("notes.txt", "words\n")
    offline.commit()
    assert offline.cli("plan", "--format", "json").document()["digest"] == before


def test_exit_code_of_a_plan_with_changes(offline: World) -> None:
    assert offline.cli("plan", "--exit-code").exit == 1


def test_exit_code_of_a_plan_that_is_refused(offline: World) -> None:
    offline.delete_contract("first")
    assert offline.cli("plan", "--exit-code").exit == 3


def test_a_refusal_prints_the_line_that_overrides_it(tmp_path: Path) -> None:
    world = World.make(tmp_path, "off.internal", overridable=["empty-tree"])
    world.delete_contract("first")
    ran = world.cli("plan")
    assert "--override empty-tree='REASON'" in ran.out
    assert world.cli("plan", "--exit-code", "--override", "empty-tree=the end").exit == 0


@pytest.mark.parametrize(
    "override",
    ["nonsense=why", "drift=why", "max-deletes:a.b=why", "max-deletes", "max-deletes=", "max-deletes= ", "primary=why"],
)
def test_an_override_of_the_wrong_form_is_wrong_usage(offline: World, override: str) -> None:
    ran = offline.cli("plan", "--override", override, "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (2, "bad-override")


# --- errors


def error_of(world: World, *arguments: str, exit_code: int, cwd: Path | None = None) -> dict[str, object]:
    """The error document of a command line; nothing else may be on stdout."""
    ran = world.cli(*arguments, "--format", "json", cwd=cwd)
    error = ran.document()
    assert ran.exit == exit_code
    assert error.keys() >= ERROR_KEYS
    assert (error["format"], error["exit"]) == ("hyops-error/1", exit_code)
    return error


def test_findings_are_in_the_error_document(offline: World) -> None:
    offline.contract("first", "8.8.8.8")
    offline.commit()
    error = error_of(offline, "apply", exit_code=1)
    assert error["code"] == "findings"
    assert "8.8.8.8" in json.dumps(error)


def test_findings_as_text_are_all_on_stderr(offline: World) -> None:
    offline.contract("first", "8.8.8.8")
    offline.contract("second", "9.9.9.9")
    offline.commit()
    ran = offline.cli("apply")
    assert (ran.exit, ran.out) == (1, "")
    assert all(f"endpoints/prod/{name}.yaml:2:" in ran.err for name in ("first", "second"))


def test_wrong_usage(offline: World) -> None:
    assert error_of(offline, "apply", "--no-such-option", exit_code=2)["code"] == "usage"


def test_no_such_commit(offline: World) -> None:
    assert error_of(offline, "apply", "--commit", "nowhere", exit_code=2)["code"] == "no-commit"


def test_no_repository(offline: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    assert error_of(offline, "plan", exit_code=2, cwd=empty)["code"] == "no-repository"


def test_a_guard(offline: World) -> None:
    offline.contract("pg", "10.0.0.9")
    assert error_of(offline, "apply", exit_code=3)["code"] == "dirty"


def test_the_outside(offline: World) -> None:
    offline.environ["POWERDNS_API_KEY"] = "never-to-be-seen"
    assert error_of(offline, "apply", exit_code=4)["code"] == "powerdns-unreachable"


def test_errors_as_text_go_to_stderr(offline: World) -> None:
    offline.contract("pg", "10.0.0.9")
    ran = offline.cli("apply")
    assert (ran.exit, ran.out) == (3, "")
    assert "error: not committed: endpoints/prod/pg.yaml" in ran.err
    assert "hint: " in ran.err


def test_an_apply_that_ends_without_a_receipt_leaves_none_of_another_run(offline: World, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text("of another run")
    ran = offline.cli("apply", "--receipt", file, "--commit", "nowhere")

    assert (ran.exit, file.read_text()) == (2, "")


def test_a_receipt_that_cannot_be_written_stops_an_apply_before_it_begins(offline: World, tmp_path: Path) -> None:
    ran = offline.cli("apply", "--receipt", tmp_path / "missing" / "receipt.json", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (2, "usage")
    assert "receipt.json: No such file or directory" in str(ran.document()["message"])
    assert offline.types() == ["genesis"]


# --- apply and status on servers


@pytest.mark.authority
def test_the_document_of_an_apply(make_world: MakeWorld, tmp_path: Path) -> None:
    world, file = make_world(), tmp_path / "receipt.json"
    ran = world.cli("apply", "--format", "json", "--receipt", file)
    receipt = ran.document()
    assert file.read_text() == ran.out
    assert (ran.exit, receipt["format"], receipt["outcome"]) == (0, "hyops-apply/1", "applied")
    assert receipt.keys() >= RECEIPT_KEYS
    servers, changes = receipt["servers"], receipt["changes"]
    assert isinstance(servers, list)
    assert isinstance(changes, list)
    assert all(server.keys() == SERVER_KEYS for server in servers)
    assert all(change.keys() == CHANGE_KEYS for change in changes)
    assert "intent 2" in ran.err
    assert "converged" in ran.err


@pytest.mark.authority
def test_the_document_of_an_apply_that_is_refused(make_world: MakeWorld) -> None:
    world = make_world()
    world.foreign("first", "A", "10.9.9.9")
    ran = world.cli("apply", "--format", "json")
    receipt = ran.document()
    assert (ran.exit, receipt["outcome"], receipt["intent"], receipt["result"]) == (3, "refused", None, None)


@pytest.mark.authority
def test_the_document_of_an_apply_that_is_not_confirmed(make_world: MakeWorld) -> None:
    world = make_world(convergence={"timeout_s": 1, "require": ["primary", "secondaries"]})
    assert world.lab is not None
    world.edit_authority(f'"dns": "{world.lab.secondaries[1].dns}"', '"dns": "127.0.0.1:1"')
    world.commit()
    ran = world.cli("apply", "--format", "json")
    assert (ran.exit, ran.document()["outcome"]) == (5, "unconfirmed")


@pytest.mark.authority
def test_a_live_plan_sees_what_the_log_does_not(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply()
    world.foreign("first", "A", "10.9.9.9")
    recorded = world.cli("plan", "--format", "json").document()
    live = world.cli("plan", "--live", "--format", "json").document()
    assert (recorded["drift"], len(list(live["drift"]))) == ([], 1)  # type: ignore[call-overload]  # JSON


@pytest.mark.authority
def test_plan_exits_0_when_there_is_nothing_to_do(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply()
    assert world.cli("plan", "--exit-code").exit == 0


@pytest.mark.authority
def test_status_when_all_agree(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply()
    ran = world.cli("status", "first.prod", "--format", "json")
    status = ran.document()
    assert (ran.exit, status["format"], status["agrees"]) == (0, "hyops-status/1", True)


@pytest.mark.authority
def test_status_when_a_server_differs(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply()
    world.foreign("first", "A", "10.9.9.9")
    ran = world.cli("status")
    assert ran.exit == 1
    assert "10.9.9.9" in ran.out


@pytest.mark.authority
def test_no_secret_is_ever_printed_or_recorded(make_world: MakeWorld) -> None:
    world = make_world()
    assert world.lab is not None
    key = world.lab.api_key
    world.foreign("first", "A", "10.9.9.9")
    runs = [
        world.cli("apply", HYOPS_TRACEBACK="1"),
        world.cli("plan", "--live"),
        world.cli("apply", HYOPS_PRIMARY_URL="http://h:1"),
    ]
    world.primary.patch([(world.name("first"), "A")], [])
    runs.append(world.cli("apply", "--format", "json", HYOPS_TRACEBACK="1"))
    runs.append(world.cli("apply", POWERDNS_API_KEY=f"{key}x"))
    assert [ran.exit for ran in runs] == [3, 0, 3, 0, 4]
    private = world.key.read_text().splitlines()[1]
    said = "".join(ran.out + ran.err for ran in runs)
    assert key not in said
    assert private not in said
    recorded = b"".join(world.entry_bytes(entry.seq) for entry in world.entries()).decode()
    assert key not in recorded
    assert private not in recorded


def test_status_of_servers_that_are_silent(offline: World) -> None:
    ran = offline.cli("status", "--format", "json")
    assert ran.exit == 1
    assert "silent" in ran.out


def test_status_of_a_name_that_nobody_knows(offline: World) -> None:
    assert error_of(offline, "status", "nobody.prod", exit_code=2)["code"] == "unknown-name"


# --- help and places


def test_help_groups_the_commands_and_explains_the_exit_codes(offline: World) -> None:
    ran = offline.cli("--help")
    assert ran.exit == 0
    assert all(meaning in " ".join(ran.out.split()) for meaning in EXIT_MEANINGS.values())
    assert all(word in ran.out for word in ("Engineers", "Applier and operators", "Auditors"))


@pytest.mark.parametrize(
    "command",
    [
        ["validate"],
        ["fmt"],
        ["publish"],
        ["cutover"],
        ["failback"],
        ["failover"],
        ["explain"],
        ["plan"],
        ["status"],
        ["apply"],
        ["lab"],
        ["evidence", "init"],
    ],
)
def test_every_command_has_help(offline: World, command: list[str]) -> None:
    ran = offline.cli(*command, "--help")
    assert (ran.exit, ran.err) == (0, "")


def test_a_command_from_anywhere_with_repo(offline: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert offline.cli("plan", "--repo", offline.root, "--exit-code", cwd=elsewhere).exit == 1


def test_a_command_from_below_the_root(offline: World) -> None:
    assert offline.cli("plan", "--exit-code", cwd=offline.root / "endpoints/prod").exit == 1
