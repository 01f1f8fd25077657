"""How figures look and how they are saved: colours, letters, SVG and PDF.

Colours are those of Okabe and Ito (Color Universal Design, 2008), which people with any common
colour blindness tell apart. Widths are a journal's: one column or the whole page.
"""

import contextlib
import io
import pathlib
import re
from xml.sax import saxutils

import matplotlib
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from liver_jax import files

ONE_COLUMN_INCHES, PAGE_INCHES = 3.5, 7.2

BLACK, GREY = "#000000", "#7f7f7f"
ORANGE, SKY_BLUE, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"

MODEL_COLOURS = {"initial": ORANGE, "multimodal": BLUE}
OTHER_COLOURS = (GREEN, PURPLE, VERMILION, SKY_BLUE)
COHORT_COLOURS = {"internal": BLUE, "external": VERMILION}
# On grey images: where only one of the masks is, and where both are.
AUTOMATED_ONLY, MANUAL_ONLY, BOTH = VERMILION, SKY_BLUE, YELLOW

_NOTE_INCHES = 0.17

# What makes a figure the same on every machine: matplotlib's own letters, no formulas in names.
_SETTINGS = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "figure.titlesize": 9,
    "figure.facecolor": "white",
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.hinting": "none",  # words are as long at any resolution, so that one layout fits all
    "pdf.fonttype": 42,  # letters stay letters, with the part of the font that is used
    "svg.fonttype": "none",
    "text.parse_math": False,  # a user's name may hold a dollar sign
}
# For readers without matplotlib's letters; Verdana is as wide.
_SVG_FONTS = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"
_REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')


def settings() -> contextlib.AbstractContextManager:
    """The settings under which everything is drawn: a context, and a decorator."""
    return matplotlib.rc_context(_SETTINGS)


def new(width_inches: float, height_inches: float, title: str, caption: str) -> Figure:
    """An empty figure.

    Args:
        width_inches: Of the whole figure.
        height_inches: Of the whole figure.
        title: Its heading, above all panels.
        caption: What a reader must know beside what is drawn; `caption_of` gives it back.
    """
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    backend_agg.FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    figure.set_label(caption)
    return figure


def add_note(figure: Figure, note: str) -> None:
    """Writes a line under everything, such as a warning that stays with the figure."""
    height = figure.get_figheight() + _NOTE_INCHES
    figure.set_figheight(height)
    share = _NOTE_INCHES / height
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.3 * share, note, fontsize=6.5, color=VERMILION, fontstyle="italic")
    figure.set_label(f"{caption_of(figure)} {note}")


def settle(figure: Figure) -> None:
    """Fixes the layout: found again at each saving, it would differ from file to file."""
    with settings():
        figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")


def title_of(figure: Figure) -> str:
    """The heading of a figure."""
    return figure.get_suptitle()


def caption_of(figure: Figure) -> str:
    """The caption of a figure."""
    return figure.get_label()


def model_colours(models: list[str]) -> dict[str, str]:
    """One colour for each model, the same in every figure of an evaluation."""
    others = [model for model in models if model not in MODEL_COLOURS]
    return MODEL_COLOURS | {
        model: OTHER_COLOURS[place % len(OTHER_COLOURS)] for place, model in enumerate(others)
    }


def cohort_colours(cohorts: list[str]) -> dict[str, str]:
    """One colour for each cohort."""
    others = [cohort for cohort in cohorts if cohort not in COHORT_COLOURS]
    colours = (GREEN, PURPLE, ORANGE, SKY_BLUE)
    return COHORT_COLOURS | {
        cohort: colours[place % len(colours)] for place, cohort in enumerate(others)
    }


def svg(name: str, figure: Figure) -> str:
    """The figure as an SVG element, which can stand in a page beside others.

    Letters are text; its title and caption are there for those who do not see it. Equal figures
    give equal text.

    Args:
        name: Starts each id, so that no two figures of a page share one.
        figure: The figure.
    """
    drawn = io.StringIO()
    with matplotlib.rc_context(_SETTINGS | {"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = _REFERENCE.sub(rf"\1{name}-", text).replace("'DejaVu Sans'", _SVG_FONTS)
    # The one rule that matplotlib writes must not reach the rest of the page.
    text = text.replace('<style type="text/css">*{', f'<style type="text/css">#{name}-figure_1 *{{')
    start, rest = text.split(">", 1)
    words = (
        f"<title>{saxutils.escape(title_of(figure))}</title>"
        f"<desc>{saxutils.escape(caption_of(figure))}</desc>"
    )
    return f'{start} role="img">\n {words}{rest}'


def write(name: str, figure: Figure, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes `name.svg` and `name.pdf`, each whole or not at all.

    Returns:
        The two files.
    """
    paths = [folder / f"{name}.{suffix}" for suffix in ("svg", "pdf")]
    head = '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
    files.write_text(paths[0], head + svg(name, figure))
    information = {"CreationDate": None, "Creator": None, "Producer": None}
    information |= {"Title": title_of(figure), "Subject": caption_of(figure)}
    with matplotlib.rc_context(_SETTINGS), files.replacing(paths[1]) as temporary:
        figure.savefig(temporary, format="pdf", metadata=information)
    return paths
