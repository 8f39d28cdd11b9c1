"""The fate of each endpoint if a site is lost, with services that answer or do not."""

import re
from collections.abc import Iterator

import pytest

from hyops_gitops.adapters.yaml.schema import is_surely_valid
from hyops_gitops.core.errors import UsageError
from hyops_gitops.move.failover import FailoverRequest, failover_parts
from hyops_gitops.move.readiness_report import EndpointOutlook, SiteLossReport, report_site_loss
from hyops_gitops.move.text import code_span, site_loss_markdown, table_cell
from hyops_gitops.move.write_moves import CommitOptions
from tests.support.services import Service, listening
from tests.support.valid_at import record
from tests.support.world import World

HERE, LISTENS, DEAF = "127.0.0.21", "127.0.0.22", "127.0.0.23"
TCP = [{"type": "tcp", "timeout_s": 1}]
OLD = {"target": "lb.example.com", "status": "ok", "time": "2020-01-01T00:00:00Z"}
HOSTILE = "<b>|\\|`x` [a](http://e.invalid) @acme/all #1"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with listening(LISTENS) as found:
        yield found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, service: Service) -> World:
    """Contracts of every kind, in a repository of its own."""
    made = World.make(
        tmp_path_factory.mktemp("loss"), "loss.internal", local=True, target_networks=["10.0.0.0/8", "127.0.0.0/8"]
    )

    def write(
        name: str, target: str, sites: dict[str, object] | None = None, env: str = "prod", **more: object
    ) -> None:
        fields = {"endpoint_port": service.port, "endpoint_readiness": TCP, **more}
        made.contract(name, target, env=env, **({"sites": sites} if sites else {}), **fields)  # type: ignore[arg-type]

    write("ready", HERE, {"onprem": HERE, "aws": DEAF, "gcp": LISTENS}, endpoint_owner="data")
    write("deaf", HERE, {"onprem": HERE, "aws": DEAF}, endpoint_owner="data")
    cloud = {"target": "lb.example.com", "type": "dns"}
    write("old", HERE, {"onprem": HERE, "gcp": cloud}, endpoint_owner=HOSTILE, endpoint_attested=[OLD])
    write(
        "unprobed", HERE, {"onprem": HERE, "gcp": LISTENS}, endpoint_readiness=[{"type": "none", "reason": "why not"}]
    )
    write("single", HERE, {"onprem": HERE}, env="dev")
    write("nowhere", HERE)
    write("away", LISTENS, {"onprem": HERE, "gcp": LISTENS})
    write("elsewhere", LISTENS, {"gcp": LISTENS})
    write("stable", HERE, {"onprem": HERE, "gcp": LISTENS}, required=False)
    write("alias", made.name("ready"), required=False)
    write("second", made.name("alias"), required=False)
    write("lost", made.name("single", "dev"), required=False)
    made.write("endpoints/prod/broken.yaml", "endpoint_port: 0\n")
    made.commit("Contracts")
    record(made, None)  # one was broken before, which holds its name and stops no failover
    return made


def report(world: World, to: str = "", **more: object) -> SiteLossReport:
    request = FailoverRequest("onprem", to, **more)  # type: ignore[arg-type]  # fields by name
    (part,) = failover_parts(request, CommitOptions(), world.wiring())
    return report_site_loss(part, CommitOptions())


@pytest.fixture(scope="module")
def found(world: World) -> SiteLossReport:
    return report(world)


def named(found: SiteLossReport) -> dict[str, EndpointOutlook]:
    return {endpoint.name.partition(".")[0]: endpoint for endpoint in found.endpoints}


@pytest.mark.parametrize(
    ("name", "state", "why"),
    [
        ("ready", "moves", ""),
        ("unprobed", "moves", "is not probed: why not"),
        ("deaf", "at-risk", "refuses the connection"),
        ("old", "at-risk", "attestation of 2020-01-01T00:00:00Z is older than 60 minutes"),
        ("single", "cannot-move", "has no other site"),
        ("nowhere", "cannot-move", "names no site"),
        ("lost", "cannot-move", "follows single.dev.loss.internal, which cannot move"),
        ("away", "need-not-move", "is active at gcp"),
        ("elsewhere", "need-not-move", "has no site onprem"),
        ("stable", "need-not-move", "promises a stable target"),
        ("alias", "need-not-move", "follows ready.prod.loss.internal, which moves"),
        ("second", "need-not-move", "follows alias.prod.loss.internal, which need not move"),
        ("broken", "not-known", "has findings"),
    ],
)
def test_each_endpoint_has_a_state_and_its_reason(found: SiteLossReport, name: str, state: str, why: str) -> None:
    endpoint = named(found)[name]

    assert endpoint.state == state
    assert why in endpoint.why


def test_the_first_site_that_is_ready_is_the_one_to_move_to(found: SiteLossReport) -> None:
    ready = named(found)["ready"]

    assert (ready.to, [(each.site, bool(each.refused)) for each in ready.standbys]) == (
        "gcp",
        [("aws", True), ("gcp", False)],
    )


def test_counts_are_by_environment_and_owner_and_add_up(found: SiteLossReport) -> None:
    assert sum(group.counts.endpoints for group in found.environments) == len(found.endpoints)
    assert [(group.name, group.counts.moves, group.counts.at_risk) for group in found.owners] == [
        (HOSTILE, 0, 1),
        ("data", 1, 1),
        (None, 1, 0),
    ]


def test_with_a_site_to_move_to_no_other_counts(world: World) -> None:
    endpoints = named(report(world, "gcp"))

    assert endpoints["deaf"].state == "cannot-move"
    assert endpoints["deaf"].why == "has no site gcp, only aws"


def test_one_environment_and_a_hold(world: World) -> None:
    found = report(world, "gcp", environment="prod", hold={"ready.prod": "by hand"})

    assert {endpoint.environment for endpoint in found.endpoints} == {"prod"}
    assert named(found)["ready"].why == "is held: by hand"


def test_a_site_that_no_endpoint_has_is_an_error(world: World) -> None:
    with pytest.raises(UsageError, match="no endpoint has a site 'onprm'"):
        failover_parts(FailoverRequest("onprm", ""), CommitOptions(), world.wiring())


def test_the_document_is_as_its_schema_says(found: SiteLossReport) -> None:
    document = found.to_json()

    assert is_surely_valid("readiness", document)
    assert (document["format"], document["from"], document["to"]) == ("hyops-readiness/1", "onprem", None)
    assert not is_surely_valid("readiness", {**document, "endpoints": [{"name": "x"}]})


def test_the_command_exits_as_the_failover_would(world: World) -> None:
    ran = world.cli("failover", "--from", "onprem", "--check", "--report")
    without = world.cli("failover", "--from", "onprem", "--check")

    assert (ran.exit, ran.out.startswith("# If onprem is lost\n")) == (3, True)
    assert (without.exit, "missing option --to" in without.err) == (2, True)
    assert world.git("status", "--porcelain") == ""


# --- Markdown


@pytest.mark.parametrize("text", ["plain", "`", "a``b`c", HOSTILE, "", " ", "x\n# heading", "\\`"])
def test_a_code_span_ends_where_its_text_ends(text: str) -> None:
    span = code_span(text)
    fence = re.match("`+", span)

    assert fence is not None
    assert span.endswith(fence[0])
    inner = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inner)
    assert "\n" not in span


@pytest.mark.parametrize("text", [HOSTILE, "|", "\\|", "\\\\|", "a|b\\"])
def test_no_bar_of_a_text_ends_a_cell(text: str) -> None:
    assert re.fullmatch(r"(?:\\.|[^|\\])*", table_cell(text))


def test_an_owners_name_stands_in_code_spans_alone(found: SiteLossReport) -> None:
    lines = site_loss_markdown(found).splitlines()
    table = [line for line in lines if line.startswith("|")]
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", "\n".join(lines))

    assert "@acme/all" not in outside
    assert "<b>" not in outside
    assert {len(re.findall(r"(?:\\.|[^|\\])*\|", line)) for line in table} == {8}
