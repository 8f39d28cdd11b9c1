"""Which CI job this is, for the log: what the runners of GitHub, Gitea and GitLab put into the environment."""

from collections.abc import Mapping

from hyops_gitops.core.masking import masked

RUN_REASON = "HYOPS_RUN_REASON"  # why somebody started this run by hand


def run_from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What is known about the run, by names that do not depend on the forge; nothing outside of CI."""
    if environ.get("GITHUB_RUN_ID"):
        server, repository, run = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
        known = {
            "url": f"{server}/{repository}/actions/runs/{run}" if server and repository else "",
            "id": run,
            "attempt": environ.get("GITHUB_RUN_ATTEMPT", ""),
            "workflow": environ.get("GITHUB_WORKFLOW_REF", ""),
            "event": environ.get("GITHUB_EVENT_NAME", ""),
            "actor": environ.get("GITHUB_ACTOR", ""),
            "actor_id": environ.get("GITHUB_ACTOR_ID", ""),
        }
    else:
        known = {
            "url": environ.get("CI_JOB_URL", ""),
            "id": environ.get("CI_JOB_ID", ""),
            "event": environ.get("CI_PIPELINE_SOURCE", ""),
            "actor": environ.get("GITLAB_USER_LOGIN", ""),
            "actor_id": environ.get("GITLAB_USER_ID", ""),
        }
    known["reason"] = environ.get(RUN_REASON, "")
    return {name: masked(value) for name, value in known.items() if value}
