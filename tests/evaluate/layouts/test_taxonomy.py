import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from triptych.errors import UserError
from triptych.evaluate.layouts import taxonomy
from triptych.evaluate.layouts.taxonomy import Step

ROWS = [
    ("Target Id", "Target Label", "Action Id", "Action Label"),
    (13, "PeelAnOrange", 260, "cut & peel"),
    (13, "PeelAnOrange", 259, "eat it"),
    (0, "TieAKnot", 7, "eat it"),
]
STEPS = [
    Step(13, "PeelAnOrange", 260, "cut & peel"),
    Step(13, "PeelAnOrange", 259, "eat it"),
    Step(0, "TieAKnot", 7, "eat it"),
]
SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def sheet(rows: list[tuple[object, ...]], shared: list[str]) -> str:
    """As Excel writes it: numbers in place, texts by their number in a common list."""
    lines = []
    for i, row in enumerate(rows, 1):
        cells = []
        for letter, value in zip("ABCD", row, strict=False):
            if value is None:
                continue
            if isinstance(value, int):
                cells.append(f'<c r="{letter}{i}"><v>{value}</v></c>')
            else:
                shared.append(str(value))
                cells.append(f'<c r="{letter}{i}" t="s"><v>{len(shared) - 1}</v></c>')
        lines.append(f'<row r="{i}">{"".join(cells)}</row>')
    return f"<worksheet {SPACE}><sheetData>{''.join(lines)}</sheetData></worksheet>"


def spreadsheet(path: Path, rows: list[tuple[object, ...]]) -> Path:
    shared: list[str] = []
    first = sheet([("Domains", "Targets"), ("Food", "PeelAnOrange")], shared)
    second = sheet(rows, shared)
    items = "".join(f"<si><r><t>{escape(one)}</t></r></si>" for one in shared)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", first)
        archive.writestr("xl/worksheets/sheet2.xml", second)
        archive.writestr("xl/sharedStrings.xml", f"<sst {SPACE}>{items}</sst>")
    return path


def test_the_sheet_of_steps_is_found_by_its_columns(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path / "taxonomy.xlsx", ROWS)
    assert taxonomy.read(path) == STEPS
    ragged = [(None, None, None, "a note"), *ROWS, (None, None, None, None)]
    assert taxonomy.read(spreadsheet(path, ragged)) == STEPS


def test_a_csv_of_the_sheet_does_as_well(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in ROWS), encoding="utf-8-sig")
    assert taxonomy.read(path) == STEPS


def test_cells_with_their_text_in_place(tmp_path: Path) -> None:
    cells = [
        "".join(f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>' for value in row)
        for row in ROWS
    ]
    rows = "".join(f"<row>{row}</row>" for row in cells)
    path = tmp_path / "taxonomy.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f"<worksheet {SPACE}><sheetData>{rows}</sheetData></worksheet>",
        )
    assert taxonomy.read(path) == STEPS


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS[:1], "no step in it"),
        (ROWS[1:], "no sheet with the columns Target Id"),
        ([*ROWS, (1, "Other", 7, "other")], "two steps have the number 7"),
        ([*ROWS, ("x", "Other", 8, "other")], "step 'other' has the numbers 'x', '8'"),
    ],
)
def test_spreadsheets_that_are_no_taxonomy(
    tmp_path: Path, rows: list[tuple[object, ...]], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        taxonomy.read(spreadsheet(tmp_path / "taxonomy.xlsx", rows))


def test_files_that_are_no_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.xlsx"
    path.write_text("hello")
    with pytest.raises(UserError, match=r"not an \.xlsx"):
        taxonomy.read(path)
    for content in ("<worksheet", f'<!DOCTYPE a [<!ENTITY b "c">]><worksheet {SPACE}/>'):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("xl/worksheets/sheet1.xml", content)
        with pytest.raises(UserError, match=r"not an \.xlsx"):
            taxonomy.read(path)
    with pytest.raises(UserError, match="cannot be read"):
        taxonomy.read(tmp_path / "none.xlsx")
