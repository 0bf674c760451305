"""Which axis of each value counts the rows of a batch: what may be computed batch by batch, and what needs all rows."""

from netc.compiler.graph.rows import moving, positions, reducing  # noqa: F401  (their rules register themselves)
from netc.compiler.graph.rows.flow import Flow, RowFlow, Spread

__all__ = ["Flow", "RowFlow", "Spread"]
