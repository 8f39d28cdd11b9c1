"""An environment becomes a zone of its own, and clients ask for the names that they know."""

from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.zones import create_zone
from hyops_gitops.log.entries import Body, Intent
from hyops_gitops.plan.plan import Change
from tests.support.audits import audited
from tests.support.world import World


def changes_of(body: Body) -> tuple[Change, ...]:
    assert isinstance(body, Intent)
    return body.changes


def test_an_environment_is_split_off_without_a_new_name(served: World) -> None:
    assert served.lab is not None
    served.contract("other", "10.0.0.2", env="dev")
    served.commit("Add other.dev, which stays")
    assert served.apply().outcome == "applied"
    name, zone = served.name("first"), f"prod.{served.zone}"
    create_zone(served.lab, zone)  # beside its parent, and with the records that the parent has
    split = World(served.root, zone, served.environ, served.lab, served.remote, served.key, dict(served.policy))
    split.folder, split.branch = f"{zone}/", f"evidence-{zone}"
    split.primary.patch([], [RRset.of(name, "A", 60, ["10.0.0.1"])])

    (served.root / f"endpoints/{zone}").mkdir()
    served.git("mv", "endpoints/prod", f"endpoints/{zone}/prod")
    wanted = served.root.parent / "split.yaml"
    wanted.write_text(split.authority_text())
    added = served.cli("init", served.root, "--add-zone", zone, "--authority", wanted)
    assert added.exit == 0, added.err
    served.commit("Split prod off")
    begun = served.cli("evidence", "init", "--zone", zone)
    assert begun.exit == 0, begun.err
    served.commit("Pin the log of prod")
    assert served.cli("validate").exit == 0

    done = served.cli("apply")

    assert done.exit == 0, done.out + done.err
    assert split.types() == ["genesis", "intent", "result"]
    assert [change.action for change in changes_of(split.bodies()[1])] == ["adopt"]
    assert served.cli("status", name).exit == served.cli("status").exit == 0
    for world in (served, split):
        audited(world, "--zone", world.zone)
