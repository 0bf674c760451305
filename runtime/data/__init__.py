"""Data: readers for each format, splits, and the checks that every array passes before it is fed."""

from netc.runtime.data import formats  # noqa: F401
from netc.runtime.data.sources import LoadedData, load

__all__ = ["LoadedData", "load"]
