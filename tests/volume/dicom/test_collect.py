import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from pydicom import uid

from liver_jax.errors import InputError
from liver_jax.volume.dicom import collect, header, read

IMAGES = np.zeros((8, 6, 3))


def refused(path):
    with pytest.raises(InputError) as caught:
        read.read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_content_and_not_the_name_tells(write_series, tmp_path):
    (path, *_) = write_series(tmp_path / "series", IMAGES)
    assert collect.holds_dicom(path)
    assert collect.holds_dicom(tmp_path)
    other = tmp_path / "scan.dcm"
    other.write_bytes(b"not a scan" * 50)
    assert not collect.holds_dicom(other)
    assert not collect.holds_dicom(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert not collect.holds_dicom(tmp_path / "empty")
    assert collect.holds_dicom(zipped(tmp_path / "any.bin", {"a/b": path.read_bytes()}))
    assert not collect.holds_dicom(zipped(tmp_path / "texts.zip", {"a.dcm": b"text" * 99}))
    assert collect.first_header(tmp_path).PatientID == "SECRET-ID"


def test_a_zip_in_a_zip_stays_closed(write_series, tmp_path):
    (path, *_) = write_series(tmp_path / "series", IMAGES)
    inner = zipped(tmp_path / "inner.zip", {"image": path.read_bytes()})
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner.read_bytes()})
    assert not collect.holds_dicom(outer)
    assert "holds no DICOM" in refused(outer)


def test_links_pipes_and_loops(write_series, tmp_path):
    folder = tmp_path / "series"
    write_series(folder, IMAGES)
    os.symlink(folder, folder / "loop")
    os.symlink(tmp_path / "nowhere", folder / "broken")
    os.mkfifo(folder / "pipe")  # to read it would hang
    assert read.read(folder).volume.data.shape == IMAGES.shape


def test_a_bomb_is_refused_by_what_it_declares(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "_ZIP_FREE_BYTES", 10_000)
    path = zipped(tmp_path / "bomb.zip", {"zeros": bytes(3_000_000)})
    assert "which no examination does" in refused(path)


def test_a_bomb_that_lies_is_read_no_further_than_the_bound(write_series, tmp_path, monkeypatch):
    """The directory says 100 bytes, and the stream goes on."""
    monkeypatch.setattr(collect, "MOST_HEADER_BYTES", 2**20)
    (path, *_) = write_series(tmp_path / "series", IMAGES)
    name = zipped(tmp_path / "bomb.zip", {"image": path.read_bytes() + bytes(50_000_000)})
    data = bytearray(name.read_bytes())
    central = data.index(b"PK\1\2")
    data[central + 24 : central + 28] = struct.pack("<L", 100)
    name.write_bytes(data)
    assert refused(name)


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MOST_FILES", 3)
    for index in range(4):
        (tmp_path / str(index)).write_bytes(b"x")
    assert "more than 3 files" in refused(tmp_path)
    assert "more than 3 files" in refused(zipped(tmp_path / "many", dict.fromkeys("abcd", b"")))


def test_the_directory_of_a_zip_is_bounded_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MOST_FILES", 1)
    monkeypatch.setattr(collect, "_ENTRY_BYTES", 50)
    path = zipped(tmp_path / "many", {"a": b""})
    data = bytearray(path.read_bytes())
    end = data.index(b"PK\5\6")
    data[end + 12 : end + 16] = struct.pack("<L", 2**31)
    path.write_bytes(data)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "more than 1 files" in refused(path)


@pytest.mark.parametrize("cut", [30, 200, -30])
def test_a_cut_zip_is_one_line(write_series, tmp_path, cut):
    (path, *_) = write_series(tmp_path / "series", IMAGES)
    name = zipped(tmp_path / "cut.zip", {"image": path.read_bytes()})
    name.write_bytes(name.read_bytes()[:cut])
    assert "damaged" in refused(name)


def test_an_encrypted_zip_and_another_method(write_series, tmp_path):
    path = zipped(tmp_path / "a.zip", {"image": b"x" * 500})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path)
    path = zipped(tmp_path / "b.zip", {"image": b"x" * 500}, zipfile.ZIP_LZMA)
    assert "another method" in refused(path)


def test_a_flipped_bit_in_a_zip_is_noticed(write_series, tmp_path):
    paths = write_series(tmp_path / "series", IMAGES)
    entries = {path.name: path.read_bytes() for path in paths}
    name = zipped(tmp_path / "a.zip", entries, zipfile.ZIP_STORED)
    data = bytearray(name.read_bytes())
    data[data.index(b"PK\1\2") - 1] ^= 1  # the last pixel of the last image
    name.write_bytes(data)
    assert "damaged" in refused(name)


@pytest.mark.parametrize("kept", [140, 400, 1000])
def test_a_header_cut_short_is_refused(write_series, tmp_path, kept):
    path = write_series(tmp_path, IMAGES)[1]
    path.write_bytes(path.read_bytes()[:kept])
    told = refused(tmp_path)
    assert "cut short" in told or "misses 1 slice" in told or "gap" in told
    assert path.name not in told


def nested(depth, defined):
    """A private sequence in a sequence in a sequence ..., explicit little endian."""
    tag = struct.pack("<HH", 0x0008, 0x1140) + b"SQ\0\0"
    item = struct.pack("<HH", 0xFFFE, 0xE000)
    body = b""
    if not defined:
        return (tag + b"\xff" * 4 + item + b"\xff" * 4) * depth
    for _ in range(depth):
        inner = item + struct.pack("<L", len(body)) + body
        body = tag + struct.pack("<L", len(inner)) + inner
    return body


@pytest.mark.parametrize("defined", [False, True])
def test_sequences_in_sequences(write_series, tmp_path, defined):
    paths = write_series(tmp_path, IMAGES)
    for path in paths:
        data = path.read_bytes()
        place = data.index(struct.pack("<HH", 0x0010, 0x0010) + b"PN")
        path.write_bytes(data[:place] + nested(3000, defined) + data[place:])
    if defined:  # never asked for, so never opened
        assert read.read(tmp_path).volume.data.shape == IMAGES.shape
    else:
        assert "damaged" in refused(tmp_path)


def test_an_element_that_declares_gigabytes(write_series, tmp_path):
    for path in write_series(tmp_path, IMAGES):
        data = path.read_bytes()
        place = data.index(struct.pack("<HH", 0x0010, 0x0010) + b"PN")
        huge = struct.pack("<HH", 0x0009, 0x1001) + b"OB\0\0" + struct.pack("<L", 0xFFFFFFF0)
        path.write_bytes(data[:place] + huge + data[place:])
    refused(tmp_path)


def test_a_deflated_bomb_is_unpacked_no_further_than_the_bound(write_series, tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MOST_HEADER_BYTES", 2**20)
    path = write_series(tmp_path, IMAGES, syntax=uid.DeflatedExplicitVRLittleEndian)[0]
    data = path.read_bytes()
    meta = data[: 132 + 12 + struct.unpack_from("<L", data, 140)[0]]
    element = struct.pack("<HH", 0x0009, 0x1001) + b"OB\0\0" + struct.pack("<L", 40_000_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = struct.pack("<HH", 0x0008, 0x0060) + b"CS" + struct.pack("<H", 2) + b"CT"
    body = packer.compress(head + element + bytes(40_000_000)) + packer.flush()
    for other in tmp_path.iterdir():
        other.write_bytes(meta + body)
    peak = io.BytesIO()
    original = zlib.decompressobj

    def watched(*arguments):
        unpacker = original(*arguments)

        class Watched:
            def decompress(self, data, most=0):
                assert 0 < most <= 2**23
                return unpacker.decompress(data, most)

        peak.write(b"x")
        return Watched()

    monkeypatch.setattr(zlib, "decompressobj", watched)
    refused(tmp_path)
    assert peak.getvalue()  # the way of the deflated syntax was taken


def test_random_bytes_after_a_preamble(tmp_path):
    rng = np.random.default_rng(5)
    for index in range(60):
        path = tmp_path / f"{index}"
        path.write_bytes(bytes(128) + b"DICM" + rng.bytes(int(rng.integers(1, 800))))
        refused(path)


def test_what_is_broken_is_for_the_reader_to_name(write_series, tmp_path):
    paths = write_series(tmp_path / "series", IMAGES)
    name = zipped(tmp_path / "cut.zip", {"image": paths[1].read_bytes()})
    name.write_bytes(name.read_bytes()[:-30])
    assert collect.holds_dicom(name)
    paths[0].write_bytes(paths[0].read_bytes()[:150])
    assert collect.holds_dicom(paths[0])
    assert collect.first_header(paths[0]) is None
    assert collect.first_header(tmp_path / "series").PatientID == "SECRET-ID"


@pytest.mark.parametrize("behind", [False, True])
def test_millions_of_empty_elements_take_no_time(write_series, tmp_path, behind, monkeypatch):
    """Zeros parse as elements of no length: they are counted, and none behind the pixels read."""
    monkeypatch.setattr(header, "_MOST_ELEMENTS", 1000)
    for path in write_series(tmp_path, IMAGES):
        data = path.read_bytes()
        place = len(data) if behind else data.index(struct.pack("<HH", 0x0010, 0x0010) + b"PN")
        path.write_bytes(data[:place] + bytes(8 * 2000) + data[place:])
    if behind:
        assert read.read(tmp_path).volume.data.shape == IMAGES.shape
    else:
        assert "damaged" in refused(tmp_path)
