"""Each operator of the standard domain is in exactly one class."""

from __future__ import annotations

import pytest
from onnx import defs

from netc.compiler.autodiff.coverage import CLASSES, coverage, standard_operators
from netc.compiler.autodiff.expansion import has_body
from netc.compiler.autodiff.registry import operators


@pytest.mark.parametrize("opset", [18, 20, 22, 24, 26, defs.onnx_opset_version()])
def test_every_operator_is_in_exactly_one_class(opset: int) -> None:
    table = operators()
    for schema in {s.name: s for s in defs.get_all_schemas_with_history() if s.domain == ""}.values():
        try:
            found = defs.get_schema(schema.name, opset)
        except defs.SchemaError:
            continue  # newer than this opset
        entries = [e for e in table.get(found.name, []) if e.since <= opset <= e.until]
        assert len(entries) == 1 or (not entries and has_body(found.name, opset)), found.name


def test_the_table_knows_no_operator_that_is_not_standard() -> None:
    assert set(operators()) <= set(standard_operators())


def test_every_class_has_members_and_every_refusal_a_reason() -> None:
    rows = coverage()
    assert {r.kind for r in rows} == set(CLASSES)
    assert all(r.note for r in rows if r.kind != "no gradient")
    assert sum(r.kind == "refused" for r in rows) <= 16
