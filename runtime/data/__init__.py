"""Data: readers for each format, splits, and the checks that every array passes before it is fed."""
