import copy
import io
import shutil
import zipfile

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom import uid

from liver_jax.errors import InputError
from liver_jax.volume import geometry, nifti
from liver_jax.volume.dicom import read
from liver_jax.volume.geometry import Volume

AXIAL = np.diag([-1.5, -2.0, 5.0, 1.0])


def turned(columns):
    """An affine with these directions of x, y and z, of 1.5, 2 and 5 mm, off the origin."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(columns, float).T * [1.5, 2.0, 5.0]
    affine[:3, 3] = [11.5, -20.25, 33.0]
    return affine


def rotated(degrees=(10, -20, 15)):
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, two = (other for other in range(3) if other != axis)
        step = np.eye(3)
        step[one, one] = step[two, two] = np.cos(angle)
        step[one, two], step[two, one] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    return turn


def by_position(volume):
    """{value: rounded place in mm}, for data whose values are all different."""
    index = np.argwhere(np.ones(volume.grid_shape, bool))
    places = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return dict(zip(volume.data[tuple(index.T)].tolist(), places, strict=True))


def assert_same_places(found, data, affine):
    expected, got = by_position(Volume(data, affine)), by_position(found)
    assert expected.keys() == got.keys()
    for value, place in expected.items():
        np.testing.assert_allclose(got[value], place, atol=1e-4)


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize(
    "columns",
    [
        [(-1, 0, 0), (0, -1, 0), (0, 0, 1)],  # axial
        [(-1, 0, 0), (0, 0, -1), (0, -1, 0)],  # coronal
        [(0, -1, 0), (0, 0, -1), (1, 0, 0)],  # sagittal
        rotated().T,
        # Slices from the other end: the reader turns z to the normal, and no voxel moves.
        [(-1, 0, 0), (0, -1, 0), (0, 0, -1)],
    ],
)
def test_every_voxel_is_where_the_scanner_put_it(
    write_series, tmp_path, ct_values, columns, enhanced
):
    write_series(tmp_path, ct_values, turned(columns), enhanced=enhanced)
    source = read.read(tmp_path)
    assert source.modality == "CT"
    assert source.volume.data.dtype == np.float32
    assert_same_places(source.volume, ct_values, turned(columns))
    assert np.linalg.det(source.volume.affine[:3, :3]) > 0  # right-handed, as LPS is
    header = read.read_header(tmp_path)
    assert header.shape == ct_values.shape
    np.testing.assert_array_equal(header.affine, source.volume.affine)
    np.testing.assert_allclose(header.spacing_mm, [1.5, 2, 5])


def test_origin_has_the_image_of_each_slice(write_series, tmp_path, ct_values):
    order = [2, 0, 3, 1]  # the files' names and instance numbers are in no order

    def shuffle(dataset, index, echo):
        dataset.ImagePositionPatient[2] = 5.0 * order[index]
        dataset.InstanceNumber = index + 1

    write_series(tmp_path, ct_values[:, :, order], edit=shuffle)
    source = read.read(tmp_path)
    np.testing.assert_array_equal(source.volume.data, ct_values)
    assert source.origin.frame_numbers is None
    heights = [dataset.ImagePositionPatient[2] for dataset in source.origin.datasets]
    assert heights == [0, 5, 10, 15]
    assert not any("PixelData" in dataset for dataset in source.origin.datasets)


def test_origin_of_a_multi_frame_object(write_series, tmp_path, ct_values):
    write_series(tmp_path, ct_values, np.diag([-1, -1, -5.0, 1]), enhanced=True)
    origin = read.read(tmp_path).origin
    assert len(origin.datasets) == 1
    assert origin.frame_numbers == (4, 3, 2, 1)
    assert origin.datasets[0].NumberOfFrames == 4


SYNTAXES = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.JPEGLosslessSV1,
]


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: uid.UID(syntax).keyword)
def test_every_syntax_gives_the_same_values(write_series, tmp_path, syntax, signed, enhanced):
    data = np.random.default_rng(3).integers(-1000, 1000, (40, 36, 2)).astype(np.float32)
    how = {"syntax": syntax, "enhanced": enhanced, "signed": signed, "bits_stored": 12}
    write_series(tmp_path, data, **how, intercept=0.0 if signed else -1024.0)
    np.testing.assert_array_equal(read.read(tmp_path).volume.data, data)


@pytest.mark.parametrize(
    ("syntax", "most", "options"),
    [(uid.JPEGLSNearLossless, 2, {"jls_error": 2}), (uid.JPEG2000, 12, {"j2k_cr": [2]})],
    ids=["JPEG-LS", "JPEG 2000"],
)
def test_lossy_compression_gives_nearly_the_same_values(
    write_series, tmp_path, syntax, most, options
):
    x, y, z = np.mgrid[:40, :36, :3]
    data = np.round(200 * np.sin(x / 9) * np.cos(y / 7) + 10 * z).astype(np.float32)
    for path in write_series(tmp_path, data):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False, **options)
        dataset.save_as(path)
    apart = np.abs(read.read(tmp_path).volume.data - data)
    assert 0 < apart.max() <= most


def _encapsulate(paths, encode, syntax):
    """Writes streams of an encoder that pydicom does not have."""
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pydicom.encaps.encapsulate([encode(dataset)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)


def test_baseline_jpeg_of_8_bits_is_read_and_told_to_be_lossy(write_series, tmp_path):
    def encode(dataset):
        held, grey = io.BytesIO(), dataset.pixel_array.astype(np.uint8)
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.LossyImageCompression = "01"
        PIL.Image.fromarray(grey).save(held, "JPEG", quality=95)
        return held.getvalue()

    x, y, z = np.mgrid[:40, :36, :3]
    data = np.round(100 + 80 * np.sin(x / 9) * np.cos(y / 7) + 5 * z).astype(np.float32)
    paths = write_series(tmp_path, data, modality="MR")
    _encapsulate(paths, encode, uid.JPEGBaseline8Bit)
    source = read.read(tmp_path)
    assert np.abs(source.volume.data - data).max() <= 4
    assert "the images were compressed with loss" in source.notes


@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K])
def test_high_throughput_jpeg_2000_has_its_decoder(write_series, tmp_path, ct_values, syntax):
    # There is no encoder for it here: a stream of JPEG 2000, which such decoders take as well.
    data = np.tile(ct_values, (6, 8, 1))
    paths = write_series(tmp_path, data, syntax=uid.JPEG2000Lossless)
    _encapsulate(paths, lambda held: next(pydicom.encaps.generate_frames(held.PixelData)), syntax)
    np.testing.assert_array_equal(read.read(tmp_path).volume.data, data)


@pytest.mark.parametrize("enhanced", [False, True])
def test_ct_that_is_not_in_hounsfield_units_is_refused(write_series, tmp_path, enhanced):
    def edit(dataset, index, echo):
        groups = dataset.get("PerFrameFunctionalGroupsSequence")
        for item in [group.PixelValueTransformationSequence[0] for group in groups or ()]:
            item.RescaleType = "EDW"
        if not groups:
            dataset.RescaleType = "EDW"

    write_series(tmp_path, np.zeros((6, 5, 4)), enhanced=enhanced, edit=edit)
    with pytest.raises(InputError, match=r"no series to measure: .*\(a map\)"):
        read.read(tmp_path)
    with pytest.raises(InputError, match="series 3 is CT in EDW"):
        read.read(tmp_path, "3")


def test_dixon_of_one_enhanced_object_has_in_and_out_of_phase_as_echoes(write_series, tmp_path):
    """As the standard names them; the enhanced object also holds water and fat."""
    kinds = {2.3: "OUT_OF_PHASE", 4.6: "IN_PHASE", 4.7: "WATER", 4.8: "FAT"}

    def edit(dataset, index, echo):
        shared = dataset.SharedFunctionalGroupsSequence[0]
        kind = shared.MRImageFrameTypeSequence[0]
        del shared.MRImageFrameTypeSequence
        for group in dataset.PerFrameFunctionalGroupsSequence:
            own = copy.deepcopy(kind)
            te_ms = group.MREchoSequence[0].EffectiveEchoTime
            own.FrameType = ["DERIVED", "PRIMARY", "DIXON", kinds[te_ms]]
            group.MRImageFrameTypeSequence = [own]

    data = np.stack([np.full((6, 5, 4), value, np.float32) for value in (1, 2, 3, 4)], axis=3)
    write_series(tmp_path, data, modality="MR", te_ms=list(kinds), enhanced=True, edit=edit)
    with pytest.raises(InputError, match=r"3 series.*TE 2\.3, 4\.6 ms.*water.*fat"):
        read.read(tmp_path)
    source = read.read(tmp_path, "#1")
    assert source.te_ms == (2.3, 4.6)
    np.testing.assert_array_equal(source.volume.data, data[..., :2])
    assert source.origin.frame_numbers == (1, 5, 9, 13)


def test_jpeg_of_12_bits_is_refused_by_its_name(write_series, tmp_path, ct_values):
    data = np.tile(ct_values, (6, 8, 1))
    write_series(tmp_path, data, syntax=uid.JPEGExtended12Bit, bits_stored=12)
    with pytest.raises(InputError, match=r"series 3 is compressed as JPEG Extended.*gdcmconv"):
        read.read(tmp_path)


def test_a_syntax_that_cannot_be_decoded_is_named(write_series, tmp_path, ct_values):
    for path in write_series(tmp_path, ct_values):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = uid.MPEG2MPML
        dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0"])
        dataset.save_as(path)
    with pytest.raises(InputError, match=r"series 3 is compressed as MPEG2.*Decompress"):
        read.read_header(tmp_path)


def test_bits_above_those_stored_are_not_part_of_the_value(write_series, tmp_path, ct_values):
    def scribble(dataset, index, echo):
        stored = ct_values[:, :, index].T.astype(np.int16).view(np.uint16) & 0x0FFF
        dataset.PixelData = (stored | (0xA000 if index % 2 else 0x5000)).tobytes()
        dataset["PixelData"].VR = "OW"

    write_series(tmp_path, ct_values, signed=True, intercept=0, bits_stored=12, edit=scribble)
    np.testing.assert_array_equal(read.read(tmp_path).volume.data, ct_values)


@pytest.mark.parametrize("enhanced", [False, True])
def test_each_slice_has_its_own_rescale(write_series, tmp_path, enhanced):
    data = np.full((4, 3, 3), 100.0, np.float32)
    slopes = [1.0, 0.5, 4.0]

    def rescale(dataset, index, echo):
        if enhanced:
            for group, slope in zip(dataset.PerFrameFunctionalGroupsSequence, slopes, strict=True):
                group.PixelValueTransformationSequence[0].RescaleSlope = slope
        else:
            dataset.RescaleSlope = slopes[index]

    write_series(tmp_path, data, edit=rescale, intercept=0, enhanced=enhanced)
    found = read.read(tmp_path).volume.data
    np.testing.assert_array_equal(found[0, 0], [100, 50, 400])


def test_padding_of_ct_is_air(write_series, tmp_path, ct_values):
    def pad(dataset, index, echo):
        stored = np.frombuffer(dataset.PixelData, np.int16).copy()
        stored[0] = -2000
        dataset.PixelData = stored.tobytes()
        dataset.PixelPaddingValue = -2000

    def add_pixels(dataset, index, echo):
        dataset.PixelData = ct_values[:, :, index].T.astype(np.int16).tobytes()
        dataset["PixelData"].VR = "OW"
        pad(dataset, index, echo)

    write_series(tmp_path, ct_values, signed=True, intercept=0.0, edit=add_pixels)
    data = read.read(tmp_path).volume.data
    assert (data[0, 0] == -1024).all()
    np.testing.assert_array_equal(data[1:], ct_values[1:])


def test_padding_that_tissue_has_too_is_left(write_series, tmp_path):
    data = np.arange(24, dtype=np.float32).reshape(4, 3, 2)

    def pad(dataset, index, echo):
        dataset.PixelPaddingValue = 0  # 0 HU, water: as careless converters write

    write_series(tmp_path, data, signed=True, intercept=0.0, edit=pad)
    np.testing.assert_array_equal(read.read(tmp_path).volume.data, data)


def test_a_zip_and_other_names_read_and_hash_alike(write_series, tmp_path, ct_values):
    folder = tmp_path / "a"
    paths = write_series(folder, ct_values)
    other = tmp_path / "b" / "deep" / "er"
    other.mkdir(parents=True)
    for index, path in enumerate(reversed(paths)):
        shutil.copy(path, other / f"{index}.txt")
    with zipfile.ZipFile(tmp_path / "no_suffix", "w", zipfile.ZIP_DEFLATED) as archive:
        for index, path in enumerate(paths):
            archive.write(path, f"../../{index}")  # leads nowhere: nothing is unpacked to disk
    hashes = set()
    for place in (folder, tmp_path / "b", tmp_path / "no_suffix"):
        np.testing.assert_array_equal(read.read(place).volume.data, ct_values)
        hashes.add(read.sha256(place))
    assert len(hashes) == 1
    write_series(tmp_path / "c", ct_values + 1)
    assert read.sha256(tmp_path / "c") not in hashes


def test_a_single_file_is_its_slice(write_series, tmp_path, ct_values):
    path = write_series(tmp_path, ct_values)[1]
    source = read.read(path)
    np.testing.assert_array_equal(source.volume.data, ct_values[:, :, 1:2])
    np.testing.assert_allclose(source.volume.spacing_mm, [1.5, 2, 7.5])
    assert "thickness" in source.notes[0]


def test_objects_without_preamble_and_meta(write_series, tmp_path, ct_values):
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian):
        folder = tmp_path / uid.UID(syntax).keyword
        for path in write_series(folder, ct_values, syntax=syntax):
            dataset = pydicom.dcmread(path)
            data = path.read_bytes()
            start = 132 + 12 + dataset.file_meta.FileMetaInformationGroupLength
            path.write_bytes(data[start:])
        np.testing.assert_array_equal(read.read(folder).volume.data, ct_values)


ECHOES = np.stack([np.full((6, 5, 3), value, np.float32) for value in (300, 200, 100)], axis=3)
TIMES = (1.2, 2.4, 3.6)


@pytest.mark.parametrize("enhanced", [False, True])
def test_echoes_rise_with_echo_time(write_series, tmp_path, enhanced):
    swapped = ECHOES[..., [1, 2, 0]]
    write_series(tmp_path, swapped, modality="MR", te_ms=(2.4, 3.6, 1.2), enhanced=enhanced)
    source = read.read(tmp_path)
    assert source.te_ms == TIMES
    np.testing.assert_array_equal(source.volume.data, ECHOES)
    assert (source.modality, source.tr_ms, source.flip_angle_deg) == ("MR", 150, 10)
    assert source.field_strength_t == 1.5
    assert len(source.origin.frame_numbers or source.origin.datasets) == 3
    header = read.read_header(tmp_path)
    assert (header.shape, header.echo_count, header.te_ms) == ((6, 5, 3, 3), 3, TIMES)


@pytest.mark.parametrize("enhanced", [False, True])
def test_one_series_for_each_echo_is_one_scan(write_series, tmp_path, enhanced):
    for number, (te_ms, echo) in enumerate(zip(TIMES, (0, 1, 2), strict=True), 5):
        data = ECHOES[..., echo]
        how = {"modality": "MR", "te_ms": [te_ms], "enhanced": enhanced}
        write_series(tmp_path, data, **how, series={"SeriesNumber": number})
    source = read.read(tmp_path)
    assert source.te_ms == TIMES
    np.testing.assert_array_equal(source.volume.data, ECHOES)
    alone = read.read(tmp_path, "6")
    assert alone.te_ms == (2.4,)
    np.testing.assert_array_equal(alone.volume.data, ECHOES[..., 1])


def test_in_and_out_of_phase_of_one_series_are_echoes(write_series, tmp_path):
    same = {"SeriesInstanceUID": "1.2.3"}
    for te_ms, word, echo in ((4.6, "IN_PHASE", 0), (2.3, "OUT_PHASE", 1)):
        kind = ("ORIGINAL", "PRIMARY", "M", word)
        data = ECHOES[..., echo]
        write_series(tmp_path, data, modality="MR", te_ms=[te_ms], image_type=kind, series=same)
    source = read.read(tmp_path)
    assert source.te_ms == (2.3, 4.6)
    np.testing.assert_array_equal(source.volume.data, ECHOES[..., [1, 0]])


def _phase(radian):
    return np.rint(radian / np.pi * 4096).clip(-4096, 4094)


@pytest.mark.parametrize("own_series", [False, True])
def test_phase_goes_beside_the_magnitude(write_series, tmp_path, own_series):
    angle = np.linspace(-np.pi, np.pi, ECHOES.size).reshape(ECHOES.shape)
    series = {"SeriesInstanceUID": "1.2.3"}
    how = {"modality": "MR", "te_ms": TIMES}
    write_series(tmp_path, ECHOES, **how, series=series)
    series = {"SeriesNumber": 4} if own_series else series
    kind = ("ORIGINAL", "PRIMARY", "P", "ND")
    scale = {"slope": 2.0, "intercept": -4096.0}
    write_series(tmp_path, _phase(angle), **how, **scale, image_type=kind, series=series)
    source = read.read(tmp_path)
    np.testing.assert_array_equal(source.volume.data, ECHOES)
    assert source.phase_unit == "scanner"
    np.testing.assert_allclose(source.phase.data * np.pi / 4096, angle, atol=2e-3)
    np.testing.assert_array_equal(source.phase.affine, source.volume.affine)
    assert read.read_header(tmp_path).has_phase


def test_phase_in_thousandths_becomes_radians(write_series, tmp_path):
    angle = np.linspace(-np.pi, np.pi, ECHOES.size).reshape(ECHOES.shape)
    how = {"modality": "MR", "te_ms": TIMES, "signed": True, "series": {"SeriesNumber": 8}}
    write_series(tmp_path, ECHOES, **how)
    kind = ("ORIGINAL", "PRIMARY", "PHASE MAP")
    write_series(tmp_path, np.rint(angle * 1000), **how, image_type=kind)
    source = read.read(tmp_path)
    assert source.phase_unit == "radian"
    np.testing.assert_allclose(source.phase.data, angle, atol=1e-3)


def test_phase_of_unknown_unit_is_left_out_with_a_note(write_series, tmp_path):
    how = {"modality": "MR", "te_ms": TIMES, "signed": True, "series": {"SeriesNumber": 8}}
    write_series(tmp_path, ECHOES, **how)
    write_series(tmp_path, ECHOES - 200, **how, image_type=("ORIGINAL", "PRIMARY", "P"))
    source = read.read(tmp_path)
    assert source.phase is None
    assert any("unit" in note for note in source.notes)


def test_notes_and_lines_hold_no_identifiers(write_series, tmp_path, ct_values, secrets):
    write_series(tmp_path, ct_values)
    write_series(tmp_path, ct_values, series={"SeriesNumber": 4})
    with pytest.raises(InputError) as caught:
        read.read(tmp_path)
    told = [str(caught.value), *read.read(tmp_path, "3").notes]
    for text in told:
        assert not any(secret in text for secret in secrets)
        assert "1.2.826" not in text


def test_pixels_cut_short_are_refused(write_series, tmp_path, ct_values):
    path = write_series(tmp_path, ct_values)[2]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cut short or damaged"):
        read.read(tmp_path)


def test_a_compressed_stream_larger_than_its_header_is_refused(write_series, tmp_path):
    """Before any decoder makes room for what the stream says of itself."""
    data = np.zeros((64, 48, 2), np.float32)
    for syntax in (uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.JPEGLosslessSV1):
        folder = tmp_path / uid.UID(syntax).keyword
        for path in write_series(folder, data, syntax=syntax):
            dataset = pydicom.dcmread(path)
            dataset.Rows = 40
            dataset.save_as(path)
        with pytest.raises(InputError, match="cut short or damaged"):
            read.read(folder)


@pytest.mark.real
def test_the_real_series(real_data):
    source = read.read(real_data / "ct_dicom")
    # SliceThickness says 3; the positions, and the truth, 2.
    np.testing.assert_allclose(source.volume.spacing_mm, [0.9765625, 0.9765625, 2.0])
    labels = nifti.read_labels(real_data / "ct_dicom_labels.nii.gz")
    image, labels = geometry.to_canonical(source.volume), geometry.to_canonical(labels)
    geometry.check_same_grid(image, labels, "labels", "the image")
    liver = labels.data == 5
    assert liver.sum() * image.voxel_volume_ml == pytest.approx(699.44, abs=0.005)
    assert image.data[liver].mean() == pytest.approx(89.3, abs=0.1)
    assert source.origin.datasets[0].SOPInstanceUID  # which the data set lacks, the meta has it


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless])
def test_a_compressed_stream_without_its_end_is_refused(write_series, tmp_path, syntax):
    data = np.random.default_rng(3).integers(0, 1000, (40, 36, 1)).astype(np.float32)
    (path,) = write_series(tmp_path, data, syntax=syntax)
    dataset = pydicom.dcmread(path)
    (stream,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([stream[: len(stream) // 4 * 2]])
    dataset.save_as(path)
    with pytest.raises(InputError, match="cut short or damaged"):
        read.read(tmp_path)
