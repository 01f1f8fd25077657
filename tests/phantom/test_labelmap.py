"""Label maps as anatomy: refused with reasons, or made bodies that keep their organs."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage

from liver_jax.errors import InputError
from liver_jax.phantom import labelmap, person, sampling
from liver_jax.phantom.maps import hull, refine, structures
from liver_jax.phantom.maps.structures import Structure
from liver_jax.phantom.person import Finding
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

STEP = 3.0
NAMES = {
    1: "spleen",
    2: "left kidney",
    5: "liver",
    6: "stomach",
    7: "lung_lower_lobe_right",
    8: "lung_lower_lobe_left",
    9: "vertebrae_L1",
    10: "spinal_cord",
    11: "aorta",
    12: "inferior_vena_cava",
    13: "portal_vein_and_splenic_vein",
    14: "colon",
    15: "left deep back muscle",
    16: "rib_right_9",
    17: "brain",
}
SHAPE = (90, 70, 76)
ORIGIN = (-133.5, -103.5, 40.0)


def anatomy_labels():
    """A small abdomen of ellipsoids, int32 [x, y, z], x to the right."""
    axes = [o + STEP * np.arange(n) for o, n in zip(ORIGIN, SHAPE, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    labels = np.zeros(SHAPE, np.int32)

    def paint(value, centre, semi_axes):
        terms = (((p - c) / a) ** 2 for p, c, a in zip((x, y, z), centre, semi_axes, strict=True))
        labels[np.broadcast_to(sum(terms) < 1, SHAPE) & (labels == 0)] = value

    paint(5, (45, 5, 150), (55, 60, 55))
    paint(1, (-75, -25, 160), (25, 35, 40))
    paint(2, (-45, -45, 110), (22, 22, 40))
    paint(6, (-45, 30, 160), (35, 25, 35))
    paint(14, (-40, 50, 90), (35, 15, 20))
    paint(11, (-8, -20, 150), (9, 9, 500))
    paint(12, (14, -55, 150), (12, 12, 500))
    paint(13, (5, -10, 130), (25, 7, 7))
    paint(7, (50, 0, 250), (50, 65, 80))
    paint(8, (-50, 0, 250), (45, 65, 70))
    paint(10, (0, -85, 150), (9, 9, 500))
    for level in range(60, 300, 36):
        paint(9, (0, -62, level), (20, 18, 14))
    paint(15, (-30, -85, 150), (22, 15, 500))
    paint(16, (108, 0, 150), (5, 40, 8))
    paint(17, (0, 60, 60), (10, 10, 10))
    return labels


def written(folder, labels=None, names=None, affine=None, table="map.tsv"):
    labels = anatomy_labels() if labels is None else labels
    if affine is None:
        affine = np.diag([STEP, STEP, STEP, 1.0])
        affine[:3, 3] = ORIGIN
    path = folder / "map.nii.gz"
    nifti.write(path, labels.astype(np.uint8), Volume(labels, affine))
    rows = "".join(f"{v}\t{n}\t1.0\n" for v, n in (NAMES if names is None else names).items())
    (folder / table).write_text("value\tname\tvolume_ml\n" + rows)
    return path


def someone(bmi=26.0, findings=(), target=800.0, sex="M"):
    return person.Person(
        sex=sex,
        age=50,
        bmi=bmi,
        findings=frozenset(findings),
        target_liver_volume_ml=target,
        liver_pdff_percent=5.0,
        liver_pdff_sd_percent=1.0,
        liver_iron_mg_per_g=0.6,
        uptake_mm=0.25,
        child_pugh="",
    )


def seen(body, step=4.0):
    """Tissues of a whole body, [x, y, z], and the axes."""
    axes = [np.arange(a + step / 2, b, step) for a, b in zip(*body.extent_mm, strict=True)]
    x, y, z = axes
    return body.tissue(x[:, None, None], y[None, :, None], z[None, None, :]), axes


@pytest.fixture(scope="module")
def abdomen(tmp_path_factory):
    return labelmap.read(written(tmp_path_factory.mktemp("map")))


@pytest.fixture(scope="module")
def straight(abdomen):
    return labelmap.undeformed(abdomen, someone(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def bent(abdomen):
    return labelmap.deform(abdomen, someone(), np.random.default_rng(1))


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("liver", Structure.LIVER),
        ("portal_vein_and_splenic_vein", Structure.PORTAL_VEIN),
        ("portal vein and splenic vein", Structure.PORTAL_VEIN),
        ("kidney_left", Structure.KIDNEY),
        ("right kidney", Structure.KIDNEY),
        ("kidney_cyst_left", Structure.RENAL_CYST),
        ("adrenal_gland_left", Structure.GLAND),
        ("gallbladder", Structure.GALLBLADDER),
        ("urinary_bladder", Structure.BLADDER),
        ("superior lobe of left lung", Structure.LUNG),
        ("pulmonary_vein", Structure.VEIN),
        ("T12 vertebra", Structure.VERTEBRA),
        ("Sacrum", Structure.VERTEBRA),
        ("costal_cartilages", Structure.CARTILAGE),
        ("rib 6 left", Structure.BONE),
        ("left iliopsoas muscle", Structure.MUSCLE),
        ("spinal cord", Structure.SPINAL_CANAL),
        ("humerus_left", Structure.NONE),
        ("no such organ", Structure.NONE),
        ("", Structure.NONE),
    ],
)
def test_names_of_two_tools_mean_the_same(name, structure):
    assert structures.structure(name) is structure


def test_a_map_without_its_table_is_refused(tmp_path):
    path = written(tmp_path, table="other.tsv")
    with pytest.raises(InputError, match=r"map\.tsv: no such file"):
        labelmap.read(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5\tliver\n", "has the columns 5, liver"),
        ("value\tname\nfive\tliver\n", "row 2 has the value 'five'"),
        ("value\tname\n5\tliver\n5\tspleen\n", "gives label 5 two names"),
        ("", "has the columns none"),
    ],
)
def test_a_faulty_table_is_refused(tmp_path, text, words):
    path = written(tmp_path)
    (tmp_path / "map.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        labelmap.read(path)


def test_a_table_of_another_kind_is_refused(tmp_path):
    path = written(tmp_path, table="names.json")
    with pytest.raises(InputError, match=r"is not a \.tsv or \.csv file"):
        labelmap.read(path, tmp_path / "names.json")


def test_a_label_without_a_name_is_refused(tmp_path):
    names = {value: name for value, name in NAMES.items() if value != 14}
    with pytest.raises(InputError, match=r"label 14, which has no name in map\.tsv"):
        labelmap.read(written(tmp_path, names=names))


def test_a_map_without_liver_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no liver"):
        labelmap.read(written(tmp_path, names=NAMES | {5: "spleen"}))


def test_a_liver_of_a_few_voxels_is_refused(tmp_path):
    labels = anatomy_labels()
    labels[:, :, 22:][labels[:, :, 22:] == 5] = 0
    with pytest.raises(InputError, match="holds only"):
        labelmap.read(written(tmp_path, labels))


def test_a_liver_cut_at_a_side_is_refused(tmp_path):
    with pytest.raises(InputError, match="cut at a side"):
        labelmap.read(written(tmp_path, anatomy_labels()[:60]))


def test_a_coarse_or_an_oblique_map_is_refused(tmp_path):
    with pytest.raises(InputError, match="6 mm"):
        labelmap.read(written(tmp_path, affine=np.diag([3.0, 3.0, 6.0, 1.0])))
    turned = np.eye(4)
    turned[:2, :2] = [[2.4, -1.8], [1.8, 2.4]]
    turned[2, 2] = 3.0
    with pytest.raises(InputError, match="oblique"):
        labelmap.read(written(tmp_path, affine=turned))


def test_without_deformation_the_liver_has_the_volume_of_its_label(abdomen, straight):
    label_ml = (anatomy_labels() == 5).sum() * STEP**3 / 1000
    assert abdomen.liver_volume_ml == pytest.approx(label_ml)
    assert straight.liver_volume_ml == pytest.approx(label_ml, rel=0.02)


def test_organs_are_where_the_map_has_them(straight):
    # z = 0 is the top of the liver, near 204 mm in the map; x and y are about the body's middle.
    middle = [(-98.5 + 113) / 2, (-98.5 + 65) / 2]
    for place, tissues in {
        (70, 0, 150): LIVER_TISSUES,
        (-75, -25, 160): (Tissue.SPLEEN,),
        (-45, -45, 110): (Tissue.KIDNEY_MEDULLA,),
        (-45, -45, 147): (Tissue.KIDNEY_CORTEX,),
        (-45, 15, 160): (Tissue.BOWEL_FLUID,),
        (-45, 45, 160): (Tissue.BOWEL_GAS,),
        (-8, -20, 100): (Tissue.ARTERY,),
        (0, -62, 132): (Tissue.MARROW,),
        (0, -62, 150): (Tissue.DISC,),
        (0, -85, 150): (Tissue.CORD,),
        (-32, -88, 150): (Tissue.MUSCLE,),
        (50, 20, 260): (Tissue.LUNG, Tissue.VEIN),
    }.items():
        x, y, z = (
            np.full((1, 1, 1), p)
            for p in (place[0] - middle[0], place[1] - middle[1], place[2] - 204.0)
        )
        assert Tissue(straight.tissue(x, y, z)[0, 0, 0]) in tissues, place


def test_no_air_inside_the_body_and_air_all_around(straight, bent):
    for body in (straight, bent):
        tissue, _ = seen(body)
        assert scipy.ndimage.label(tissue == Tissue.AIR)[1] == 1  # in one piece: around
        assert not tissue[[0, -1]].any()
        assert not tissue[:, [0, -1]].any()
        assert tissue.any(axis=(0, 1)).all()


def test_the_liver_stays_on_the_right_with_vessels_inside(bent):
    tissue, (x, _, _) = seen(bent)
    liver = np.isin(tissue, LIVER_TISSUES)
    spleen = tissue == Tissue.SPLEEN
    assert np.average(x, weights=liver.sum(axis=(1, 2))) > 20
    assert np.average(x, weights=spleen.sum(axis=(1, 2))) < -40
    share = (tissue == Tissue.LIVER_VESSEL).sum() / liver.sum()
    assert 0.01 < share < 0.10


def test_the_volume_of_a_deformed_liver_is_what_a_scanner_finds(bent):
    grid = sampling.around(bent, 96, 4.0, (15.0, 15.0), 0.05)
    found = sum(
        float(composition.fraction(LIVER_TISSUES).sum())
        for _, composition in sampling.compositions(bent, grid, 5)
    )
    assert found * np.prod(grid.spacing_mm) / 1000 == pytest.approx(bent.liver_volume_ml, rel=0.01)
    low, high = bent.liver_range_mm
    assert bent.extent_mm[0][2] < low < high < bent.extent_mm[1][2]


def test_the_liver_follows_its_target_a_little(abdomen):
    small, large = (
        labelmap.deform(abdomen, someone(target=target), np.random.default_rng(3))
        for target in (100.0, 9000.0)
    )
    # 12 % along each axis at most, both ways; the rest of the deformation is the same.
    assert large.liver_volume_ml / small.liver_volume_ml == pytest.approx(1.12**6, rel=0.03)


def test_the_same_seed_gives_the_same_body_and_another_another(abdomen, bent):
    same = labelmap.deform(abdomen, someone(), np.random.default_rng(1))
    other = labelmap.deform(abdomen, someone(), np.random.default_rng(2))
    np.testing.assert_array_equal(same.labels, bent.labels)
    assert (same.warp, same.extent_mm, same.liver_volume_ml) == (
        bent.warp,
        bent.extent_mm,
        bent.liver_volume_ml,
    )
    assert (other.labels != bent.labels).any()
    assert other.liver_volume_ml != bent.liver_volume_ml


def test_open_grids_and_full_arrays_give_the_same_tissue(bent):
    x, y, z = np.meshgrid(
        np.linspace(-150, 150, 23), np.linspace(-120, 120, 19), [-90.0, -40.0], indexing="ij"
    )
    opened = bent.tissue(x[:, :1, :1], y[:1, :, :1], z[:1, :1])
    assert opened.dtype == np.uint8
    np.testing.assert_array_equal(opened, bent.tissue(x, y, z))


@pytest.mark.parametrize("seed", range(5))
def test_a_warp_folds_nothing(seed):
    warp = labelmap._draw_warp(1.0, np.random.default_rng(seed))
    points = np.meshgrid(*[np.arange(-180, 180, 9.0)] * 3, indexing="ij")
    moved = [warp(*points, axis) for axis in range(3)]
    jacobian = np.stack([np.stack(np.gradient(m, 9.0), axis=-1) for m in moved], axis=-1)
    determinant = np.linalg.det(jacobian)
    assert determinant.min() > 0.5
    assert determinant.max() < 2.0


def test_fat_grows_with_body_mass(abdomen):
    widths = []
    for bmi in (19.0, 27.0, 40.0):
        body = labelmap.undeformed(abdomen, someone(bmi=bmi), np.random.default_rng(5))
        tissue, _ = seen(body)
        widths.append((tissue == Tissue.SUBCUTANEOUS_FAT).sum())
    assert widths[0] < widths[1] < widths[2]
    assert widths[2] > 2 * widths[0]


@pytest.mark.parametrize(
    ("finding", "tissue"),
    [
        (Finding.LESIONS, Tissue.LESION),
        (Finding.CYSTS, Tissue.CYST),
        (Finding.LARGE_LESION, Tissue.INFILTRATE),
        (Finding.ASCITES, Tissue.FLUID),
        (Finding.EFFUSION, Tissue.FLUID),
    ],
)
def test_findings_are_seen_and_leave_the_liver_its_shape(abdomen, straight, finding, tissue):
    ill = labelmap.undeformed(abdomen, someone(findings=[finding]), np.random.default_rng(0))
    assert (ill.labels == tissue).sum() > (straight.labels == tissue).sum()
    np.testing.assert_array_equal(
        np.isin(ill.labels, LIVER_TISSUES), np.isin(straight.labels, LIVER_TISSUES)
    )
    assert finding in ill.person.findings


def test_findings_that_only_a_shape_could_show_are_not_claimed(abdomen):
    ill = someone(findings=[Finding.SPLENOMEGALY, Finding.RESECTION, Finding.STEATOSIS])
    body = labelmap.deform(abdomen, ill, np.random.default_rng(0))
    assert body.person == dataclasses.replace(ill, findings=frozenset({Finding.STEATOSIS}))


def test_orientation_on_disk_and_threads_do_not_matter(tmp_path):
    # Only what lies around the liver's lower part: a quick one.
    labels = anatomy_labels()[..., :40]
    affine = np.diag([STEP, STEP, STEP, 1.0])
    affine[:3, 3] = ORIGIN
    upright = labelmap.read(written(tmp_path, labels, affine=affine))
    flipped = np.diag([-STEP, -STEP, STEP, 1.0])
    flipped[:3, 3] = (
        ORIGIN[0] + STEP * (SHAPE[0] - 1),
        ORIGIN[1] + STEP * (SHAPE[1] - 1),
        ORIGIN[2],
    )
    again = labelmap.read(written(tmp_path, labels[::-1, ::-1], affine=flipped), threads=2)
    np.testing.assert_array_equal(upright.refined.codes, again.refined.codes)
    assert upright.cut == again.cut == (False, True)

    body = labelmap.deform(upright, someone(), np.random.default_rng(4))
    assert body.liver_range_mm[1] == pytest.approx(body.extent_mm[1][2], abs=4.0)
    assert body.liver_range_mm[0] > body.extent_mm[0][2] + 20


def test_a_hull_measures_distances_to_a_circle_and_holds_what_it_is_made_of():
    x = y = np.arange(-60, 61, 2.0)
    disc = (np.hypot(x[:, None] - 10, y) < 40)[None].repeat(5, axis=0)
    disc[2] = False  # as an empty slice
    reach = hull.smoothed(hull.support(disc, x, y), 2.0, 4.0)
    distance = hull.distance_mm(reach, x, y)
    assert distance[disc].max() < 1.0
    np.testing.assert_allclose(distance[2], np.hypot(x[:, None] - 10, y) - 39, atol=1.5)
    round_already = hull.rounded(reach)
    np.testing.assert_allclose(round_already, reach, atol=1.0)


def test_codes_leave_room_for_every_tissue_and_the_thickest_fat():
    assert len(Tissue) <= refine.PERITONEAL < refine.DEPENDENT_LUNG < refine.OUTSIDE
    assert (255 - refine.OUTSIDE) * refine.DEPTH_STEP_MM > 40


@pytest.mark.real
def test_a_real_map_becomes_a_body(real_data):
    abdomen = labelmap.read(real_data / "ct_native" / "labels.nii.gz")
    assert abdomen.liver_volume_ml == pytest.approx(1125.68, abs=0.01)
    assert abdomen.cut == (False, True)
    body = labelmap.undeformed(abdomen, someone(), np.random.default_rng(0))
    assert body.liver_volume_ml == pytest.approx(1125.68, rel=0.02)
    tissue, (x, _, _) = seen(body)
    liver = np.isin(tissue, LIVER_TISSUES)
    assert np.average(x, weights=liver.sum(axis=(1, 2))) > 30
    assert scipy.ndimage.label(tissue == Tissue.AIR)[1] == 1
    assert len(np.unique(tissue)) > 20


@pytest.mark.real
def test_a_real_map_that_is_narrower_than_the_body_is_refused(real_data):
    with pytest.raises(InputError, match="cut at a side"):
        labelmap.read(real_data / "anatomies" / "s0009.nii.gz")
