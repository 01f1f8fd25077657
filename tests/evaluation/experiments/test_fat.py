import pytest

from liver_jax.evaluation.experiments import fat


def case(row, exam, automated, manual, without=(None, None), **fields):
    return row(
        0.9,
        technique="spgr2d",
        exam=exam,
        pdff_percent_auto=automated,
        pdff_percent_manual=manual,
        pdff_percent_auto_without_vessels=without[0],
        pdff_percent_manual_without_vessels=without[1],
        **fields,
    )


def test_like_is_compared_with_like(row):
    rows = [
        case(row, "a", 10.0, 11.0, (10.5, 11.25)),
        case(row, "b", 21.0, 20.0, (21.25, 20.75)),
        case(row, "c", 30.0, 30.0),  # no vessels drawn
        case(row, "d", None, 8.0, (None, 8.5), status="empty"),
        row(0.9, technique="ct", exam="e"),  # no PDFF at all: no group
    ]
    result = fat.run(rows)
    whole, without = result["groups"]
    assert (whole["region"], without["region"]) == ("whole_liver", "without_vessels")
    assert (whole["n"], whole["n_undefined"], whole["agreement"]["n"]) == (4, 1, 3)
    assert whole["agreement"]["bias"]["value"] == pytest.approx(0.0)
    assert (without["n_undefined"], without["agreement"]["n"]) == (2, 2)
    assert without["agreement"]["bias"]["value"] == pytest.approx((-0.75 + 0.5) / 2)

    shifts = {group["mask"]: group for group in result["vessels"]}
    assert shifts["automated"]["shift"]["difference"]["value"] == pytest.approx((0.5 + 0.25) / 2)
    assert shifts["manual"]["shift"]["mean_before"] == pytest.approx((11 + 20 + 8) / 3)
    assert [shifts[mask]["n_undefined"] for mask in ("automated", "manual")] == [2, 1]


def test_no_pdff_gives_a_reason(row):
    result = fat.run([row(0.9)])
    assert result["groups"] == result["vessels"] == [] and result["reason"]
