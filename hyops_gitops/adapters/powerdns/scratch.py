"""A zone to try things in. Meets `usecases.doctor.ports.ScratchZone`."""

from hyops_gitops.adapters.powerdns.restore import PowerDnsRestorer
from hyops_gitops.core.inspection.isolation import SCRATCH_PREFIX, SCRATCH_SUFFIX


class PowerDnsScratchZone(PowerDnsRestorer):
    """A zone that can be removed, as no other can: only one of a scratch zone's name."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The zone's name."""
        return self._zone

    def remove(self) -> None:
        """Delete the zone.

        Raises:
            ValueError: its name is not that of a scratch zone.
            OutsideFailure: it was not deleted.
        """
        if not (self._zone.startswith(SCRATCH_PREFIX) and self._zone.endswith(SCRATCH_SUFFIX)):
            raise ValueError(f"{self._zone} is no scratch zone")
        self._send("DELETE")
