"""The tissue table: complete, physical, and in the published order."""

import pytest

from liver_jax.physics import tissues
from liver_jax.physics.tissues import Tissue


def test_every_tissue_has_values_for_both_scanners():
    assert set(tissues.MR) == set(Tissue) == set(tissues.CT)


@pytest.mark.parametrize("tissue", list(Tissue))
def test_values_are_physical(tissue):
    mr = tissues.MR[tissue]
    assert set(mr.t1_ms) == set(mr.r2star_per_s) == {1.5, 3.0}
    assert all(t1 > 0 for t1 in mr.t1_ms.values())
    assert mr.t1_ms[3.0] >= mr.t1_ms[1.5]
    assert mr.r2star_per_s[3.0] >= mr.r2star_per_s[1.5] >= 0
    assert 0 <= mr.pdff_percent <= 100
    assert 0 <= mr.proton_density <= 1


def test_labels_fit_a_byte_and_start_with_air():
    assert Tissue.AIR == 0
    assert sorted(Tissue) == list(range(len(Tissue)))


def test_gadoxetate_shortens_every_t1_it_reaches():
    for tissue, enhanced in tissues.HEPATOBILIARY_T1_MS.items():
        for field, t1_ms in enhanced.items():
            assert t1_ms < tissues.MR[tissue].t1_ms[field]


def test_a_portal_venous_scan_enhances_liver_spleen_and_blood_but_not_fat():
    for tissue in (Tissue.LIVER, Tissue.SPLEEN, Tissue.VEIN, Tissue.KIDNEY_CORTEX):
        row = tissues.CT[tissue]
        assert row.portal_venous[0] - row.unenhanced[0] > 40
    fat = tissues.CT[Tissue.SUBCUTANEOUS_FAT]
    assert abs(fat.portal_venous[0] - fat.unenhanced[0]) < 5
