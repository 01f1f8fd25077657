"""A person in an MR scanner: everything that is known before a slice is imaged."""

import numpy as np

from liver_jax.phantom import sampling, texture
from liver_jax.phantom.body import Body
from liver_jax.phantom.mr import fieldmap, lattice, motion, properties, weighting
from liver_jax.phantom.mr.protocol import Protocol
from liver_jax.physics.tissues import Tissue

# Lattices for the field map, with what lies above and below the images, and for the liver's fat.
_FIELD_STEP_MM, _FIELD_MARGIN_MM, _LIVER_STEP_MM = 4.0, 70.0, 6.0
# How far from the back breathing begins to move the body, as a part of its depth.
_SPINE_DEPTH = 0.3


class Scene:
    """A person in a scanner: what every voxel of a slice gives, and what is done to it."""

    def __init__(
        self,
        body: Body,
        grid: sampling.Grid,
        protocol: Protocol,
        generator: np.random.Generator,
        varied: bool,
    ) -> None:
        person = body.person
        self._grid, self._protocol = grid, protocol
        heights_mm = lattice.heights_mm(grid)
        around_mm = (heights_mm[0] - _FIELD_MARGIN_MM, heights_mm[1] + _FIELD_MARGIN_MM)
        self._field = fieldmap.compute(
            lattice.sample(body, around_mm, _FIELD_STEP_MM),
            heights_mm,
            protocol.field_strength_t,
            generator,
        )
        own = properties.person_generator(person)
        liver = lattice.sample(body, body.liver_range_mm, _LIVER_STEP_MM)
        self._fat = properties.draw_liver_fat(person, liver.where(Tissue.LIVER), own)
        values = properties.tissue_values(
            person, protocol.field_strength_t, protocol.contrast_agent, own if varied else None
        )
        self._top: np.ndarray | None = None  # the field at the upper face of the last slice
        self._pdff = values.pdff_percent
        self._table, self._slope = weighting.signal_tables(values, protocol)
        share = values.pdff_percent / 100
        density = values.proton_density
        self._densities = np.stack(
            [density * (1 - share), density * share, density * values.r2star_per_s], axis=1
        ).astype(np.float32)
        self._texture = texture.Texture(grid, generator) if varied else None
        self._signal_grain = texture.table(properties.signal_texture(person)).T.copy()
        self._fat_grain = texture.table(properties.FAT_TEXTURE)

        self._coil = sampling.smooth_field(grid, (350, 700), generator)
        self._coil *= np.float32(protocol.bias_peak_to_peak / max(float(np.ptp(self._coil)), 1e-6))
        self._flip = sampling.smooth_field(grid, (300, 600), generator)
        self._flip *= np.float32(protocol.b1_variation / max(float(np.abs(self._flip).max()), 1e-6))
        self._coil_phase = sampling.smooth_field(grid, (400, 800), generator)
        self._phase = float(generator.uniform(-np.pi, np.pi))
        partitions = 1 if protocol.technique == "spgr2d" else grid.shape[2]
        line_time_s = protocol.tr_ms / 1000 * partitions
        self.motion = motion.draw(protocol.motion, grid.shape[1], line_time_s, generator)
        self.pulse = motion.pulse(protocol.pulsation, grid.shape[1], line_time_s, generator)
        back, front = body.extent_mm[0][1], body.extent_mm[1][1]
        # The back lies on the table: what is in front of the spine moves.
        depth = (grid.axis_mm(1) - back) / (front - back)
        self.moving_share = np.clip((depth - _SPINE_DEPTH) / (1 - _SPINE_DEPTH), 0, 1)
        te_s = np.asarray(protocol.te_ms, np.float32) / 1000
        self._te_s = te_s
        # Gradients of alternate sign shift the echoes' centres, so their phase is a ramp along x.
        ramp = 1 + np.linspace(-1, 1, grid.shape[0], dtype=np.float32)[:, None, None]
        sign = np.where(np.arange(len(te_s)) % 2, -1.0, 1.0).astype(np.float32)
        first = np.float32(protocol.first_echo_phase_radian) * (np.arange(len(te_s)) == 0)
        self._echo_phase = np.float32(protocol.odd_even_phase_radian) * ramp * sign + first

    def voxels(self, k: int, composition: sampling.Composition) -> tuple[np.ndarray, np.ndarray]:
        """Signals and protons of slice k.

        Returns:
            float32 [x, y, 2, echo], water and fat with T1 weighting and decay; float32 [x, y, 3],
            the proton densities of water and fat, and their sum times R2*.
        """
        nodes = weighting.flip_weights(1 + self._flip[..., k])
        at_nodes = composition.mean(self._table)
        species = sum(node[..., None, None] * at_nodes[:, :, n] for n, node in enumerate(nodes))
        densities = composition.mean(self._densities)
        components = None if self._texture is None else self._texture.layer(k)
        x, y, z = self._grid.layer_mm(k)
        varying = [Tissue.LIVER]
        if components is not None:
            varying += list(properties.FAT_TEXTURE)
        for tissue in varying:
            filled = composition.fraction([tissue])
            where = np.nonzero(filled)
            if not len(where[0]):
                continue
            if tissue is Tissue.LIVER:
                points = (np.broadcast_to(p, filled.shape)[where] for p in (x, y, z))
                change = self._fat.change(*points)
            else:
                # Not `@`: BLAS has raised "invalid value" here on finite numbers, and its sums
                # depend on the processor.
                grain, inside = self._fat_grain[:, tissue], components[:, where[0], where[1]]
                change = np.einsum("c,cn->n", grain, inside)
                mean = self._pdff[tissue]
                change = properties.limited(change, mean)
            change = change * filled[where]
            slope = sum(
                node[where][:, None, None] * self._slope[tissue, n] for n, node in enumerate(nodes)
            )
            species[where] += change[:, None, None] * slope
            moved = change * np.float32(0.01 * self._densities[tissue, :2].sum())
            densities[(*where, 0)] -= moved
            densities[(*where, 1)] += moved
        if components is not None:
            grain = composition.mean(self._signal_grain)
            species *= (1 + np.einsum("xyc,cxy->xy", grain, components))[..., None, None]
        return species, densities

    def factors(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The field map of slice k and what it and the coils do; to be asked for in order.

        Returns:
            float32 [x, y] in Hz; complex64 [x, y, echo].
        """
        half = self._grid.spacing_mm[2] / 2
        bottom = self._top if self._top is not None else self._field_at(k, -half)
        field, self._top = self._field_at(k, 0.0), self._field_at(k, half)
        phase = np.float32(2 * np.pi) * field[..., None] * self._te_s + self._echo_phase
        phase += (self._coil_phase[..., k] + np.float32(self._phase))[..., None]
        factor = np.exp(1j * phase)
        # A gradient of the field through the slice dephases it.
        factor *= np.sinc((self._top - bottom)[..., None] * self._te_s)
        factor *= np.exp(self._coil[..., k])[..., None]
        return field, factor

    def _field_at(self, k: int, offset_mm: float) -> np.ndarray:
        """The field map [x, y] in Hz, `offset_mm` above the middle of slice k."""
        grid = self._grid
        x, y = grid.axis_mm(0)[:, None], grid.axis_mm(1)[None, :]
        return self._field.at(*grid.turned(x, y, np.full((1, 1), grid.axis_mm(2)[k] + offset_mm)))
