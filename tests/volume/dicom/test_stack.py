import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.volume.dicom import read

TILTED = np.eye(4)
TILTED[:3, :3] = np.diag([-1.5, -2.0, 5.0])
TILTED[1, 2] = 5 * np.tan(np.radians(12))


def refused(folder):
    with pytest.raises(InputError) as caught:
        read.read_header(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def only(*indices):
    return lambda dataset, index, echo: index in indices


def test_spacing_is_that_of_positions_alone(write_series, tmp_path, ct_values):
    def mislead(dataset, index, echo):
        dataset.SliceThickness = 3
        dataset.SpacingBetweenSlices = 4
        dataset.InstanceNumber = 100 - index
        dataset.SliceLocation = -5.5 * index

    write_series(tmp_path, ct_values, edit=mislead)
    np.testing.assert_allclose(read.read_header(tmp_path).spacing_mm, [1.5, 2, 5])


def test_pixel_spacing_has_rows_first(write_series, tmp_path, ct_values):
    def spacing(dataset, index, echo):
        dataset.PixelSpacing = [3, 0.5]  # rows are 3 mm apart, so y; columns .5, so x

    write_series(tmp_path, ct_values, edit=spacing)
    np.testing.assert_allclose(read.read_header(tmp_path).spacing_mm, [0.5, 3, 5])


def test_a_missing_slice_is_refused_with_its_place(write_series, tmp_path):
    write_series(tmp_path, np.zeros((4, 3, 8)), edit=only(0, 1, 2, 3, 4, 6, 7))
    told = refused(tmp_path)
    assert "series 3 misses 1 slice: after slice 5 of 7 the gap is 10 mm" in told
    assert "others have 5 mm" in told


def test_uneven_slices_are_refused(write_series, tmp_path):
    def shift(dataset, index, echo):
        if index == 5:
            dataset.ImagePositionPatient[2] += 0.3

    write_series(tmp_path, np.zeros((4, 3, 8)), edit=shift)
    told = refused(tmp_path)
    assert "unevenly spaced: after slice" in told and "dcm2niix" in told


def test_a_part_of_a_concatenation_is_refused(write_series, tmp_path):
    def cut(dataset, index, echo):
        dataset.ConcatenationUID, dataset.InConcatenationNumber = "1.2.3", 1
        dataset.InConcatenationTotalNumber = 2

    write_series(tmp_path, np.zeros((4, 3, 8)), enhanced=True, edit=cut)
    assert "cut into several (a concatenation)" in refused(tmp_path)


def test_rounded_positions_are_even(write_series, tmp_path):
    affine = np.diag([-1, -1, 1 / 3, 1.0])

    def round_off(dataset, index, echo):
        dataset.ImagePositionPatient[2] = round(float(dataset.ImagePositionPatient[2]), 1)

    write_series(tmp_path, np.zeros((4, 3, 31)), affine, edit=round_off)
    np.testing.assert_allclose(read.read_header(tmp_path).spacing_mm, [1, 1, 1 / 3])


def test_a_tilted_gantry_is_kept_as_it_is(write_series, tmp_path, ct_values):
    write_series(tmp_path, ct_values, TILTED)
    source = read.read(tmp_path)
    np.testing.assert_allclose(source.volume.affine, TILTED, atol=1e-9)
    # 1.5 x 2 mm times the 5 mm between planes: the shear adds nothing.
    assert source.volume.voxel_volume_ml == pytest.approx(0.015)
    assert any("12.0 degrees" in note for note in source.notes)


def test_shifts_in_plane_are_refused(write_series, tmp_path):
    def shift(dataset, index, echo):
        dataset.ImagePositionPatient[0] += 2 * (index % 2)

    write_series(tmp_path, np.zeros((4, 3, 8)), edit=shift)
    assert "shifted in plane" in refused(tmp_path)


def test_exact_duplicates_are_dropped_with_a_note(write_series, tmp_path, ct_values):
    same = {"SeriesInstanceUID": "1.2.3"}
    write_series(tmp_path, ct_values, series=same)
    write_series(tmp_path, ct_values, series=same, edit=only(1, 2))
    source = read.read(tmp_path)
    np.testing.assert_array_equal(source.volume.data, ct_values)
    assert "2 exact duplicates were dropped" in source.notes


def test_different_images_of_one_slice_are_refused(write_series, tmp_path, ct_values):
    same = {"SeriesInstanceUID": "1.2.3"}
    write_series(tmp_path, ct_values, series=same)
    write_series(tmp_path, ct_values + 1, series=same, edit=only(1))
    assert "has 2 different images for slice 2 of 4" in refused(tmp_path)


@pytest.mark.parametrize(
    "keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
def test_missing_geometry_is_named(write_series, tmp_path, ct_values, keyword):
    def forget(dataset, index, echo):
        delattr(dataset, keyword)

    write_series(tmp_path, ct_values, edit=forget)
    assert f"series 3 lacks a usable {keyword} in 4 of 4 images" in refused(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PixelSpacing": [0, 0]}, "no scan has"),
        ({"PixelSpacing": [-1, 1]}, "no scan has"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "right angles"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "right angles"),
        ({"ImagePositionPatient": [0, 0, "1e300"]}, "no scan has"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "inverted"),
        ({"RescaleSlope": 0}, "RescaleSlope of 0"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, "without Hounsfield units"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, "BitsAllocated 12"),
        ({"BitsStored": 17}, "BitsStored 17"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000"),
        ({"SamplesPerPixel": 3}, "in colour"),
        ({"Modality": "PT"}, "PT"),
        ({"NumberOfFrames": 4}, "without functional groups"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "Siemens mosaic"),
    ],
)
def test_what_cannot_be_right_is_refused(write_series, tmp_path, ct_values, changes, told):
    def change(dataset, index, echo):
        for name, value in changes.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)

    write_series(tmp_path, ct_values, edit=change)
    assert told in refused(tmp_path)


def test_one_image_of_another_pixel_spacing_is_refused(write_series, tmp_path, ct_values):
    def change(dataset, index, echo):
        if index == 2:
            dataset.PixelSpacing = [1, 1]

    write_series(tmp_path, ct_values, edit=change)
    assert "different PixelSpacing" in refused(tmp_path)


@pytest.mark.parametrize("count", [3, 1_000_000_000])
def test_frames_without_their_groups_are_refused(write_series, tmp_path, ct_values, count):
    def change(dataset, index, echo):
        dataset.NumberOfFrames = count

    write_series(tmp_path, ct_values, enhanced=True, edit=change)
    assert f"NumberOfFrames {count}, but 4 functional groups" in refused(tmp_path)


def test_echoes_of_different_slices_are_refused(write_series, tmp_path):
    data = np.zeros((4, 3, 5, 2))
    how = {"modality": "MR", "te_ms": (2.0, 4.0)}
    write_series(tmp_path, data, **how, edit=lambda dataset, index, echo: (index, echo) != (4, 1))
    assert "has 4 slices of echo time 4 ms and 5 of 2 ms" in refused(tmp_path)


def test_a_single_slice_without_thickness_is_refused(write_series, tmp_path):
    def forget(dataset, index, echo):
        del dataset.SliceThickness

    write_series(tmp_path, np.zeros((4, 3, 1)), edit=forget)
    assert "single slice without SliceThickness" in refused(tmp_path)
