"""`python -m hyops_gitops`."""

from hyops_gitops.cli.main import run

if __name__ == "__main__":
    run()
