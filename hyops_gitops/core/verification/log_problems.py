"""Why a log does not verify."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason.

    Codes: path, form, not-canonical, bad-entry, unknown-type, unknown-form, chain, time, signature, signer, trust,
    compromised, genesis, pairs, continuity, state, files, page, history, seen; of break-glass segments also segment,
    other-log, base, fork, witness, open-intent, reconciled, review.
    """

    code: str
    where: str  # a path of the evidence branch
    message: str

    def to_json(self) -> dict[str, str]:
        """The shape used in `hyops-evidence-verify/1`."""
        return {"code": self.code, "where": self.where, "message": self.message}
