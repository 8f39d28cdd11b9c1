"""The table of faults."""

import signal
from collections.abc import Mapping

from campaign.dns_proxy import DNS_WAYS
from campaign.faults import (
    on_applier,
    on_database,
    on_machine,
    on_primary,
    on_remote,
    on_resolvers,
    on_second_machine,
    on_secondaries,
    on_standby,
    on_zone,
)
from campaign.faults.kinds import ALL_BACKENDS, ANY, DISK, MACHINE, FaultKind
from campaign.faults.on_machine import DISKS
from campaign.proxy import WAYS
from hyops_gitops.lab.model import Backend

_SIGNALS = frozenset({-signal.SIGKILL, -signal.SIGALRM})
_NO_MEMORY = frozenset({70, -signal.SIGABRT})  # the program, or a library of it, says so
_SQL = ALL_BACKENDS - {"lmdb"}
_SERVERS = _SQL - {"gsqlite3"}
NOTHING = "nothing"  # the name of the runs that something is compared with
_ENDED = ANY | _SIGNALS
FAULTS: Mapping[str, FaultKind] = {
    NOTHING: FaultKind(on_applier.nothing, frozenset({0})),
    "applier killed at a step": FaultKind(on_applier.killed_at_a_mark, _ENDED, weight=2),
    "applier killed between steps": FaultKind(on_applier.killed_after_a_mark, _ENDED, weight=2),
    "applier: SIGTERM": FaultKind(on_applier.interrupted_by(signal.SIGTERM), _ENDED | {-signal.SIGTERM, 130}),
    "applier: SIGINT": FaultKind(on_applier.interrupted_by(signal.SIGINT), _ENDED | {-signal.SIGINT, 130}),
    "applier gone, on another machine": FaultKind(on_applier.gone_on_another_machine, _ENDED),
    "applier stopped, and overtaken": FaultKind(on_applier.stopped_and_overtaken),
    "appliers at once": FaultKind(on_applier.at_once(1, 2)),
    "ten appliers at once": FaultKind(on_applier.at_once(9)),
    "appliers at once, API out of order": FaultKind(on_applier.at_once(1, 2, way="out of order")),
    "two appliers at once, on two machines": FaultKind(on_second_machine.at_once(2), need=MACHINE),
    "ten appliers at once, on two machines": FaultKind(on_second_machine.at_once(10), need=MACHINE),
    "appliers at once, machines parted": FaultKind(on_second_machine.at_once(2, 4, parted=True), need=MACHINE),
    "machines parted before the run": FaultKind(on_second_machine.parted_before_the_run, frozenset({4}), need=MACHINE),
    **{
        f"machines parted {moment} the PATCH": FaultKind(on_second_machine.parted(moment), need=MACHINE)
        for moment in ("before", "during", "after")
    },
    "machines parted, applier overtaken": FaultKind(on_second_machine.parted_and_overtaken, need=MACHINE),
    "files limited": FaultKind(on_applier.limited("CAMPAIGN_FILE_BYTES", 0, 200, 1000, 3000, 10_000), _ENDED),
    "memory limited": FaultKind(on_applier.limited("CAMPAIGN_MEMORY_MIB", 0, 1, 2, 4, 8, 16), _ENDED | _NO_MEMORY),
    "clock behind": FaultKind(on_applier.limited("CAMPAIGN_CLOCK", -600, -30)),
    **{f"full disk: {what}": FaultKind(on_machine.disk(on_machine.full, what), _ENDED, need=DISK) for what in DISKS},
    **{
        f"read-only disk: {what}": FaultKind(on_machine.disk(on_machine.read_only, what), _ENDED, need=DISK)
        for what in DISKS
    },
    "clock set meanwhile": FaultKind(on_machine.jumping_clock),
    "time zone": FaultKind(on_machine.other_time_zone),
    "agent fails": FaultKind(on_machine.agent_fails),
    "clock ahead": FaultKind(on_applier.limited("CAMPAIGN_CLOCK", 1, 2)),
    **{f"API: {way}": FaultKind(on_primary.api_trouble(way)) for way in WAYS},
    "API down": FaultKind(on_primary.api_down, frozenset({4})),
    "API key rotated before the PATCH": FaultKind(on_primary.rotated_key),
    "API key is another": FaultKind(on_primary.other_key, frozenset({4})),
    **{
        f"primary {what} {moment} the PATCH": FaultKind(on_primary.primary_fails(what, moment))
        for what in ("killed", "paused")
        for moment in ("before", "during", "after")
    },
    "database locked": FaultKind(on_database.database_locked, backends=frozenset({"gsqlite3"})),
    "database: rows held": FaultKind(on_database.rows_held, backends=_SERVERS),
    "database: deadlock": FaultKind(on_database.deadlock, backends=_SERVERS),
    "database: sessions ended": FaultKind(on_database.sessions_ended, backends=_SERVERS),
    **{
        f"database full {moment}": FaultKind(on_database.database_full(moment), need=DISK)
        for moment in ("before the run", "before the PATCH", "during the PATCH")
    },
    **{
        f"database failed over {moment}": FaultKind(on_standby.failed_over(moment), backends=frozenset({"gpgsql"}))
        for moment in ("before the run", "before the PATCH", "during the PATCH", "after the PATCH")
    },
    "database failed over, standby behind": FaultKind(
        on_standby.failed_over_behind, frozenset({3}), frozenset({"gpgsql"}), weight=2
    ),
    "database: read-only": FaultKind(on_database.database_read_only, backends=_SERVERS),
    **{
        f"zone deleted {moment}": FaultKind(on_zone.deleted(moment), frozenset({3, 4, 5}), weight=2)
        for moment in ("before the run", "before the PATCH")
    },
    "zone from an old dump": FaultKind(on_zone.old_dump, frozenset({3, 4}), weight=3),
    "record by another writer": FaultKind(on_primary.foreign_write),
    "serial moved by another writer": FaultKind(on_primary.serial_moved),
    "remote gone": FaultKind(on_remote.remote_gone, frozenset({4})),
    "remote gone after the intent": FaultKind(on_remote.remote_gone_later),
    "remote gone, glass broken": FaultKind(on_remote.glass_broken, weight=3),
    "remote refuses": FaultKind(on_remote.remote_refuses),
    "remote slow": FaultKind(on_remote.remote_slow),
    "remote rewound": FaultKind(on_remote.remote_rewound, frozenset({3})),
    **{f"answers {way}": FaultKind(on_secondaries.answers(way)) for way in DNS_WAYS},
    **{
        f"resolver: {way}": FaultKind(on_resolvers.fails(way), frozenset({0, 5})) for way in ("dead", "old", "SERVFAIL")
    },
    "resolver: raises TTLs": FaultKind(on_resolvers.raises_ttls, frozenset({0, 5})),
    "remote rewound after the intent": FaultKind(on_remote.remote_rewound_later),
    "secondary down": FaultKind(on_secondaries.secondary_down),
    "secondary paused": FaultKind(on_secondaries.secondary_paused),
    "secondary stale": FaultKind(on_secondaries.secondary_stale),
    "secondary edited by hand": FaultKind(on_secondaries.secondary_edited, backends=_SQL),
}


def of_backend(backend: Backend) -> dict[str, FaultKind]:
    """The faults that this storage, this machine and this user can have."""
    return {
        name: kind
        for name, kind in FAULTS.items()
        if backend in kind.backends and (kind.need is None or kind.need.is_met())
    }


def unmet_needs() -> list[str]:
    """What the faults need that cannot be had here."""
    needs = {kind.need for kind in FAULTS.values() if kind.need}
    return sorted(need.what for need in needs if not need.is_met())
