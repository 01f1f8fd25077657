"""Every field of a run, with its meaning; the other configs are deltas of this one.

Lists and weights are written as text, `technique=value` pairs joined by commas
(`ct=10,hbp_t1w=20`), because a tuple cannot be given on the command line.

Extending a finished run: ask for more with `--config.train.steps=N` and the same workdir. The
learning rate is a function of the step and of `train.steps` alone, so the extended run goes on
where the longer cosine stands at that step: the rate rises again and decays to zero at the new end.
"""

import ml_collections

SIZES = ("demo", "paper")


def get_config(size: str = "paper") -> ml_collections.ConfigDict:
    """The fields common to all runs.

    Args:
        size: `demo` (two CPU cores, minutes, 128 x 128) or `paper` (256 x 256, the paper's counts,
            one accelerator). It changes the grid, the counts and the schedule, never the
            architecture.
    """
    if size not in SIZES:
        raise ValueError(f"size={size!r} is not one of {', '.join(SIZES)}")
    demo = size == "demo"
    config = ml_collections.ConfigDict()
    config.size = size
    # One seed for everything: initial weights, choice of subjects, order of examples, augmentation.
    config.seed = 0

    config.data = data = ml_collections.ConfigDict()
    # One manifest, or several joined by commas.
    data.manifests = "data/phantom_demo/manifest.csv" if demo else "data/phantom/manifest.csv"
    # Where slice records are kept between runs.
    data.cache = "data/slices"
    # Training subjects of each technique, drawn from the manifests' split train.
    data.train_subjects = ""
    # Seed of that draw; the sets of one seed are nested.
    data.subject_seed = 0
    # Relative frequency of each technique's examples; empty: as many as there are.
    data.weights = ""
    # Whether the training examinations are label maps (prepare --cohort=anatomies) in place of
    # images: their contrast is drawn inside the step, from the ranges in `contrast`.
    data.from_labels = False
    # Techniques whose validation subjects choose the checkpoint, `ct,hbp_t1w`; empty: those that
    # are trained on.
    data.validation = ""
    # Fraction of examples whose slice holds liver: batches of mostly background train poorly.
    data.liver_fraction = 0.65
    # The grid: rows and columns, and pixel spacing in mm (358 mm; wider bodies get wider pixels).
    data.size = 128 if demo else 256
    data.spacing_mm = 2.8 if demo else 1.4
    # The CT values that become 0 and 1.
    data.ct_low_hu = -160.0
    data.ct_high_hu = 240.0
    # The percentiles of each MR echo that become 0 (of all voxels) and 1 (of the body's voxels).
    data.mr_low_percentile = 0.5
    data.mr_high_percentile = 99.5
    # Threads that read and decode ahead.
    data.threads = 2 if demo else 8

    # A demo sees each example less than once, so it needs less variety than the paper's size.
    config.augment = augment = ml_collections.ConfigDict()
    # Largest rotation, in degrees.
    augment.rotation_deg = 5.0 if demo else 10.0
    # Largest absolute logarithm of the magnification.
    augment.log_scale = 0.07 if demo else 0.15
    # Largest shift along each axis.
    augment.shift_mm = 10.0 if demo else 20.0
    # Standard deviation of the elastic displacement, and control points of its field on each axis.
    augment.elastic_mm = 2.0 if demo else 4.0
    augment.elastic_points = 6
    # Standard deviations of the logarithms of intensity factor, exponent and smooth bias field.
    augment.log_gain = 0.1
    augment.log_gamma = 0.15
    augment.log_bias = 0.1
    # Largest standard deviation of added noise, in units of the intensity range.
    augment.noise = 0.03 if demo else 0.05

    # Of label maps: the share of examples that look like CT, and that follow an MR pulse sequence;
    # the others have intensities by chance.
    config.contrast = contrast = ml_collections.ConfigDict()
    contrast.ct = 0.3
    contrast.mr = 0.4
    # Largest SD of a tissue's texture, in units of the intensity range.
    contrast.texture = 0.1
    # How often each organ beside the liver (bowel, spleen, muscle, pancreas, kidneys) looks as it
    # does, so that place and shape must tell.
    contrast.alike = 0.15
    # Largest SD by which bowel and what it holds differ from loop to loop, likewise.
    contrast.bowel = 0.3
    # Standard deviations of the logarithms of the exponent, and of the shading by coils.
    contrast.log_gamma = 0.35
    contrast.log_shading = 0.45
    # Largest SD of the blur along each axis, in pixels, and of the noise.
    contrast.blur_pixels = 1.0
    contrast.noise = 0.12
    # Largest share of a slice that comes from each of its neighbours.
    contrast.thickness = 0.33
    # How often a side is cut off, arms or a couch lie beside the body, and ghosts run along it.
    contrast.cut = 0.05
    contrast.beside = 0.15
    contrast.ghost = 0.15

    config.model = model = ml_collections.ConfigDict()
    # Channels of the first level; each pooling doubles them.
    model.base_features = 16
    # Number of poolings.
    model.depth = 4
    # group, instance or batch.
    model.norm = "group"
    # bfloat16, float32, or auto: bfloat16 on accelerators, float32 on the CPU.
    model.dtype = "auto"
    # Compute inner values again for the gradient instead of keeping them: less memory, more time.
    model.remat = False

    config.loss = loss = ml_collections.ConfigDict()
    # Weight of (1 - Dice of the batch) beside the mean cross entropy.
    loss.dice_weight = 1.0

    config.optimizer = optimizer = ml_collections.ConfigDict()
    # AdamW: linear warm-up to the peak, then a cosine to zero.
    optimizer.peak_learning_rate = 3e-3 if demo else 1e-3
    optimizer.warmup_steps = 100 if demo else 500
    optimizer.weight_decay = 1e-4
    # Largest global norm of a gradient.
    optimizer.clip_norm = 1.0
    # Decay of the exponential moving average of the weights, which is then what is validated and
    # used; 0: none.
    optimizer.ema_decay = 0.99 if demo else 0.999

    config.train = train = ml_collections.ConfigDict()
    train.steps = 0
    # Global batch size, whatever the number of devices and hosts.
    train.batch_size = 4 if demo else 16
    # Parts that a batch goes through the network in, one after the other, where it does not fit at
    # once; the gradient is the same, at the cost of one more forward pass.
    train.microbatches = 1
    # Steps between two measurements on the validation subjects.
    train.validate_every_steps = 0
    # Steps between two checkpoints (validation writes one too).
    train.checkpoint_every_steps = 0
    # A step that takes longer is told of, with the host that lags; minutes, to hold a validation.
    train.step_timeout_s = 900.0
    # Steps between two lines of metrics.jsonl.
    train.log_every_steps = 10 if demo else 50
    # Stop after this many validations without a better one; 0: never.
    train.patience_validations = 0

    config.init = init = ml_collections.ConfigDict()
    # A run folder (its best checkpoint), FOLDER/latest, an exported file, builtin (the weights that
    # come with the project), or none for random weights.
    init.checkpoint = "none"
    return config
