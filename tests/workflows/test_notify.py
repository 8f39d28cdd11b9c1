"""The receipt on its way to a chat or a decision service: text all the way, whatever it holds."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.cli.output import KeptResult
from hyops_gitops.cli.zones import FORMAT, ZoneRun
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.plan.plan import Action, Change, Plan
from tests.workflows.hook import Hook, taking
from tests.workflows.reading import PATH, Runner, Yaml, steps_of

HOSTILE = (
    "$(touch owned) `touch owned` \"; touch owned; '\\n ${PATH}\n::error::no\n##[add-mask]x <!channel> @all ```"
    "\x1b[2J\u202e"
)
EMPTY = Zone.of("z.internal", ())
Notify = Callable[..., Runner]


def change(name: str, *rdata: str) -> Change:
    after = RRset.of(f"{name}.z.internal", "A", 60, rdata)
    return Change(Action.CREATE, f"{name}.z.internal", "A", None, after, f"endpoints/prod/{name}.yaml", cutover=False)


def receipt(*changes: Change) -> Receipt:
    plan = Plan("z.internal", EMPTY, ManagedSet.of("z.internal", ()), changes=changes)
    return Receipt("applied", "c" * 40, plan, head=EntryRef(7, "a" * 64))


def document(made: Receipt) -> str:
    return json.dumps(made.to_json())


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    """One that speaks TLS, with a certificate of an authority of ours."""
    with taking(tmp_path) as found:
        yield found


@pytest.fixture
def notify(hook: Hook, tmp_path: Path) -> Notify:
    """Runs the job `notify` with these expressions."""

    def run(form: str, handed_on: str, result: str = "success", url: str | None = None) -> Runner:
        given = {
            "secrets.HYOPS_NOTIFY_URL": hook.url if url is None else url,
            "vars.HYOPS_NOTIFY": form,
            "needs.apply.outputs.receipt": handed_on,
            "needs.apply.result": result,
            "github.server_url": "https://forge.example",
            "github.repository": "acme/dns",
            "github.run_id": "5",
        }
        environ = {"PATH": PATH, "CURL_CA_BUNDLE": hook.ca_file}
        runner = Runner(tmp_path, tmp_path / "temp", given, environ).execute(steps_of("apply", "notify"))
        said = str(runner.said)
        assert "s3cr3t" not in said
        assert "said the service" not in said
        assert "owned" not in os.listdir(tmp_path)  # noqa: PTH208 - names are all that is asked
        return runner

    return run


def test_a_chat_is_sent_a_few_lines_and_the_run(hook: Hook, notify: Notify) -> None:
    made = receipt(change("first", "10.0.0.2"), change("second", "10.0.0.3", "10.0.0.4"))
    assert notify("chat", document(made)).failed is None

    assert [path for path, _ in hook.taken] == ["/hooks/s3cr3t"]
    assert hook.body == {
        "text": "\n".join(
            [
                "*applied* z.internal cccccccccccc",
                "```",
                "create first.z.internal A: 10.0.0.2, before: nothing",
                "create second.z.internal A: 10.0.0.3 10.0.0.4, before: nothing",
                f"log head 7:{'a' * 64}",
                "```",
                "https://forge.example/acme/dns/actions/runs/5",
            ]
        )
    }


def test_nothing_in_a_receipt_is_a_command_a_mention_or_the_end_of_its_fence(hook: Hook, notify: Notify) -> None:
    made = replace(receipt(), outcome="unconfirmed", reason=HOSTILE)
    assert notify("chat", document(made)).failed is None

    _, fence, reason, *_ = lines = hook.body["text"].split("\n")
    assert (fence, len(lines), hook.body["text"].count("```")) == ("```", 6, 2)
    assert reason.startswith("$(touch owned) ?touch owned?")
    assert not set("<>&`\x1b\u202e\r") & set(reason)
    assert all(line.isprintable() for line in lines)


def test_a_decision_service_is_sent_the_receipt_as_it_is(hook: Hook, notify: Notify) -> None:
    made = replace(receipt(change("first", "10.0.0.2")), reason=HOSTILE)
    assert notify("receipt", document(made)).failed is None

    run = "https://forge.example/acme/dns/actions/runs/5"
    assert hook.body == {"run": run, "job": "success", "receipt": json.loads(document(made))}


def test_many_changes_are_counted_and_a_late_server_is_named(hook: Hook, notify: Notify) -> None:
    late = ServerReport("secondary", "onprem", "127.0.0.2:53", "silent", None)
    made = replace(receipt(*(change(f"n{number}", "10.0.0.2") for number in range(25))), servers=(late,))
    assert notify("chat", document(made)).failed is None

    assert hook.body["text"].split("\n")[-5:-2] == [
        "and 5 more changes",
        "secondary onprem: silent",
        f"log head 7:{'a' * 64}",
    ]


def several(*runs: ZoneRun) -> str:
    return json.dumps({"format": FORMAT, "exit_code": 4, "zones": [run.to_json() for run in runs]})


def of_zone(zone: str, made: Receipt) -> ZoneRun:
    return ZoneRun(zone, made.exit_code, KeptResult(zone, document=made.to_json()))


def test_of_several_zones_those_with_news_are_shown(hook: Hook, notify: Notify) -> None:
    quiet, moved = replace(receipt(), outcome="nothing"), receipt(change("first", "10.0.0.2"))
    lost = ZoneRun("lost.internal", 4, KeptResult("lost.internal"), OutsideFailure("no answer", code="x"))
    assert notify("chat", several(of_zone("y", quiet), of_zone("z", moved), lost)).failed is None

    assert hook.body["text"].split("\n") == [
        "*applied* z.internal cccccccccccc",
        "```",
        "create first.z.internal A: 10.0.0.2, before: nothing",
        f"log head 7:{'a' * 64}",
        "```",
        "*error* lost.internal ",
        "```",
        "no answer",
        "```",
        "https://forge.example/acme/dns/actions/runs/5",
    ]


def test_several_zones_without_news_are_shown_all(hook: Hook, notify: Notify) -> None:
    quiet = replace(receipt(), outcome="nothing")
    assert notify("chat", several(*(of_zone("z", quiet) for _ in range(12)))).failed is None

    assert hook.body["text"].count("*nothing* z.internal") == 10
    assert hook.body["text"].split("\n")[-2] == "and 2 more zones"


def test_an_apply_that_left_no_receipt_is_an_event_too(hook: Hook, notify: Notify) -> None:
    assert notify("chat", "", "failure").failed is None
    assert hook.body["text"].startswith("*the job ended without a receipt: failure*")


@pytest.mark.parametrize(
    ("form", "url", "said"),
    [
        ("chat", "", "has to hold HYOPS_NOTIFY_URL"),
        ("chat", "http://localhost/", "has to hold HYOPS_NOTIFY_URL"),
        ("chat", 'https://localhost/"\noutput = "owned', "has to hold HYOPS_NOTIFY_URL"),
        ("mail", None, "HYOPS_NOTIFY has to be chat or receipt"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_sent(
    form: str, url: str | None, said: str, hook: Hook, notify: Notify
) -> None:
    ran = notify(form, document(receipt()), url=url)

    assert ran.failed == "Send the receipt"
    assert said in ran.said["Send the receipt"]
    assert hook.taken == []


def test_a_service_that_refuses_fails_this_job_alone(hook: Hook, notify: Notify) -> None:
    hook.status = 404
    ran = notify("chat", document(receipt()))

    assert ran.failed == "Send the receipt"
    assert "404" in ran.said["Send the receipt"]


def test_a_line_end_that_was_pasted_with_the_address_does_no_harm(hook: Hook, notify: Notify) -> None:
    assert notify("chat", document(receipt()), url=f"{hook.url}\r\n").failed is None
    assert len(hook.taken) == 1


# --- from the job `apply`


def hand_on(made: Receipt | None, folder: Path) -> str:
    """What the step of `apply` puts out."""
    return handed_on("" if made is None else document(made), folder)


def handed_on(text: str, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "receipt.json").write_text(text)
    steps: list[Yaml] = [step for step in steps_of("apply", "apply") if step.get("id") == "receipt"]
    runner = Runner(folder, folder, environ={"PATH": PATH}).execute(steps)
    assert runner.failed is None, runner.said
    return runner.outputs.get("steps.receipt.outputs.receipt", "")


def test_a_receipt_is_handed_on_whole(tmp_path: Path) -> None:
    made = replace(receipt(change("first", "10.0.0.2")), reason=HOSTILE)

    assert json.loads(hand_on(made, tmp_path / "temp")) == json.loads(document(made))
    assert hand_on(None, tmp_path / "temp") == ""


def test_one_that_no_variable_holds_goes_without_its_lists(hook: Hook, notify: Notify, tmp_path: Path) -> None:
    made = receipt(*(change(f"n{number}", "10.0.0.2") for number in range(1000)))
    text = hand_on(made, tmp_path / "temp")
    short = json.loads(text)

    assert len(text) < 60_000
    assert (short["outcome"], short["head"]["seq"], "changes" in short) == ("applied", 7, False)
    assert short.keys() | set(short["omitted"]) == json.loads(document(made)).keys() | {"omitted"}
    assert notify("chat", text).failed is None
    assert "too long for here: caught_up, changes, damage" in hook.body["text"]


def test_receipts_of_several_zones_go_without_their_lists_each(tmp_path: Path) -> None:
    long = receipt(*(change(f"n{number}", "10.0.0.2") for number in range(1000)))
    lost = ZoneRun("lost", 4, KeptResult("lost"), OutsideFailure("no answer", code="x"))
    first, second = json.loads(handed_on(several(of_zone("z", long), lost), tmp_path / "temp"))["zones"]

    assert (first["result"]["outcome"], "changes" in first["result"]["omitted"]) == ("applied", True)
    assert (second["result"], second["error"]["message"]) == (None, "no answer")
