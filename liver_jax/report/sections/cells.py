"""What the sections' tables share: estimates, tests and populations as the cells of a table."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, paragraph, text

NO_CASES = "No case of this evaluation belongs here."


def nothing(found: dict) -> Markup:
    """Why an experiment has nothing to show."""
    reason = found.get("reason") or NO_CASES.rstrip(".")
    return paragraph(f"{reason[0].upper()}{reason[1:]}.", "quiet")


def population(group: dict) -> str:
    """Technique, and what a group was narrowed to: `CT, internal, enhanced`."""
    words = [wording.technique(group["technique"])]
    if group.get("region") == "without_vessels":
        words.append("vessels excluded")
    if group["cohort"] != "pooled":
        words.append(group["cohort"])
    if group["contrast"] != "all":
        words.append(group["contrast"])
    return ", ".join(words)


def estimate(found: dict | None, decimals: int, exact: bool = False) -> Markup:
    """A value with its interval on a second line."""
    if not found or found["value"] is None:
        return Markup(wording.DASH)
    ends = found["exact_interval_95"] if exact else found["interval_95"]
    number = wording.number(found["value"], decimals)
    return bracketed(number, None if ends is None else wording.interval(ends, decimals))


def bracketed(words: str, below: str | None) -> Markup:
    """Words with others in brackets on a second line."""
    second = "" if below is None else f'<span class="interval">({text(below)})</span>'
    return Markup(text(words) + second)


def statistic(test: dict | None) -> str:
    """`1.29 (5, 95), P = .23`: the statistic with its degrees of freedom; a dash for none."""
    if not test or test["p"] is None:
        return wording.DASH
    df = ", ".join(f"{value:.4g}" for value in test["df"])
    return f"{test['statistic']:.2f} ({df}), {wording.p_value(test['p'])}"


def p_of_test(test: dict | None) -> str:
    """The P of a test; a dash for none."""
    return p(test["p"] if test else None)


def p(value: float | None) -> str:
    """`.23`, `< .001`: P where the column's head says that it is one."""
    if value is None:
        return wording.DASH
    return wording.p_value(value).removeprefix("P ").removeprefix("= ")
