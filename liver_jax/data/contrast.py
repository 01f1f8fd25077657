"""From label maps to images of any contrast, in JAX, inside the jitted training step.

Training on contrasts drawn at random makes a network for which no real contrast is foreign (Billot
et al., SynthSeg, Med Image Anal 2023;86:102789). Each example draws from its own key, derived from
its global position, as in `augment`. What a tissue looks like comes from one of three families:
attenuation in HU (`ct`), relaxation and a pulse sequence (`mr`), or chance (`any`). Then come
partial volume, texture, shading, ghosts, blur, noise and the preprocessing's own scaling.
"""

import dataclasses
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
_FILLED_BOWEL = (Tissue.BOWEL_FLUID, Tissue.STOOL, Tissue.BOWEL_GAS)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Ranges of what is drawn.

    Attributes:
        ct: Share of examples that look like CT.
        mr: Share that follow a pulse sequence; the rest have intensities by chance.
        ct_low_hu: CT value that becomes 0, as in the preprocessing.
        ct_high_hu: CT value that becomes 1.
        texture: Largest SD of a tissue's texture, in units of the intensity range.
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


def _one(key: jax.Array, stack: jax.Array, settings: Settings) -> tuple[jax.Array, jax.Array]:
    keys = iter(jax.random.split(key, 16))
    looks, spread, is_ct = _looks(next(keys), settings)
    # Slice profile: what the slice shares with its neighbours, or nothing.
    draws = jax.random.uniform(next(keys), (2,))
    beside = settings.thickness * draws[0] * (draws[1] < 0.6)
    profile = jnp.stack([beside, 1.0 - 2.0 * beside, beside])
    is_liver = jnp.asarray(_table(LIVER_TISSUES))
    tables = jnp.stack([looks, is_liver], axis=1)  # one look-up for both
    slices = _pooled(tables[stack.astype(jnp.int32)])
    image, liver = jnp.moveaxis(jnp.tensordot(profile, slices, 1), -1, 0)
    middle = stack[1, ::2, ::2].astype(jnp.int32)
    image = image + spread[middle] * _texture(next(keys), image.shape)
    empty = middle == Tissue.AIR
    image = _surroundings(next(keys), image, empty, looks, settings)

    shaded = jnp.maximum(image, 0.0) * _shading(next(keys), image.shape, settings)
    image = jnp.where(is_ct, image, shaded)
    image = _ghosts(next(keys), image, settings)
    image = _blurred(next(keys), image, settings.blur_pixels)
    image = _noisy(next(keys), image, is_ct, settings.noise)
    scaled = _scaled(next(keys), image)
    gamma = jnp.exp(settings.log_gamma * jax.random.normal(next(keys)))
    scaled = jnp.maximum(scaled, 1e-6) ** gamma
    image = jnp.clip(jnp.where(is_ct, image, scaled), 0.0, 1.0)
    seen = _field_of_view(next(keys), image.shape, settings.cut)
    return image * seen, (liver * seen >= 0.5).astype(jnp.float32)


def _table(chosen: tuple[Tissue, ...]) -> np.ndarray:
    table = np.zeros(_COUNT, np.float32)
    table[list(chosen)] = 1.0
    return table


def _values(values: dict, pick) -> np.ndarray:
    return np.array([pick(values[tissue]) for tissue in Tissue], np.float32)


def _looks(key: jax.Array, settings: Settings) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Intensity and texture of each tissue, [tissue], and whether it is a CT."""
    family_key, ct_key, mr_key, any_key, spread_key, merge_key = jax.random.split(key, 6)
    family = jax.random.uniform(family_key)
    is_ct, is_mr = family < settings.ct, family < settings.ct + settings.mr
    by_sequence, by_chance = _mr(mr_key), _any(any_key)
    looks = jnp.where(is_ct, _ct(ct_key, settings), jnp.where(is_mr, by_sequence, by_chance))
    # Now and then a tissue looks like another.
    other = jax.random.randint(merge_key, (_COUNT,), 1, _COUNT)
    merged = jax.random.bernoulli(jax.random.fold_in(merge_key, 1), 0.06, (_COUNT,))
    merged = merged & ~is_ct & (jnp.arange(_COUNT) != Tissue.AIR)
    looks = jnp.where(merged, looks[other], looks)
    amount_key, each_key = jax.random.split(spread_key)
    each = jax.random.uniform(each_key, (_COUNT,)) * jax.random.uniform(amount_key)
    inhabited = 1.0 - _table((Tissue.AIR,))
    return looks, settings.texture * each * inhabited, is_ct


def _ct(key: jax.Array, settings: Settings) -> jax.Array:
    """Attenuation of any phase, where the range of the preprocessing is 0 to 1."""
    phase_key, normal_key, artery_key, bowel_key = jax.random.split(key, 4)
    rows = [
        _values(tissues.CT, lambda row, name=name, k=k: getattr(row, name)[k])
        for name in ("unenhanced", "portal_venous")
        for k in (0, 1)
    ]
    draws = jax.random.uniform(phase_key, (2,))
    # A third without contrast agent, the others with less or more of it than tabulated.
    phase = jnp.where(draws[0] < 0.35, 0.0, 0.3 + draws[1])
    normal = jax.random.normal(normal_key, (_COUNT,))
    mean = rows[0] + phase * (rows[2] - rows[0])
    hu = mean + 1.3 * normal * (rows[1] + jnp.minimum(phase, 1.0) * (rows[3] - rows[1]))
    # Arterial: arteries and the kidney's cortex alone.
    arterial = jax.random.uniform(artery_key, (2,))
    early = (arterial[0] < 0.2) & (phase > 0)
    bright = _table((Tissue.ARTERY, Tissue.KIDNEY_CORTEX)) * 200.0 * arterial[1]
    hu = jnp.where(early, rows[0] + 0.4 * (mean - rows[0]) + bright + 8.0 * normal, hu)
    # Contrast agent that was swallowed.
    swallowed = jax.random.uniform(bowel_key, (2,))
    filled = _table((Tissue.BOWEL_FLUID, Tissue.STOOL)) * 300.0 * swallowed[1]
    hu = hu + jnp.where(swallowed[0] < 0.3, filled, 0.0)
    # Where fat goes up, liver goes down.
    hu = hu.at[Tissue.LIVER].add(-60.0 * jax.random.uniform(jax.random.fold_in(key, 9)) ** 4)
    return (hu - settings.ct_low_hu) / (settings.ct_high_hu - settings.ct_low_hu)


def _mr(key: jax.Array) -> jax.Array:
    """Signal of a gradient or a spin echo of any timing, with fat or without, enhanced or not."""
    keys = iter(jax.random.split(key, 12))

    def uniform(low: float, high: float) -> jax.Array:
        return jax.random.uniform(next(keys), (), jnp.float32, low, high)

    field = jax.random.bernoulli(next(keys)).astype(jnp.int32)
    t1 = jnp.stack([_values(tissues.MR, lambda row, b=b: row.t1_ms[b]) for b in _FIELDS_T])
    r2star = jnp.stack(
        [_values(tissues.MR, lambda row, b=b: row.r2star_per_s[b]) for b in _FIELDS_T]
    )
    t2 = jnp.stack([_values(tissues.T2_MS, lambda row, k=k: row[k]) for k in range(2)])
    t1, r2star, t2 = t1[field], r2star[field], t2[field]
    density = _values(tissues.MR, lambda row: row.proton_density)
    fat = jnp.asarray(_values(tissues.MR, lambda row: row.pdff_percent / 100))

    normal = jax.random.normal(next(keys), (4, _COUNT))
    # Gadolinium shortens T1 where blood is, everywhere else less; in one case in two.
    dose = jnp.maximum(uniform(-1.0, 1.5), 0.0)
    taken_up = dose * (0.2 + 0.6 * jnp.abs(normal[3]) + _table(_VESSELS))
    t1 = t1 * jnp.exp(0.15 * normal[0]) * jnp.exp(-taken_up)
    t2 = t2 * jnp.exp(0.3 * normal[1])
    density = density * jnp.exp(0.1 * normal[2])
    steatosis = 0.45 * uniform(0.0, 1.0) ** 3
    fat = fat.at[Tissue.LIVER].set(jnp.maximum(fat[Tissue.LIVER], steatosis))
    iron = 300.0 * uniform(0.0, 1.0) ** 6
    r2star = r2star.at[Tissue.LIVER].add(iron)

    kind, suppressed = uniform(0.0, 1.0), jnp.where(uniform(0.0, 1.0) < 0.5, uniform(0.02, 0.25), 1)
    log = jax.random.uniform(next(keys), (4,))
    # A spoiled gradient echo; water and fat drift apart in phase.
    tr_ms, te_ms = 3.0 * 60.0 ** log[0], 0.9 * 9.0 ** log[1]
    angle = jnp.deg2rad(3.0 + 77.0 * log[2])
    turns = 2j * math.pi * _FAT_HZ * (1.0 + field) * te_ms * 1e-3
    water_weight = _spoiled(tr_ms, angle, t1)
    fat_weight = _spoiled(tr_ms, angle, jnp.asarray([343.0, 382.0])[field])
    both = (1 - fat) * water_weight + suppressed * fat * fat_weight * jnp.exp(turns)
    gradient_echo = jnp.abs(both) * jnp.exp(-te_ms * r2star * 1e-3)
    # A spin echo, of proton density to heavy T2 weighting.
    tr_ms, te_ms = 500.0 * 16.0 ** log[0], 10.0 * 15.0 ** log[1]
    decayed = (1 - jnp.exp(-tr_ms / t1)) * jnp.exp(-te_ms / t2)
    spin_echo = ((1 - fat) + suppressed * fat) * decayed
    # Blood that flows leaves no echo, in some.
    flow_void = jnp.where(log[3] < 0.4, 1.0 - 0.9 * _table(_VESSELS), 1.0)
    signal = density * jnp.where(kind < 0.55, gradient_echo, spin_echo * flow_void)
    # What is far brighter than the rest, water as a rule, is not let take the range.
    return signal / (jnp.sort(signal)[-6] + 1e-6)


def _spoiled(tr_ms: jax.Array, angle: jax.Array, t1_ms: jax.Array) -> jax.Array:
    """A spoiled gradient echo's steady state, as `physics.signal` has it for NumPy."""
    e1 = jnp.exp(-tr_ms / t1_ms)
    return jnp.sin(angle) * (1 - e1) / (1 - e1 * jnp.cos(angle))


def _any(key: jax.Array) -> jax.Array:
    """Intensities by chance: each tissue one of its own, but for what belongs together."""
    level_key, vessel_key, choice_key, dark_key = jax.random.split(key, 4)
    levels = jax.random.uniform(level_key, (_COUNT,))
    choice = jax.random.uniform(choice_key, (6,))
    liver = levels[Tissue.LIVER]

    def tie(values: jax.Array, chosen: tuple[Tissue, ...], to: jax.Array, holds: jax.Array):
        near = to + 0.08 * jax.random.normal(vessel_key, (_COUNT,))
        return jnp.where((_table(chosen) > 0) & holds, near, values)

    fats = (Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT)
    kidneys = (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA)
    levels = tie(levels, fats, levels[Tissue.VISCERAL_FAT], choice[0] < 0.9)
    levels = tie(levels, kidneys, levels[Tissue.KIDNEY_CORTEX], choice[1] < 0.6)
    levels = tie(levels, _VESSELS, levels[Tissue.VEIN], choice[2] < 0.6)
    levels = tie(levels, (Tissue.LIVER_VESSEL,), liver, choice[3] < 0.3)
    levels = tie(levels, (Tissue.LESION, Tissue.INFILTRATE), liver, choice[4] < 0.2)
    # Air, lung and bone are dark, as a rule.
    dark = 0.15 * jax.random.uniform(dark_key, (_COUNT,))
    is_dark = (_table(_SIGNALLESS) > 0) & (choice[5] < 0.85)
    levels = jnp.where(is_dark, dark, levels)
    return levels.at[Tissue.AIR].set(jnp.where(choice[5] < 0.95, 0.0, levels[Tissue.AIR]))


def _pooled(values: jax.Array) -> jax.Array:
    """Means of 2 x 2: [3, 2 row, 2 column, n] -> [3, row, column, n]."""
    planes, rows, columns, n = values.shape
    return values.reshape(planes, rows // 2, 2, columns // 2, 2, n).mean(axis=(2, 4))


def _field(key: jax.Array, shape: tuple[int, int], points: int) -> jax.Array:
    """A smooth random field of about unit SD, [row, column]."""
    coarse = jax.random.normal(key, (points, points))
    along = [jnp.asarray(_interpolation(points, size)) for size in shape]
    return along[0] @ coarse @ along[1].T


def _interpolation(points: int, size: int) -> np.ndarray:
    """Cubic interpolation of `points` values to `size`, as a matrix [size, points]."""
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.image.resize(jnp.eye(points), (size, points), "cubic"))


def _texture(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Grain of several sizes."""
    keys = jax.random.split(key, 4)
    weights = jax.random.uniform(keys[3], (3,))
    fine = jax.random.normal(keys[0], (shape[0] // 2, shape[1] // 2))
    fine = jnp.repeat(jnp.repeat(fine, 2, axis=0), 2, axis=1)
    fields = (fine, _field(keys[1], shape, 32), _field(keys[2], shape, 9))
    return sum(w * f for w, f in zip(weights, fields, strict=True)) / jnp.linalg.norm(weights)


def _coordinates(shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Rows [row, 1] and columns [1, column], from -1 to 1."""
    return jnp.linspace(-1, 1, shape[0])[:, None], jnp.linspace(-1, 1, shape[1])[None, :]


def _surroundings(
    key: jax.Array, image: jax.Array, empty: jax.Array, looks: jax.Array, settings: Settings
) -> jax.Array:
    """Arms at the sides and a couch under the back, where there is nothing else."""
    arm_key, couch_key, which_key = jax.random.split(key, 3)
    which = jax.random.uniform(which_key, (2,))
    row, column = _coordinates(image.shape)
    arm = jax.random.uniform(arm_key, (5,))
    across = (jnp.abs(column) - (0.78 + 0.2 * arm[0])) / (0.07 + 0.06 * arm[1])
    along = (row - 0.6 * (arm[2] - 0.5)) / (0.1 + 0.12 * arm[3])
    squared = across**2 + along**2
    limb = jnp.where(squared < 0.1, looks[Tissue.MARROW], looks[Tissue.MUSCLE])
    limb = jnp.where(squared > 0.7, looks[Tissue.SUBCUTANEOUS_FAT], limb)
    image = jnp.where(empty & (squared < 1) & (which[0] < settings.beside), limb, image)
    couch = jax.random.uniform(couch_key, (3,))
    # Rows run towards the front.
    depth = row + 0.7 + 0.25 * couch[0] - 0.15 * couch[1] * column**2
    shown = empty & (jnp.abs(depth) < 0.012) & (which[1] < settings.beside)
    return jnp.where(shown, 0.8 * couch[2], image)


def _shading(key: jax.Array, shape: tuple[int, int], settings: Settings) -> jax.Array:
    """Of coils: smooth, stronger towards one side, stronger at the surface."""
    field_key, draw_key = jax.random.split(key)
    normal = jax.random.normal(draw_key, (4,))
    row, column = _coordinates(shape)
    log = _field(field_key, shape, 4) * jnp.abs(normal[0])
    log = log + 1.2 * (normal[1] * row + normal[2] * column)
    log = log + 1.2 * jnp.abs(normal[3]) * (row**2 + column**2)
    return jnp.exp(settings.log_shading * log)


def _ghosts(key: jax.Array, image: jax.Array, settings: Settings) -> jax.Array:
    """The image again, shifted along the rows and weak."""
    draws = jax.random.uniform(key, (3,))
    shift = (draws[0] * image.shape[0]).astype(jnp.int32)
    strength = jnp.where(draws[1] < settings.ghost, 0.2 * draws[2], 0.0)
    return image + strength * jnp.roll(image, shift, axis=0)


def _blurred(key: jax.Array, image: jax.Array, largest_pixels: float) -> jax.Array:
    """A Gaussian blur of another width along each axis, as two matrix products."""
    widths = largest_pixels * jax.random.uniform(key, (2,)) + 0.1
    for axis, width in enumerate(widths):
        place = jnp.arange(image.shape[axis])
        weights = jnp.exp(-0.5 * ((place[:, None] - place[None, :]) / width) ** 2)
        weights = weights / weights.sum(axis=1, keepdims=True)
        image = weights @ image if axis == 0 else image @ weights.T
    return image


def _noisy(key: jax.Array, image: jax.Array, is_ct: jax.Array, largest: float) -> jax.Array:
    """Noise of one pixel or two, which is Rician but in CT."""
    level_key, noise_key, mix_key = jax.random.split(key, 3)
    level = largest * jax.random.uniform(level_key) ** 2
    noise = jax.random.normal(noise_key, image.shape)
    smooth = 0.5 * (noise + jnp.roll(noise, 1, 0) + jnp.roll(noise, 1, 1) + jnp.roll(noise, (1, 1)))
    noise = level * jnp.where(jax.random.bernoulli(mix_key), noise, smooth)
    # The other channel: the same, mirrored, is as good as another draw, and costs nothing.
    imaginary = noise[::-1, ::-1]
    return jnp.where(is_ct, image + noise, jnp.hypot(image + noise, imaginary))


def _scaled(key: jax.Array, image: jax.Array) -> jax.Array:
    """As the preprocessing scales MR by percentiles, which it takes of the whole scan."""
    ordered = jnp.sort(image.ravel()[::4])
    count = len(ordered)
    bright = ordered[int(0.99 * count)]
    # Percentile 99.5 of the body, whose pixels are the last of the order.
    outside = jnp.searchsorted(ordered, 0.1 * bright)
    high = ordered[(outside + 0.995 * (count - outside)).astype(jnp.int32).clip(0, count - 1)]
    low = ordered[int(0.005 * count)]
    high = low + (high - low) * jnp.exp(0.2 * jax.random.normal(key))
    return (image - low) / jnp.maximum(high - low, 1e-3)


def _field_of_view(key: jax.Array, shape: tuple[int, int], probability: float) -> jax.Array:
    """1 where the scanner looks; sometimes a side is missing."""
    draws = jax.random.uniform(key, (3,))
    row, column = _coordinates(shape)
    edge = 1.0 - 0.6 * draws[0]
    side = (draws[1] * 4).astype(jnp.int32)
    place = jnp.stack([jnp.broadcast_to(axis, shape) for axis in (row, -row, column, -column)])[
        side
    ]
    return jnp.where((draws[2] < probability) & (place > edge), 0.0, 1.0)
