"""A repository with three zones, from their first apply to an audit of each."""

from tests.stories.zones.conftest import Zones


def test_one_apply_carries_out_every_zone(zones: Zones) -> None:
    done = zones.first.cli("apply", "--format", "json")

    assert done.exit == 0, done.err
    document = done.document()
    assert document["format"] == "hyops-zones/1"
    print(done.out[:3000])
    assert zones.entries() == dict.fromkeys((world.zone for world in zones.all), ["genesis", "intent", "result"])
