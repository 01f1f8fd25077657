"""The words and numbers of figures and tables: names as a reader expects them, signs, decimals."""

from collections.abc import Iterable, Sequence

from liver_jax.evaluation import paper

MINUS, DASH = "−", "–"

_TECHNIQUES = {"spgr2d": "2D SPGR", "spgr3d": "3D SPGR", "ct": "CT", "hbp_t1w": "HBP T1w"}
_MODELS = {"initial": "initial CNN", "multimodal": "multimodal CNN"}


def technique(name: str) -> str:
    """`2D SPGR` for `spgr2d`; a user's own word as it is."""
    return _TECHNIQUES.get(name, shortened(name))


def model(name: str) -> str:
    """`initial CNN` for `initial`; the name of a folder of masks as it is."""
    return _MODELS.get(name, shortened(name))


def cohort(name: str | None) -> str:
    """A cohort's name, `no cohort` for none."""
    return shortened(name or "no cohort")


def shortened(name: str, longest: int = 28) -> str:
    """A name that fits beside others."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def techniques(rows: Iterable[dict]) -> list[str]:
    """The techniques of the rows (or of anything that has one), the paper's first."""
    found = dict.fromkeys(row["technique"] for row in rows)
    return [name for name in paper.TECHNIQUES if name in found] + sorted(
        name for name in found if name not in paper.TECHNIQUES
    )


def models(rows: Iterable[dict]) -> list[str]:
    """The models of the rows, `initial` and `multimodal` first."""
    found = dict.fromkeys(row["model"] for row in rows)
    return [name for name in _MODELS if name in found] + sorted(
        name for name in found if name not in _MODELS
    )


def cohorts(rows: Iterable[dict]) -> list[str]:
    """The cohorts of the rows, `internal` and `external` first."""
    found = dict.fromkeys(row["cohort"] for row in rows)
    first = [name for name in ("internal", "external") if name in found]
    return first + sorted(name for name in found if name not in first)


def final_models(rows: Iterable[dict]) -> list[str]:
    """The models whose volumes and fat fractions count: not `initial` beside `multimodal`."""
    names = models(rows)
    return [name for name in names if name != "initial" or "multimodal" not in names]


def number(value: float | None, decimals: int = 2) -> str:
    """A number with a true minus sign, never `-0.00`; a dash where there is none."""
    if value is None:
        return DASH
    text = f"{value:.{decimals}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def interval(ends: Sequence[float] | None, decimals: int = 2) -> str:
    """`low, high`; a dash where there is none."""
    return DASH if ends is None else ", ".join(number(end, decimals) for end in ends)


def mean_sd(mean: float | None, sd: float | None, decimals: int = 2) -> str:
    """`mean ± SD`; the mean alone where one value has no spread."""
    if mean is None or sd is None:
        return number(mean, decimals)
    return f"{number(mean, decimals)} ± {number(sd, decimals)}"


def p_value(p: float | None) -> str:
    """`P = .23`, `P < .001`, as the journal prints them: three decimals below .01."""
    if p is None:
        return f"P {DASH}"
    if p < 0.001:
        return "P < .001"
    if p > 0.99:
        return "P > .99"
    decimals = 3 if p < 0.0095 else 2
    return f"P = {f'{p:.{decimals}f}'.removeprefix('0')}"
