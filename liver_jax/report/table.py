"""One table, as a CSV file for machines and a LaTeX file for a paper.

The CSV has one row for each record and every figure of it in full precision; the LaTeX has what a
reader wants to see, rounded, in the style of the booktabs package.
"""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from liver_jax import files

# Beyond so many lines a table goes over several pages.
_LINES_OF_A_PAGE = 40
_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "±": r"$\pm$",
        "−": r"$-$",
        "²": r"\textsuperscript{2}",
        "–": "--",
        "…": r"\ldots{}",
        "\n": " ",
    }
)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table in both forms.

    Attributes:
        name: Of its files.
        caption: Of the LaTeX form: what it shows and what a reader must know.
        records: For CSV: figures by column, nested as JSON has them.
        header: Of the LaTeX form.
        lines: Of the LaTeX form, one text for each column of the header.
    """

    name: str
    caption: str
    records: Sequence[Mapping]
    header: Sequence[str]
    lines: Sequence[Sequence[str]]


def flat(record: Mapping, prefix: str = "") -> dict[str, object]:
    """A nested record as one row.

    Keys are joined by `_` (that of an estimate's `value` is left out); an interval becomes `_low`
    and `_high`; any other list one text, its parts joined by `;`.
    """
    row: dict[str, object] = {}
    for key, value in record.items():
        name = "_".join(part for part in (prefix, "" if key == "value" else key) if part)
        if isinstance(value, Mapping):
            row |= flat(value, name)
        elif key.startswith("interval") or "_interval" in key:
            low, high = value if value is not None else (None, None)
            row |= {f"{name}_low": low, f"{name}_high": high}
        elif isinstance(value, list | tuple):
            row[name] = ";".join(map(str, value))
        else:
            row[name] = value
    return row


def csv_text(table: Table) -> str:
    """The CSV form (RFC 4180): undefined figures are empty."""
    rows = [flat(record) for record in table.records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def latex_text(table: Table) -> str:
    r"""The LaTeX form: needs `\usepackage{booktabs}`, and `longtable` where it is long."""
    for line in table.lines:
        if len(line) != len(table.header):
            raise ValueError(f"{table.name}: {len(line)} cells under {len(table.header)} headings")
    columns = "l" + "r" * (len(table.header) - 1)
    header = f"{_cells(table.header)} \\\\"
    body = [f"{_cells(line)} \\\\" for line in table.lines]
    caption = f"\\caption{{{escape(table.caption)}}}"
    label = f"\\label{{tab:{table.name.replace('_', '-')}}}"
    if len(table.lines) > _LINES_OF_A_PAGE:
        parts = [
            "% \\usepackage{booktabs,longtable}",
            "{\\footnotesize",
            f"\\begin{{longtable}}{{{columns}}}",
            f"{caption} {label} \\\\",
            "\\toprule",
            header,
            "\\midrule",
            "\\endhead",
            "\\bottomrule",
            "\\endfoot",
            *body,
            "\\end{longtable}",
            "}",
        ]
    else:
        parts = [
            "% \\usepackage{booktabs}",
            "\\begin{table}",
            caption,
            label,
            "\\footnotesize",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            header,
            "\\midrule",
            *body,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
    return "\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX prints it, whatever signs it holds."""
    return text.translate(_ESCAPED)


def write(tables: Iterable[Table], folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes each as `name.csv` and `name.tex`, each whole or not at all; returns the files."""
    paths = []
    for table in tables:
        for suffix, text in (("csv", csv_text(table)), ("tex", latex_text(table))):
            paths.append(folder / f"{table.name}.{suffix}")
            files.write_text(paths[-1], text)
    return paths


def _cells(cells: Sequence[str]) -> str:
    return " & ".join(escape(cell) for cell in cells)
