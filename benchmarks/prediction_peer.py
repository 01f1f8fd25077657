"""The peer of `predict`: a PyTorch U-Net of the same shape between TotalSegmentator's own steps.

Those are its functions: to 1.5 mm with cubic splines, back with the nearest label, the largest
component. It runs in an environment that has torch, TotalSegmentator, nibabel and safetensors.
"""

import json
import sys
import time

import nibabel as nib
import numpy as np
import safetensors.numpy
import torch
from totalsegmentator import alignment, postprocessing, resampling

from benchmarks import torch_unet

_SPACING_MM, _BATCH, _MULTIPLE = 1.5, 8, 16


def main() -> None:
    """Arguments: image, weights (an exported file), mask, CT or MR, threads."""
    image_path, weights, mask_path, modality, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    clock = _Clock()
    stored = nib.load(image_path)
    # Of several echoes the first, as predict does.
    data = np.asanyarray(stored.dataobj) if len(stored.shape) == 3 else stored.dataobj[..., 0]
    original = nib.Nifti1Image(data, stored.affine)
    clock.end("read")
    canonical = alignment.as_closest_canonical(original)
    fine = resampling.change_spacing(
        canonical, [_SPACING_MM] * 3, order=3, dtype=np.int32, nr_cpus=1
    )
    values = fine.get_fdata(dtype=np.float32)
    low, high = (-160.0, 240.0) if modality == "CT" else np.percentile(values, (0.5, 99.5)).tolist()
    slices = np.clip((values - low) / (high - low), 0, 1).transpose(2, 1, 0)[:, ::-1, ::-1]
    clock.end("preprocess")
    network = torch_unet.with_weights(_params(weights)).eval()
    found = _segmented(network, slices)
    clock.end("network")
    labels = np.ascontiguousarray(found[:, ::-1, ::-1].transpose(2, 1, 0)).astype(np.uint8)
    labels = nib.Nifti1Image(labels, fine.affine)
    labels = resampling.change_spacing(
        labels,
        canonical.header.get_zooms(),
        canonical.shape,
        order=0,
        dtype=np.uint8,
        nr_cpus=1,
        force_affine=canonical.affine,
    )
    labels = alignment.undo_canonical(labels, original)
    clock.end("resample")
    largest = postprocessing.keep_largest_blob(np.asanyarray(labels.dataobj).astype(np.uint8))
    clock.end("postprocess")
    nib.save(nib.Nifti1Image(largest.astype(np.uint8), original.affine), mask_path)
    clock.end("write")
    print(json.dumps({"slices": len(slices), "shape": slices.shape[1:], "seconds": clock.seconds}))


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def end(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._since, 3)
        self._since = now


def _params(path: str) -> dict:
    params: dict = {}
    for name, tensor in safetensors.numpy.load_file(path).items():
        *folders, leaf = name.split("/")
        if folders[:1] == ["params"]:
            place = params
            for folder in folders[1:]:
                place = place.setdefault(folder, {})
            place[leaf] = tensor
    return params


def _segmented(network: torch.nn.Module, slices: np.ndarray) -> np.ndarray:
    """[slice, row, column] to bool, padded to what the poolings divide."""
    count, rows, columns = slices.shape
    grow = [-length % _MULTIPLE for length in (rows, columns)]
    found = np.empty(slices.shape, bool)
    with torch.inference_mode():
        for start in range(0, count, _BATCH):
            batch = np.pad(slices[start : start + _BATCH], ((0, 0), (0, grow[0]), (0, grow[1])))
            logits = network(torch.from_numpy(np.ascontiguousarray(batch[:, None], np.float32)))
            found[start : start + _BATCH] = logits[:, :rows, :columns].numpy() > 0
    return found


if __name__ == "__main__":
    main()
