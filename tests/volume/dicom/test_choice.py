import numpy as np
import pytest
from pydicom import uid

from liver_jax.errors import InputError
from liver_jax.volume.dicom import read, series

IMAGES = np.zeros((6, 5, 4))


def value_of(folder, wanted=None):
    return float(read.read(folder, wanted).volume.data.max())


@pytest.fixture
def add(write_series, tmp_path):
    """Adds a series of one grey value to the folder."""

    def write(number, value, data=IMAGES, affine=None, **how):
        told = {"SeriesNumber": number, **how.pop("series", {})}
        write_series(tmp_path, data + value, affine, series=told, **how)
        return tmp_path

    return write


def test_several_are_listed_and_chosen_by_number_uid_or_place(add):
    add(5, 50, series={"SeriesDescription": "thin\x1b[31m"})
    folder = add(2, 20, series={"SeriesInstanceUID": "1.2.3.4"})
    with pytest.raises(InputError) as caught:
        read.read(folder)
    told = str(caught.value)
    assert "#1 series 2, CT, 4 images of 6 x 5, abdomen" in told
    assert "#2 series 5, CT, 4 images of 6 x 5, thin[31m" in told
    assert "--series=NUMBER" in told and "\n" not in told
    assert value_of(folder, "5") == value_of(folder, "#2") == 50
    assert value_of(folder, "2") == value_of(folder, "1.2.3.4") == 20
    for wrong in ("7", "#3", "#0", "#x", ""):
        with pytest.raises(InputError, match="holds no series"):
            read.read(folder, wrong)


CORONAL = np.array([[-1.5, 0, 0, 0], [0, 0, 5, 0], [0, -2.0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    "how",
    [
        {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")},
        {"image_type": ("DERIVED", "SECONDARY", "MPR")},
        {"image_type": ("DERIVED", "PRIMARY", "PROJECTION IMAGE", "MIP")},
        {"series": {"SeriesDescription": "3-plane loc"}},
        {"series": {"Modality": "PT"}},
        {"series": {"SOPClassUID": uid.SecondaryCaptureImageStorage}},
        {"series": {"SamplesPerPixel": 3}},
        {"data": IMAGES[:, :, :2]},
        {"edit": lambda dataset, index, echo: setattr(dataset, "RescaleType", "MGML")},
    ],
)
def test_what_is_no_scan_is_left_out(add, how):
    add(1, 10, **how)
    folder = add(2, 20)
    assert value_of(folder) == 20
    assert any("1 other series" in note for note in read.read(folder).notes)


@pytest.mark.parametrize("word", ["FAT_FRACTION", "WATER_FRACTION", "T2STAR MAP", "R_FFE", "I"])
def test_maps_and_parts_of_mr_are_left_out(add, word):
    add(1, 10, modality="MR", te_ms=[2.0], image_type=("DERIVED", "PRIMARY", word))
    folder = add(2, 20, modality="MR", te_ms=[2.0])
    assert value_of(folder) == 20


def test_a_localiser_in_the_same_series_is_left_out(add):
    same = {"SeriesInstanceUID": "1.2.3"}
    localiser = ("ORIGINAL", "PRIMARY", "LOCALIZER")
    add(1, 10, IMAGES[:, :, :1], CORONAL, image_type=localiser, series=same)
    assert value_of(add(1, 20, series=same)) == 20


def test_a_localiser_of_three_planes_is_left_out(add):
    sagittal = np.array([[0, 0, 5, 0], [-1.5, 0, 0, 0], [0, -2.0, 0, 0], [0, 0, 0, 1]])
    for affine in (None, CORONAL, sagittal):
        add(1, 10, affine=affine, modality="MR", series={"SeriesInstanceUID": "1.2.3"})
    assert value_of(add(2, 20, modality="MR")) == 20


def test_localisers_alone_are_refused(add):
    folder = add(1, 10, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    with pytest.raises(InputError, match=r"no series to measure: #1 series 1.*\(a localiser\)"):
        read.read(folder)
    assert value_of(folder, "1") == 10  # whoever names it, gets it


def test_a_reformatted_series_alone_is_taken(add):
    assert value_of(add(1, 10, image_type=("DERIVED", "SECONDARY", "MPR"))) == 10


def test_series_that_share_all_but_anonymised_names(add):
    nothing = {"SeriesInstanceUID": "", "StudyInstanceUID": "", "SeriesNumber": None}
    add(None, 10, series=nothing | {"SeriesDescription": "portal"})
    folder = add(None, 20, series=nothing | {"SeriesDescription": "late"})
    with pytest.raises(InputError, match="2 series that could be meant"):
        read.read(folder)
    assert {value_of(folder, "#1"), value_of(folder, "#2")} == {10, 20}


@pytest.mark.parametrize(
    ("name", "values"), [("TemporalPositionIdentifier", (1, 2)), ("DiffusionBValue", (0, 800))]
)
def test_time_points_and_b_values_of_one_series_are_told_apart(add, name, values):
    for value, told in zip((10, 20), values, strict=True):
        add(1, value, modality="MR", te_ms=[2.0], series={"SeriesInstanceUID": "1.2.3", name: told})
        folder = add(2, 5, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    with pytest.raises(InputError, match=f"{name} {values[1]}"):
        read.read(folder)
    assert {value_of(folder, "#1"), value_of(folder, "#2")} == {10, 20}


def test_water_and_fat_are_not_echoes(add):
    for value, word in ((10, "WATER"), (20, "FAT")):
        kind = ("DERIVED", "PRIMARY", "M", word)
        folder = add(value, value, modality="MR", te_ms=[value / 10], image_type=kind)
    with pytest.raises(InputError, match="2 series"):
        read.read(folder)


def test_scans_of_another_repetition_time_are_not_echoes(add):
    for value in (10, 20):
        told = {"RepetitionTime": 10 * value}
        folder = add(value, value, modality="MR", te_ms=[value / 10], series=told)
    with pytest.raises(InputError, match="2 series"):
        read.read(folder)


def test_joined_echoes_are_one_entry_beside_other_scans(add):
    for number, te_ms in ((1, 1.0), (2, 2.0)):
        add(number, number, modality="MR", te_ms=[te_ms])
    folder = add(
        9, 9, modality="MR", te_ms=[5.0], series={"SeriesDescription": "T2", "FlipAngle": 90}
    )
    with pytest.raises(InputError, match=r"#1 series 1 \+ 2, .* TE 1, 2 ms.*; #2 series 9"):
        read.read(folder)
    assert read.read(folder, "#1").te_ms == (1.0, 2.0)
    assert read.read(folder, "2").te_ms == (2.0,)


def test_found_counts_what_is_not_an_image(add):
    folder = add(1, 10)
    (folder / "notes.txt").write_text("x" * 300)
    found = series.find(folder)
    assert (len(found.series), found.other_objects, found.other_files) == (1, 0, 1)
    assert any("1 files that are not DICOM" in note for note in read.read(folder).notes)


@pytest.mark.parametrize("component", ["P", "R", "I"])
def test_a_part_of_the_signal_is_refused_even_if_asked_for(add, component):
    folder = add(1, 10, modality="MR", image_type=("ORIGINAL", "PRIMARY", component))
    with pytest.raises(InputError, match=r"image of the signal|no series to measure"):
        read.read(folder, "1")
