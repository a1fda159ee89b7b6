"""COVERAGE.md is what the program is."""

from scripts import coverage_table


def test_the_table_is_up_to_date() -> None:
    assert coverage_table.FILE.read_text() == coverage_table.text(), "run python -m scripts.coverage_table"


def test_it_has_all_three_kinds() -> None:
    text = coverage_table.text()
    assert "| RunInstances |" in text
    assert "CreateFleet" in text.partition("Refused:")[2]
    assert "KernelId" in text.partition("| RunInstances |")[2].partition("\n")[0]
