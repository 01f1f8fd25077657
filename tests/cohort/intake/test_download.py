"""What real downloads are like: droppings, packed files, folders in folders."""

import os
import tarfile
import zipfile

import pytest

from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake.download import Download
from liver_jax.errors import InputError


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def pack(path, *names):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, name.encode() * 100)


def paths(download):
    return [entry.path for entry in download.entries]


def test_what_systems_drop_is_not_there(tmp_path):
    fill(tmp_path, "a/volume-2.nii", "a/volume-10.nii", "a/._volume-2.nii", "a/.DS_Store")
    fill(tmp_path, "__MACOSX/a/volume-3.nii", "a/Thumbs.db", "a/desktop.ini", ".hidden/x.nii")
    assert paths(Download(tmp_path)) == ["a/volume-2.nii", "a/volume-10.nii"]


def test_packed_files_are_as_if_unpacked(tmp_path):
    pack(tmp_path / "one.zip", "top/a.nii", "__MACOSX/top/._a.nii", "top/.DS_Store")
    pack(tmp_path / "inner.zip", "deep/b.nii")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "x/inner.zip")
    (tmp_path / "inner.zip").unlink()
    fill(tmp_path, "t/c.nii")
    with tarfile.open(tmp_path / "two.tar", "w") as archive:
        archive.add(tmp_path / "t", "t")
    (tmp_path / "t" / "c.nii").unlink()
    download = Download(tmp_path)
    assert paths(download) == ["one/top/a.nii", "outer/x/inner/deep/b.nii", "two/t/c.nii"]
    place = tmp_path / "place"
    place.mkdir()
    unpacked = downloads.unpacked(download.entries, place)
    assert unpacked[0].read_bytes() == b"top/a.nii" * 100
    assert unpacked[1].read_bytes() == b"deep/b.nii" * 100
    assert unpacked[2].read_bytes() == b"t/c.nii"
    assert all(path.parent == place and path.suffix == ".nii" for path in unpacked)
    assert downloads.read_bytes(download.entries[1]) == b"deep/b.nii" * 100


def test_one_packed_file_is_a_download(tmp_path):
    pack(tmp_path / "Train.zip", "Training Batch 1/volume-0.nii")
    assert paths(Download(tmp_path / "Train.zip")) == ["Train/Training Batch 1/volume-0.nii"]


@pytest.mark.parametrize("beside", ["", "data/"])
def test_what_was_unpacked_and_kept_is_there_once(tmp_path, beside):
    pack(tmp_path / "data.zip", "a/x.nii", "a/y.nii")
    fill(tmp_path, f"{beside}a/x.nii")
    download = Download(tmp_path)
    assert sorted(paths(download)) == sorted([f"{beside}a/x.nii", "data/a/y.nii"])


def test_what_cannot_be_opened_is_named(tmp_path):
    fill(tmp_path, "sound.nii", "a.tar.gz", "b.7z", "cut.zip", "cut.tar")
    download = Download(tmp_path)
    assert paths(download) == ["sound.nii"]
    assert set(download.unopened) == {"a.tar.gz", "b.7z", "cut.zip", "cut.tar"}
    assert "unpack it" in download.unopened["b.7z"]
    assert "damaged" in download.unopened["cut.zip"]


def test_a_packed_file_that_is_damaged_inside_is_refused(tmp_path):
    pack(tmp_path / "x.zip", "a.nii")
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[40] ^= 255
    (tmp_path / "x.zip").write_bytes(data)
    (entry,) = Download(tmp_path).entries
    with pytest.raises(InputError, match="damaged"):
        downloads.unpacked([entry], tmp_path)


def test_names_in_a_zip_lead_nowhere(tmp_path):
    pack(tmp_path / "x.zip", "../../out.nii", "/etc/out2.nii")
    place = tmp_path / "place"
    place.mkdir()
    download = Download(tmp_path / "x.zip")
    assert paths(download) == ["x/etc/out2.nii"]
    downloads.unpacked(download.entries, place)
    assert [path.name for path in place.iterdir()] == ["000000.nii"]


def test_links_are_followed_once_and_the_output_is_no_part(tmp_path):
    source = tmp_path / "source"
    fill(source, "a/x.nii", "out/exams/y.nii")
    (source / "a" / "loop").symlink_to(source)
    fill(tmp_path, "elsewhere/z.nii")
    (source / "b").symlink_to(tmp_path / "elsewhere")
    assert paths(Download(source, apart=source / "out")) == ["a/x.nii", "b/z.nii"]


def test_umlauts_of_a_mac_are_those_of_others(tmp_path):
    fill(tmp_path, "Ju\u0308rgen.nii", "J\u00fcrgen_seg.nii")
    assert [entry.path[:6] for entry in Download(tmp_path).entries] == ["J\u00fcrgen"] * 2


def test_paths_are_found_by_their_end_in_any_case(tmp_path):
    fill(tmp_path, "Deep/IMAGESTR/Liver_1.NII.GZ", "imagesTr/xliver_2.nii")
    found = Download(tmp_path).find(r"imagesTr/liver_(?P<case>\d+)\.nii(\.gz)?")
    assert [(match["case"], entry.name) for match, entry in found] == [("1", "Liver_1.NII.GZ")]


def test_the_folder_itself_comes_before_a_link_to_it(tmp_path):
    fill(tmp_path, "z/img/x.nii")
    (tmp_path / "all_images").symlink_to(tmp_path / "z" / "img")
    assert paths(Download(tmp_path)) == ["z/img/x.nii"]


def test_tars_of_the_folder_they_lie_in(tmp_path):
    """As `tar cf x.tar .` makes them; a second name of a file is a file, too."""
    fill(tmp_path, "a/x.nii", "a/y.nii")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "a" / "x.nii", "./a/x.nii")
        link = tarfile.TarInfo("./a/z.nii")
        link.type, link.linkname = tarfile.LNKTYPE, "./a/x.nii"
        archive.addfile(link)
    download = Download(tmp_path)
    assert paths(download) == ["a/x.nii", "a/y.nii", "x/a/z.nii"]
    (path,) = downloads.unpacked([download.entries[2]], tmp_path)
    assert path.read_bytes() == b"a/x.nii"


def test_other_methods_of_packing_are_told_from_damage(tmp_path):
    pack(tmp_path / "x.zip", "a.nii")
    data = bytearray((tmp_path / "x.zip").read_bytes())
    place = data.index(b"PK\1\2") + 10
    data[place : place + 2] = (9, 0)  # Deflate64, as Windows packs large files
    (tmp_path / "x.zip").write_bytes(data)
    assert "method that is not read here; unpack it" in Download(tmp_path).unopened["x.zip"]


def test_links_that_lead_nowhere_and_names_that_are_no_text(tmp_path):
    fill(tmp_path, "sound.nii")
    (tmp_path / "gone.zip").symlink_to(tmp_path / "absent")
    (tmp_path / os.fsdecode(b"caf\xe9.nii")).write_bytes(b"")
    download = Download(tmp_path)
    assert paths(download) == ["sound.nii"]
    assert "cannot be read" in download.unopened["gone.zip"]
    assert "not UTF-8" in download.unopened["caf\\udce9.nii"]


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        Download(tmp_path / "absent")
    with pytest.raises(InputError, match="holds no files"):
        Download(tmp_path)
    with pytest.raises(InputError, match="Name another folder to write to"):
        Download(tmp_path, apart=tmp_path)
