"""The servers of an authority, opened with the keys of this environment."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hyops_gitops.adapters.host.machine import primary_key, secondary_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hyops_gitops.core.authority import ApiEndpoint, Authority, Secondary
    from hyops_gitops.core.exchange import ServerInfo
    from hyops_gitops.core.network import Refresher, ScratchZone, ZoneReader, ZoneRestorer, ZoneWriter

_QUEUED_S = 3.0  # for a request that is only queued; NOTIFY goes out in any case


class Servers:
    """Opens servers; imports their adapters late, since requests costs 100 ms."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self._root = root  # what `ca_file` is relative to
        self._environ = environ

    def reader(self, authority: Authority, ca_file: Path | None = None) -> ZoneReader:
        """The primary, to read; a CA file replaces the repository's own."""
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader

        api = authority.primary.api
        key = primary_key(api, self._environ)
        trusted = self._ca_file(api) if ca_file is None else str(ca_file)
        return PowerDnsReader(api.url, api.server_id, authority.zone, key, trusted)

    def writer(self, authority: Authority) -> ZoneWriter:
        """The primary, to write."""
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter

        api = authority.primary.api
        key = primary_key(api, self._environ)
        return PowerDnsWriter(api.url, api.server_id, authority.zone, key, self._ca_file(api))

    def refresher(self, authority: Authority, secondary: Secondary) -> Refresher | None:
        """A secondary to update, None without its API or key."""
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsCacheFlusher, PowerDnsTransferRequester

        api = secondary.api
        key = secondary_key(api, self._environ) if api else None
        if api is None or key is None:
            return None
        kind = PowerDnsCacheFlusher if authority.policy.replication == "native" else PowerDnsTransferRequester
        return kind(api.url, api.server_id, authority.zone, key, self._ca_file(api), timeout_s=_QUEUED_S)

    def reader_with_key(self, authority: Authority) -> ZoneReader | None:
        """The primary, to read, None where there is no key."""
        return self.reader(authority) if self._environ.get(authority.primary.api.key_env) else None

    def secondary_reader(self, authority: Authority, secondary: Secondary) -> ZoneReader | None:
        """A secondary to read, None without its API or key."""
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader

        api = secondary.api
        key = secondary_key(api, self._environ) if api else None
        if api is None or key is None:
            return None
        return PowerDnsReader(api.url, api.server_id, authority.zone, key, self._ca_file(api))

    def restorer(self, authority: Authority) -> ZoneRestorer:
        """The primary, to rebuild."""
        from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsRestorer

        api = authority.primary.api
        key = primary_key(api, self._environ)
        return PowerDnsRestorer(api.url, api.server_id, authority.zone, key, self._ca_file(api))

    def scratch(self, authority: Authority) -> ScratchZone:
        """A scratch zone of a random name on the primary."""
        from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsScratchZone
        from hyops_gitops.observe.isolation import scratch_name

        api = authority.primary.api
        key = primary_key(api, self._environ)
        name = scratch_name(secrets.token_hex(8))
        return PowerDnsScratchZone(api.url, api.server_id, name, key, self._ca_file(api))

    def info(self, authority: Authority) -> ServerInfo:
        """What the primary says about itself."""
        from hyops_gitops.adapters.powerdns.server import server_info

        api = authority.primary.api
        return server_info(api.url, api.server_id, primary_key(api, self._environ), self._ca_file(api))

    def zone_keys(self, authority: Authority) -> tuple[bool, ...] | None:
        """Whether each DNSSEC key signs and is published; None if not shown."""
        from hyops_gitops.adapters.powerdns.zone_api import PowerDnsZoneKeys

        api = authority.primary.api
        key = primary_key(api, self._environ)
        return PowerDnsZoneKeys(api.url, api.server_id, authority.zone, key, self._ca_file(api)).usable()

    def _ca_file(self, api: ApiEndpoint) -> str | None:
        return str(self._root / api.ca_file) if api.ca_file else None
