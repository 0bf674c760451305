"""Settings of the whole suite."""

from hypothesis import settings

# The same examples on every run: a test that fails, fails for everyone. `--hypothesis-seed` explores others.
settings.register_profile("stable", derandomize=True)
settings.load_profile("stable")
