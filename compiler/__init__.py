"""Tree -> training program."""

from importlib import metadata


def version() -> str:
    """The installed version of netc."""
    return metadata.version("netc")
