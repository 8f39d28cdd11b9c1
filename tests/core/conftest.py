"""How Hypothesis runs in this suite."""

from hypothesis import settings

settings.register_profile("suite", deadline=None)  # the machine may be busy, and no test asserts time
settings.load_profile("suite")
