"""Small pieces of HTML: escaped text, tables, definition lists."""

import html
from collections.abc import Iterable, Sequence

# Tables with more columns are printed in smaller letters.
_MANY = 10


class Markup(str):
    """Text that is HTML already; everything else is escaped where it is put in."""


def text(value: object) -> str:
    """A value as HTML; None is nothing."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else html.escape(str(value))


def table(
    heads: Sequence[object],
    rows: Iterable[Sequence[object]],
    numbers: int,
    caption: str | None = None,
) -> Markup:
    """A table whose first column names the row.

    Args:
        heads: The column heads.
        rows: The cells.
        numbers: The index of the first column of numbers: they are set to the right.
        caption: What stands above it.
    """

    def cell(name: str, place: int, value: object) -> str:
        kind = ' class="n"' if place >= numbers else ""
        return f"<{name}{kind}>{text(value)}</{name.split()[0]}>"

    head = "".join(cell('th scope="col"', place, value) for place, value in enumerate(heads))
    body = "\n".join(
        "<tr>"
        + "".join(
            cell('th scope="row"' if place == 0 else "td", place, value)
            for place, value in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    above = f"<caption>{text(caption)}</caption>" if caption else ""
    many = ' class="many"' if len(heads) > _MANY else ""
    return Markup(
        f'<div class="wide"><table{many}>{above}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def paragraph(words: object, kind: str = "") -> Markup:
    """A paragraph."""
    name = f' class="{kind}"' if kind else ""
    return Markup(f"<p{name}>{text(words)}</p>\n")


def details(summary: str, content: str, is_open: bool = False) -> Markup:
    """Something that opens on request; printed open."""
    state = " open" if is_open else ""
    return Markup(f"<details{state}><summary>{text(summary)}</summary>\n{content}</details>\n")


def section(name: str, title: str, content: str) -> Markup:
    """A part of the page; `name` is its anchor."""
    return Markup(
        f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">'
        f"{text(title)}</h2>\n{content}</section>\n"
    )
