"""Maps of two public complex scans, beside pycsemri's: figures of liver regions, and pictures.

ISMRM fat-water challenge 2012, case 12 (1.5 T, liver dome and heart, four echoes), and case 99 of
the b0-nice collection (3 T, heart and liver dome, six echoes). Neither has a reference map: the
pictures are there to be looked at for fat and water exchanged.
"""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np
import scipy.io
from absl import flags

from benchmarks import fatwater_methods, fatwater_peers
from benchmarks.fatwater_peers import Maps
from liver_jax import cli, files
from liver_jax.biometry import fatwater
from liver_jax.errors import InputError

USAGE = """
Fits two real scans and compares liver regions with pycsemri's fits.

  pip install pycsemri
  python -m benchmarks.fatwater_real --output=DIR

  --data=DIR    folder with fatwater/ismrm_12.mat and fatwater/b0nice_99.mat; default
                $LIVER_JAX_TEST_DATA
  --output=DIR  figures as fatwater_real.json, and a picture of each scan
"""
# Liver as seen by eye, clear of vessels and edges: (first row, last row, first column, last
# column) of every slice, counted from 0, the last included.
_LIVER = {
    "ismrm_12": ((50, 110, 45, 95), (50, 110, 45, 95), (50, 95, 45, 90)),
    "b0nice_99": ((95, 125, 26, 42),),
}
_PHASE_AS_STORED = "phase as stored"
_PEERS = (fatwater_peers.COMPLEX, fatwater_peers.VARPRO)
# Voxels brighter than this part of the brightest (percentile 99.5) of the first echo have tissue.
_TISSUE = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """Complex echoes [row, column, slice, echo] with fat at the lower frequency."""

    images: np.ndarray
    te_ms: tuple[float, ...]
    field_strength_t: float


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_string("data", os.environ.get("LIVER_JAX_TEST_DATA"), "See --help.", values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Fits, prints the table, writes the JSON and the pictures."""
    if not given.data:
        raise InputError("--data", "it is missing", "Name the folder of the real scans.")
    if not given.output:
        raise InputError("--output", "it is missing", "Name the folder for figures and pictures.")
    output = pathlib.Path(given.output)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, regions in _LIVER.items():
        scan = load(pathlib.Path(given.data) / "fatwater" / f"{name}.mat")
        ours, peers = _ours(scan, correct_phase=True), _peers(scan)
        peers[_PHASE_AS_STORED] = _ours(scan, correct_phase=False)
        rows += _figures(name, scan, ours, peers)
        _draw(output / f"{name}.png", scan, ours, peers[fatwater_peers.COMPLEX], regions)
    columns = {
        "scan": "scan",
        "slice": "slice",
        "liver_ours:.2f": "liver PDFF, %",
        f"liver_{_PHASE_AS_STORED}:.2f": "phase as stored",
        "liver_complexLS:.2f": "complexLS",
        "liver_VARPRO_LUT:.2f": "VARPRO_LUT",
        "r2star_ours:.1f": "liver R2*, 1/s",
        "r2star_complexLS:.1f": "complexLS",
        "region_beyond_20:.2f": "liver voxels 20 points apart, %",
        "tissue_beyond_20:.2f": "all tissue, %",
    }
    print(fatwater_methods.table(rows, columns))
    files.write_json(output / "fatwater_real.json", {"liver": _LIVER, "rows": rows})


def load(path: pathlib.Path) -> Scan:
    """Reads a file with the challenge's `imDataParams`; conjugated where precession is -1."""
    stored = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)["imDataParams"]
    images = np.asarray(stored.images, np.complex64)
    if images.ndim == 3:
        images = images[:, :, None]
    if stored.PrecessionIsClockwise < 0:
        images = images.conj()
    te_ms = tuple(float(1000 * te) for te in stored.TE)
    return Scan(images, te_ms, float(stored.FieldStrength))


def _ours(scan: Scan, correct_phase: bool) -> Maps:
    """Of the whole volume at once, [row, column, slice]."""
    found = fatwater.fit_complex(
        scan.images, scan.te_ms, scan.field_strength_t, correct_phase=correct_phase
    )
    return fatwater_methods.maps_of(found)


def _peers(scan: Scan) -> dict[str, Maps]:
    """Slice by slice, as the library works, put together again."""
    slices = [
        fatwater_peers.fit_slice(
            scan.images[:, :, k].astype(complex), scan.te_ms, scan.field_strength_t, methods=_PEERS
        )
        for k in range(scan.images.shape[2])
    ]
    names = ("pdff_percent", "r2star_per_s", "field_map_hz")
    return {
        peer: Maps(*(np.stack([getattr(s[peer], name) for s in slices], axis=-1) for name in names))
        for peer in _PEERS
    }


def _figures(name: str, scan: Scan, ours: Maps, peers: dict[str, Maps]) -> list[dict[str, Any]]:
    first = np.abs(scan.images[..., 0])
    tissue = first > _TISSUE * np.percentile(first, 99.5)
    peer = peers[fatwater_peers.COMPLEX]
    apart = np.abs(ours.pdff_percent - peer.pdff_percent) > fatwater_methods.SWAP_POINTS
    rows = []
    for k, (top, bottom, left, right) in enumerate(_LIVER[name]):
        region = (slice(top, bottom + 1), slice(left, right + 1), k)
        row = {"scan": name, "slice": k, "voxels": int(apart[region].size)}
        for method, maps in {"ours": ours, **peers}.items():
            row[f"liver_{method}"] = float(np.nanmean(maps.pdff_percent[region]))
            row[f"r2star_{method}"] = float(np.nanmean(maps.r2star_per_s[region]))
        row["region_beyond_20"] = float(100 * apart[region].mean())
        row["tissue_beyond_20"] = float(100 * apart[..., k][tissue[..., k]].mean())
        rows.append(row)
    return rows


def _draw(
    path: pathlib.Path,
    scan: Scan,
    ours: Maps,
    peer: Maps,
    regions: tuple[tuple[int, int, int, int], ...],
) -> None:
    """A row for each slice: first echo, then each map of ours and of pycsemri's."""
    # Imported here: of all benchmarks of the fit only this one draws.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import patches, pyplot

    kinds = (
        ("pdff_percent", "PDFF, %", (0, 100), "viridis"),
        ("r2star_per_s", "R2*, 1/s", (0, 200), "magma"),
        ("field_map_hz", "field, Hz", (-300, 300), "RdBu"),
    )
    count = scan.images.shape[2]
    aspect = scan.images.shape[0] / scan.images.shape[1]
    figure, axes = pyplot.subplots(
        count, 7, figsize=(7 * 4.2, count * 4.2 * aspect + 0.6), squeeze=False
    )
    for k in range(count):
        first = np.abs(scan.images[:, :, k, 0])
        axes[k, 0].imshow(first, cmap="gray", vmax=np.percentile(first, 99))
        axes[k, 0].set_title(f"first echo, slice {k}")
        for number, (name, label, limits, colours) in enumerate(kinds):
            for side, (who, maps) in enumerate((("ours", ours), ("complexLS", peer))):
                axis = axes[k, 1 + 2 * number + side]
                values = getattr(maps, name)[:, :, k]
                shown = axis.imshow(values, vmin=limits[0], vmax=limits[1], cmap=colours)
                axis.set_title(f"{label}: {who}")
                figure.colorbar(shown, ax=axis, fraction=0.03)
        top, bottom, left, right = regions[k]
        for axis in axes[k]:
            corner = (left - 0.5, top - 0.5)
            size = (right - left + 1, bottom - top + 1)
            axis.add_patch(patches.Rectangle(corner, *size, fill=False, edgecolor="red"))
            axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
