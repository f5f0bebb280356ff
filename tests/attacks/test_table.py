from __future__ import annotations

import ast

from tests.attacks.table import HERE, table


def test_table_and_tests_are_the_same_and_many() -> None:
    """An abuse without a test is a wish, and a test without a row is not found."""
    tests = {
        (file.name, node.name)
        for file in HERE.glob("test_*.py")
        if file.name != "test_table.py"
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert tests == table().keys()
    assert len([row for row in table().values() if not row.abuse.startswith("(")]) >= 40
