"""From label maps to images of any contrast, in JAX, inside the jitted training step.

Training on contrasts drawn at random makes a network for which no real contrast is foreign (Billot
et al., SynthSeg, Med Image Anal 2023;86:102789). Each example draws from its own key, derived from
its global position, as in `augment`. What a tissue looks like comes from one of three families:
attenuation in HU (`ct`), relaxation and a pulse sequence (`mr`), or chance (`any`). Then come
partial volume, texture, shading, ghosts, blur, noise and the preprocessing's own scaling.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from liver_jax.physics import tissues
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue

_COUNT = len(Tissue)
_FIELDS_T = (1.5, 3.0)
# Fat's main peak against water, Hz at 1.5 T.
_FAT_HZ = 3.4 * 42.57747892 * 1.5
_VESSELS = (Tissue.ARTERY, Tissue.VEIN, Tissue.LIVER_VESSEL, Tissue.PORTAL_VEIN)
_SIGNALLESS = (Tissue.AIR, Tissue.BOWEL_GAS, Tissue.LUNG, Tissue.CORTICAL_BONE)
_BOWEL = (Tissue.BOWEL_WALL, Tissue.BOWEL_FLUID, Tissue.STOOL)
_NEIGHBOURS = (
    _BOWEL,
    (Tissue.SPLEEN,),
    (Tissue.MUSCLE,),
    (Tissue.PANCREAS,),
    (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA),
)
_FAT_T1_MS = tuple(tissues.FAT_T1_MS[field] for field in _FIELDS_T)
# Draws of an example beside those for each pixel, a few to spare.
_UNIFORMS, _NORMALS = 256, 1536


@dataclasses.dataclass(frozen=True)
class Settings:
    """Ranges of what is drawn.

    Attributes:
        ct: Share of examples that look like CT.
        mr: Share that follow a pulse sequence; the rest have intensities by chance.
        ct_low_hu: CT value that becomes 0, as in the preprocessing.
        ct_high_hu: CT value that becomes 1.
        texture: Largest SD of a tissue's texture, in units of the intensity range.
        alike: Probability that an organ beside the liver looks as it does, for each of five.
        bowel: Largest SD by which bowel and what it holds differ from loop to loop, likewise.
        log_gamma: SD of the logarithm of the exponent.
        log_shading: SD of the logarithm of the smooth shading, and of what surface coils add.
        blur_pixels: Largest SD of the blur along each axis.
        noise: Largest SD of the noise, in units of the intensity range.
        thickness: Largest share of a slice that comes from each of its neighbours.
        cut: Probability that the field of view cuts a side off.
        beside: Probability that something lies beside the body: arms, a couch.
        ghost: Probability of ghosts of motion along the rows.
    """

    ct: float
    mr: float
    ct_low_hu: float
    ct_high_hu: float
    texture: float
    alike: float
    bowel: float
    log_gamma: float
    log_shading: float
    blur_pixels: float
    noise: float
    thickness: float
    cut: float
    beside: float
    ghost: float


def render(
    key: jax.Array, labels: jax.Array, examples: jax.Array, settings: Settings
) -> tuple[jax.Array, jax.Array]:
    """Images of random contrast.

    Args:
        key: The run's key for contrasts.
        labels: [batch, 3, 2 row, 2 column] uint8 of `Tissue`: a slice between its neighbours, twice
            as fine as the images.
        examples: [batch] uint32 global positions, which key the draws.
        settings: The ranges.

    Returns:
        Images [batch, row, column] float32 in [0, 1] and masks of 0 and 1: liver where it fills
        half of a pixel or more.
    """
    return jax.vmap(lambda stack, example: _one(jax.random.fold_in(key, example), stack, settings))(
        labels, examples
    )


class _Draws:
    """Numbers by chance, handed out one after another.

    All of an example are drawn at once: a generator for each use would take longer to compile than
    the network.
    """

    def __init__(self, key: jax.Array, pixels: int):
        """Enough for an image of so many pixels."""
        uniform_key, normal_key = jax.random.split(key)
        self._uniform = jax.random.uniform(uniform_key, (_UNIFORMS,))
        self._normal = jax.random.normal(normal_key, (_NORMALS + 2 * pixels,))
        self._used = [0, 0]

    def uniform(self, *shape: int) -> jax.Array:
        """Between 0 and 1."""
        return self._next(self._uniform, 0, shape)

    def normal(self, *shape: int) -> jax.Array:
        """With mean 0 and SD 1."""
        return self._next(self._normal, 1, shape)

    def _next(self, values: jax.Array, kind: int, shape: tuple[int, ...]) -> jax.Array:
        first, count = self._used[kind], math.prod(shape)
        if first + count > len(values):
            raise ValueError("more numbers are asked for than are drawn")
        self._used[kind] += count
        return values[first : first + count].reshape(shape)


def _one(key: jax.Array, stack: jax.Array, settings: Settings) -> tuple[jax.Array, jax.Array]:
    rows, columns = (size // 2 for size in stack.shape[1:])
    draws = _Draws(key, rows * columns)
    looks, spread, is_ct = _looks(draws, settings)
    # Slice profile: what the slice shares with its neighbours, or nothing.
    share, some = draws.uniform(2)
    beside = settings.thickness * share * (some < 0.6)
    # One look-up for all: water and fat add up with their phases, so that a pixel of both is dark
    # where these oppose each other; and what is liver.
    tables = jnp.concatenate([looks, _table(LIVER_TISSUES)[:, None]], axis=1)
    # The neighbours on the coarse grid: the slice's own edges are what counts.
    near = tables[stack[::2, ::2, ::2].astype(jnp.int32)].sum(axis=0)
    own = _pooled(tables[stack[1].astype(jnp.int32)])
    real, imaginary, liver = jnp.moveaxis((1.0 - 2.0 * beside) * own + beside * near, -1, 0)
    image = jnp.where(is_ct, real, jnp.hypot(real, imaginary))
    shown = jnp.where(is_ct, looks[:, 0], jnp.hypot(looks[:, 0], looks[:, 1]))
    middle = stack[1, ::2, ::2].astype(jnp.int32)
    image = image + spread[middle] * _texture(draws, image.shape)
    loops = settings.bowel * draws.uniform() * jnp.asarray(_table(_BOWEL))[middle]
    image = image + loops * _field(draws, image.shape, 12)
    image = _surroundings(draws, image, middle == Tissue.AIR, shown, settings)

    shaded = jnp.maximum(image, 0.0) * _shading(draws, image.shape, settings)
    image = jnp.where(is_ct, image, shaded)
    image = _ghosts(draws, image, settings)
    image = _blurred(draws, image, settings.blur_pixels)
    image = _noisy(draws, image, is_ct, settings.noise)
    scaled = _scaled(draws, image)
    gamma = jnp.exp(settings.log_gamma * draws.normal())
    scaled = jnp.maximum(scaled, 1e-6) ** gamma
    image = jnp.clip(jnp.where(is_ct, image, scaled), 0.0, 1.0)
    seen = _field_of_view(draws, image.shape, settings.cut)
    return image * seen, (liver * seen >= 0.5).astype(jnp.float32)


def _table(chosen: tuple[Tissue, ...]) -> np.ndarray:
    table = np.zeros(_COUNT, np.float32)
    table[list(chosen)] = 1.0
    return table


def _values(values: dict, pick) -> np.ndarray:
    return np.array([pick(values[tissue]) for tissue in Tissue], np.float32)


def _looks(draws: _Draws, settings: Settings) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of each tissue the intensity, real and imaginary [tissue, 2], and texture; is it a CT?"""
    family = draws.uniform()
    is_ct, is_mr = family < settings.ct, family < settings.ct + settings.mr
    attenuation, by_sequence, by_chance = _ct(draws, settings), _mr(draws), _any(draws)
    flat = jnp.where(is_ct, attenuation, by_chance)
    flat = jnp.stack([flat, jnp.zeros_like(flat)], axis=1)
    looks = jnp.where(is_mr & ~is_ct, by_sequence, flat)
    # Now and then a tissue looks like another.
    other = 1 + (draws.uniform(_COUNT) * (_COUNT - 1)).astype(jnp.int32)
    merged = (draws.uniform(_COUNT) < 0.06) & ~is_ct & (jnp.arange(_COUNT) != Tissue.AIR)
    looks = jnp.where(merged[:, None], looks[other], looks)
    # What lies beside the liver may look as it does: place and shape must tell them apart.
    some, near = draws.uniform(len(_NEIGHBOURS)), draws.normal(len(_NEIGHBOURS))
    for k, group in enumerate(_NEIGHBOURS):
        alike = (_table(group) > 0) & (some[k] < settings.alike)
        looks = jnp.where(alike[:, None], looks[Tissue.LIVER] + 0.06 * near[k], looks)
    each = draws.uniform(_COUNT) * draws.uniform()
    return looks, settings.texture * each * (1.0 - _table((Tissue.AIR,))), is_ct


def _ct(draws: _Draws, settings: Settings) -> jax.Array:
    """Attenuation of any phase, where the range of the preprocessing is 0 to 1."""
    rows = [
        _values(tissues.CT, lambda row, name=name, k=k: getattr(row, name)[k])
        for name in ("unenhanced", "portal_venous")
        for k in (0, 1)
    ]
    native, amount, early, arteries, swallowed, much, steatosis = draws.uniform(7)
    # A third without contrast agent, the others with less or more of it than tabulated.
    phase = jnp.where(native < 0.35, 0.0, 0.3 + amount)
    normal = draws.normal(_COUNT)
    mean = rows[0] + phase * (rows[2] - rows[0])
    hu = mean + 2.0 * normal * (rows[1] + jnp.minimum(phase, 1.0) * (rows[3] - rows[1]))
    # Arterial: arteries and the kidney's cortex alone.
    bright = _table((Tissue.ARTERY, Tissue.KIDNEY_CORTEX)) * 200.0 * arteries
    is_arterial = (early < 0.2) & (phase > 0)
    hu = jnp.where(is_arterial, rows[0] + 0.4 * (mean - rows[0]) + bright + 8.0 * normal, hu)
    # What bowel holds, and contrast agent that was swallowed.
    filled = _table((Tissue.BOWEL_FLUID, Tissue.STOOL)) * 300.0 * much
    hu = hu + jnp.where(swallowed < 0.3, filled, 0.0) + _table(_BOWEL) * 15.0 * normal[::-1]
    hu = hu - _table((Tissue.LIVER,)) * 60.0 * steatosis**4
    return (hu - settings.ct_low_hu) / (settings.ct_high_hu - settings.ct_low_hu)


def _mr(draws: _Draws) -> jax.Array:
    """Signal of a gradient or a spin echo of any timing, with fat or without, enhanced or not.

    Returns:
        [tissue, 2], real and imaginary.
    """
    at_3t, kind, has_fat, fat_left, dose, steatosis, iron, flows = draws.uniform(8)
    tr, te, flip = draws.uniform(3)
    normal = draws.normal(4, _COUNT)
    field = (at_3t < 0.5).astype(jnp.int32)

    def both_fields(values: dict, pick) -> jax.Array:
        return jnp.stack([_values(values, functools.partial(pick, k)) for k in range(2)])[field]

    t1 = both_fields(tissues.MR, lambda k, row: row.t1_ms[_FIELDS_T[k]])
    r2star = both_fields(tissues.MR, lambda k, row: row.r2star_per_s[_FIELDS_T[k]])
    t2 = both_fields(tissues.T2_MS, lambda k, row: row[k])
    liver = _table((Tissue.LIVER,))
    # Gadolinium shortens T1 where blood is, everywhere else less; in three cases of five.
    dose = jnp.maximum(2.5 * dose - 1.0, 0.0)
    taken_up = dose * (0.2 + 0.6 * jnp.abs(normal[3]) + _table(_VESSELS))
    t1 = t1 * jnp.exp(0.15 * normal[0] - taken_up)
    t2 = t2 * jnp.exp(0.3 * normal[1])
    density = _values(tissues.MR, lambda row: row.proton_density) * jnp.exp(0.1 * normal[2])
    fat = _values(tissues.MR, lambda row: row.pdff_percent / 100)
    fat = jnp.maximum(fat, liver * 0.45 * steatosis**3)
    r2star = r2star + liver * 300.0 * iron**6
    fat_left = jnp.where(has_fat < 0.5, 0.02 + 0.23 * fat_left, 1.0)
    # A spoiled gradient echo; water and fat drift apart in phase.
    tr_ms, te_ms = 3.0 * 60.0**tr, 0.9 * 9.0**te
    angle = jnp.deg2rad(3.0 + 77.0 * flip)
    turn = 2 * math.pi * _FAT_HZ * (1.0 + field) * te_ms * 1e-3
    water = (1 - fat) * _spoiled(tr_ms, angle, t1)
    fatty = fat_left * fat * _spoiled(tr_ms, angle, jnp.asarray(_FAT_T1_MS)[field])
    in_phase, out_of_it = water + fatty * jnp.cos(turn), fatty * jnp.sin(turn)
    decay = jnp.exp(-te_ms * r2star * 1e-3)[:, None]
    gradient_echo = jnp.stack([in_phase, out_of_it], axis=1) * decay
    # A spin echo, of proton density to heavy T2 weighting; blood that flows may leave none.
    tr_ms, te_ms = 500.0 * 16.0**tr, 10.0 * 15.0**te
    decayed = (1 - jnp.exp(-tr_ms / t1)) * jnp.exp(-te_ms / t2)
    flow_void = jnp.where(flows < 0.4, 1.0 - 0.9 * _table(_VESSELS), 1.0)
    spin_echo = ((1 - fat) + fat_left * fat) * decayed * flow_void
    spin_echo = jnp.stack([spin_echo, jnp.zeros_like(spin_echo)], axis=1)
    signal = density[:, None] * jnp.where(kind < 0.55, gradient_echo, spin_echo)
    # What is far brighter than the rest, water as a rule, is not let take the range.
    return signal / (jnp.sort(jnp.linalg.norm(signal, axis=1))[-6] + 1e-6)


def _spoiled(tr_ms: jax.Array, angle: jax.Array, t1_ms: jax.Array) -> jax.Array:
    """A spoiled gradient echo's steady state, as `physics.signal` has it for NumPy."""
    e1 = jnp.exp(-tr_ms / t1_ms)
    return jnp.sin(angle) * (1 - e1) / (1 - e1 * jnp.cos(angle))


def _any(draws: _Draws) -> jax.Array:
    """Intensities by chance: each tissue one of its own, but for what belongs together."""
    levels, choice, nearby = draws.uniform(_COUNT), draws.uniform(7), draws.normal(_COUNT)
    liver = levels[Tissue.LIVER]

    def tie(values: jax.Array, chosen: tuple[Tissue, ...], to: jax.Array, holds: jax.Array):
        return jnp.where((_table(chosen) > 0) & holds, to + 0.08 * nearby, values)

    fats = (Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT)
    kidneys = (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA)
    levels = tie(levels, fats, levels[Tissue.VISCERAL_FAT], choice[0] < 0.9)
    levels = tie(levels, kidneys, levels[Tissue.KIDNEY_CORTEX], choice[1] < 0.6)
    levels = tie(levels, _VESSELS, levels[Tissue.VEIN], choice[2] < 0.6)
    levels = tie(levels, (Tissue.LIVER_VESSEL,), liver, choice[3] < 0.3)
    levels = tie(levels, (Tissue.LESION, Tissue.INFILTRATE), liver, choice[4] < 0.2)
    # Air, lung and bone are dark, as a rule.
    dark = 0.15 * draws.uniform(_COUNT)
    is_dark = (_table(_SIGNALLESS) > 0) & (choice[5] < 0.85)
    levels = jnp.where(is_dark, dark, levels)
    levels = levels.at[Tissue.AIR].set(jnp.where(choice[5] < 0.95, 0.0, levels[Tissue.AIR]))
    # Now and then fat opposes water.
    return jnp.where((_table(fats) > 0) & (choice[6] < 0.2), -levels, levels)


def _pooled(values: jax.Array) -> jax.Array:
    """Means of 2 x 2: [2 row, 2 column, n] -> [row, column, n]."""
    rows, columns, n = values.shape
    return values.reshape(rows // 2, 2, columns // 2, 2, n).mean(axis=(1, 3))


def _field(draws: _Draws, shape: tuple[int, int], points: int) -> jax.Array:
    """A smooth random field of about unit SD, [row, column]."""
    coarse = draws.normal(points, points)
    along = [jnp.asarray(_interpolation(points, size)) for size in shape]
    return along[0] @ coarse @ along[1].T


def _interpolation(points: int, size: int) -> np.ndarray:
    """Cubic interpolation of `points` values to `size`, as a matrix [size, points]."""
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.image.resize(jnp.eye(points), (size, points), "cubic"))


def _texture(draws: _Draws, shape: tuple[int, int]) -> jax.Array:
    """Grain of several sizes."""
    weights = draws.uniform(3) + 1e-3
    fine = draws.normal(shape[0] // 2, shape[1] // 2)
    fine = jnp.repeat(jnp.repeat(fine, 2, axis=0), 2, axis=1)
    fields = (fine, _field(draws, shape, 32), _field(draws, shape, 9))
    return sum(w * f for w, f in zip(weights, fields, strict=True)) / jnp.linalg.norm(weights)


def _coordinates(shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Rows [row, 1] and columns [1, column], from -1 to 1."""
    return jnp.linspace(-1, 1, shape[0])[:, None], jnp.linspace(-1, 1, shape[1])[None, :]


def _surroundings(
    draws: _Draws, image: jax.Array, empty: jax.Array, looks: jax.Array, settings: Settings
) -> jax.Array:
    """Arms at the sides and a couch under the back, where there is nothing else."""
    which, arm, couch = draws.uniform(2), draws.uniform(4), draws.uniform(3)
    row, column = _coordinates(image.shape)
    across = (jnp.abs(column) - (0.78 + 0.2 * arm[0])) / (0.07 + 0.06 * arm[1])
    along = (row - 0.6 * (arm[2] - 0.5)) / (0.1 + 0.12 * arm[3])
    squared = across**2 + along**2
    limb = jnp.where(squared < 0.1, looks[Tissue.MARROW], looks[Tissue.MUSCLE])
    limb = jnp.where(squared > 0.7, looks[Tissue.SUBCUTANEOUS_FAT], limb)
    image = jnp.where(empty & (squared < 1) & (which[0] < settings.beside), limb, image)
    # Rows run towards the front.
    depth = row + 0.7 + 0.25 * couch[0] - 0.15 * couch[1] * column**2
    shown = empty & (jnp.abs(depth) < 0.012) & (which[1] < settings.beside)
    return jnp.where(shown, 0.8 * couch[2], image)


def _shading(draws: _Draws, shape: tuple[int, int], settings: Settings) -> jax.Array:
    """Of coils: smooth, stronger towards one side, stronger at the surface."""
    normal = draws.normal(4)
    row, column = _coordinates(shape)
    log = _field(draws, shape, 4) * jnp.abs(normal[0])
    log = log + 1.2 * (normal[1] * row + normal[2] * column)
    log = log + 1.2 * jnp.abs(normal[3]) * (row**2 + column**2)
    return jnp.exp(settings.log_shading * log)


def _ghosts(draws: _Draws, image: jax.Array, settings: Settings) -> jax.Array:
    """The image again, shifted along the rows and weak."""
    place, some, much = draws.uniform(3)
    shift = (place * image.shape[0]).astype(jnp.int32)
    strength = jnp.where(some < settings.ghost, 0.2 * much, 0.0)
    return image + strength * jnp.roll(image, shift, axis=0)


def _blurred(draws: _Draws, image: jax.Array, largest_pixels: float) -> jax.Array:
    """A Gaussian blur of another width along each axis, as two matrix products."""
    widths = largest_pixels * draws.uniform(2) + 0.1
    for axis, width in enumerate(widths):
        place = jnp.arange(image.shape[axis])
        weights = jnp.exp(-0.5 * ((place[:, None] - place[None, :]) / width) ** 2)
        weights = weights / weights.sum(axis=1, keepdims=True)
        image = weights @ image if axis == 0 else image @ weights.T
    return image


def _noisy(draws: _Draws, image: jax.Array, is_ct: jax.Array, largest: float) -> jax.Array:
    """Noise of one pixel or two, which is Rician but in CT."""
    amount, coarse = draws.uniform(2)
    level = largest * amount**2
    noise = draws.normal(*image.shape)
    smooth = 0.5 * (noise + jnp.roll(noise, 1, 0) + jnp.roll(noise, 1, 1) + jnp.roll(noise, (1, 1)))
    noise = level * jnp.where(coarse < 0.5, noise, smooth)
    # The other channel: the same, mirrored, is as good as another draw, and costs nothing.
    imaginary = noise[::-1, ::-1]
    return jnp.where(is_ct, image + noise, jnp.hypot(image + noise, imaginary))


def _scaled(draws: _Draws, image: jax.Array) -> jax.Array:
    """As the preprocessing scales MR by percentiles, which it takes of the whole scan."""
    ordered = jnp.sort(image.ravel()[::4])
    count = len(ordered)
    bright = ordered[int(0.99 * count)]
    # Percentile 99.5 of the body, whose pixels are the last of the order.
    outside = jnp.searchsorted(ordered, 0.1 * bright)
    high = ordered[(outside + 0.995 * (count - outside)).astype(jnp.int32).clip(0, count - 1)]
    low = ordered[int(0.005 * count)]
    high = low + (high - low) * jnp.exp(0.2 * draws.normal())
    return (image - low) / jnp.maximum(high - low, 1e-3)


def _field_of_view(draws: _Draws, shape: tuple[int, int], probability: float) -> jax.Array:
    """1 where the scanner looks; sometimes a side is missing."""
    much, which, some = draws.uniform(3)
    row, column = _coordinates(shape)
    edge = 1.0 - 0.6 * much
    side = (which * 4).astype(jnp.int32)
    place = jnp.stack([jnp.broadcast_to(axis, shape) for axis in (row, -row, column, -column)])[
        side
    ]
    return jnp.where((some < probability) & (place > edge), 0.0, 1.0)
