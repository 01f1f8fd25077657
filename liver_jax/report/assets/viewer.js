(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = id => document.getElementById(id);
  const { rows, columns, stored } = data;
  const count = data.pictures.length, plane = rows * columns;
  const labels = Masks.decode(data.masks, count * plane);
  const frame = get("frame"), overlay = get("overlay"), slider = get("slider");
  const [only, missed, common] = data.areas_cm2;
  const paths = new Map();
  let [low, high] = data.window;

  // The slice with the largest common or single area is where a reader begins.
  const total = only.map((area, i) => area + missed[i] + common[i]);
  let current = total.some(area => area > 0)
    ? total.indexOf(Math.max(...total)) : Math.floor(count / 2);

  overlay.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  slider.max = count - 1;
  frame.setAttribute("aria-valuemax", count);

  function fit() {
    const ratio = (rows * data.pixel_mm[0]) / (columns * data.pixel_mm[1]);
    const room = frame.parentElement.clientWidth;
    const width = Math.min(room, Math.max(240, (window.innerHeight - 190) / ratio));
    frame.style.width = `${width}px`;
    frame.style.height = `${width * ratio}px`;
  }

  // Neighbours are decoded ahead, so that scrolling never shows an empty frame.
  const pictures = new Array(count);
  function picture(i) {
    if (!pictures[i]) {
      pictures[i] = new Image();
      pictures[i].src = `data:image/jpeg;base64,${data.pictures[i]}`;
    }
    return pictures[i];
  }

  function drawnPaths(i) {
    if (!paths.has(i)) {
      const part = labels.subarray(i * plane, (i + 1) * plane);
      paths.set(i, {
        "outline-automated": Masks.outline(part, rows, columns, 1),
        "outline-manual": Masks.outline(part, rows, columns, 2),
        "only-automated": Masks.area(part, rows, columns, 1),
        "only-manual": Masks.area(part, rows, columns, 2),
        "in-both": Masks.area(part, rows, columns, 3),
      });
    }
    return paths.get(i);
  }

  function show(i) {
    current = Math.max(0, Math.min(count - 1, i));
    get("picture").src = picture(current).src;
    for (const [id, path] of Object.entries(drawnPaths(current))) get(id).setAttribute("d", path);
    slider.value = current;
    const level = data.levels_mm[current].toFixed(1).replace("-", "\u2212");
    get("place").textContent = `${current + 1} / ${count}`;
    const sum = [only[current] + common[current], missed[current] + common[current]];
    const areas = data.outlines.map((name, k) => `${name} ${sum[k].toFixed(1)} cm\u00b2`).join(", ");
    const words = `Slice ${current + 1} of ${count} from the feet (index ${data.indices[current]}), `
      + `${level} mm. ${areas}.`;
    get("words").textContent = words;
    frame.setAttribute("aria-valuenow", current + 1);
    frame.setAttribute("aria-valuetext", words);
    marker.setAttribute("x", current);
    for (const near of [current - 1, current + 1]) if (near >= 0 && near < count) picture(near);
  }

  function setWindow(newLow, newHigh) {
    const span = stored[1] - stored[0], least = span / 200;
    low = Math.max(stored[0] - span, Math.min(newLow, stored[1] - least));
    high = Math.max(low + least, Math.min(newHigh, stored[1] + span));
    const slope = span / (high - low), intercept = (stored[0] - low) / (high - low);
    for (const id of ["red", "green", "blue"]) {
      get(id).setAttribute("slope", slope);
      get(id).setAttribute("intercept", intercept);
    }
    const values = { level: (low + high) / 2, width: high - low };
    for (const [id, value] of Object.entries(values)) {
      get(id).value = value;
      get(`${id}-value`).textContent = `${Number(value.toPrecision(3))} ${data.unit}`;
    }
  }

  // How much of each slice is in one mask only, under the image.
  const profile = get("profile");
  const tallest = Math.max(...total, 1e-6);
  const parts = [[common, "#8a929c"], [missed, "var(--manual)"], [only, "var(--automated)"]];
  profile.setAttribute("viewBox", `0 0 ${count} 100`);
  const rectangle = (x, y, width, height, fill) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of Object.entries({ x, y, width, height })) made.setAttribute(key, value);
    made.style.fill = fill;
    profile.append(made);
    return made;
  };
  for (let i = 0; i < count; i++) {
    let top = 100;
    for (const [areas, fill] of parts) {
      const height = (100 * areas[i]) / tallest;
      top -= height;
      if (height > 0) rectangle(i + 0.08, top, 0.84, height, fill);
    }
  }
  const marker = rectangle(current, 0, 1, 100, "currentColor");
  marker.style.opacity = 0.22;
  profile.addEventListener("click", event => {
    const box = profile.getBoundingClientRect();
    show(Math.floor(((event.clientX - box.left) / box.width) * count));
  });

  const span = stored[1] - stored[0];
  Object.assign(get("level"), { min: stored[0], max: stored[1], step: span / 200 });
  Object.assign(get("width"), { min: span / 200, max: span, step: span / 200 });
  get("level").addEventListener("input", event => {
    const half = (high - low) / 2, level = Number(event.target.value);
    setWindow(level - half, level + half);
  });
  get("width").addEventListener("input", event => {
    const level = (low + high) / 2, half = Number(event.target.value) / 2;
    setWindow(level - half, level + half);
  });
  const reset = () => setWindow(...data.window);
  get("reset").addEventListener("click", reset);

  slider.addEventListener("input", () => show(Number(slider.value)));
  let rolled = 0;
  frame.addEventListener("wheel", event => {
    event.preventDefault();
    // A touchpad sends many small steps, a wheel few large ones.
    rolled += event.deltaMode === 0 ? event.deltaY / 40 : event.deltaY;
    const steps = Math.sign(rolled) * Math.min(3, Math.floor(Math.abs(rolled)));
    if (steps) { rolled = 0; show(current - steps); }
  }, { passive: false });

  let from = null;
  frame.addEventListener("pointerdown", event => {
    from = { x: event.clientX, y: event.clientY, low, high };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", event => {
    if (!from) return;
    const scale = (stored[1] - stored[0]) / 400;
    const half = Math.max(1e-9, (from.high - from.low) / 2 + (event.clientX - from.x) * scale);
    const level = (from.low + from.high) / 2 + (event.clientY - from.y) * scale;
    setWindow(level - half, level + half);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    frame.addEventListener(name, () => { from = null; });
  }

  function layers() {
    for (const [box, parts] of boxes) {
      for (const part of overlay.querySelectorAll(parts)) part.style.display = box.checked ? "" : "none";
    }
  }
  // A page with one mask has no box for a manual one.
  const boxes = [["show-manual", "#outline-manual"], ["show-automated", "#outline-automated"],
    ["show-areas", ".area"]].map(([id, parts]) => [get(id), parts]).filter(([box]) => box);
  for (const [box] of boxes) box.addEventListener("change", layers);

  const moves = {
    ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
    Home: -Infinity, End: Infinity,
  };
  const toggles = { m: "show-manual", a: "show-automated", v: "show-areas" };
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      if (event.target.type === "range") return; // it moves by itself
      show(current + moves[event.key]);
      event.preventDefault();
    } else if (event.key in toggles) {
      const box = get(toggles[event.key]);
      if (!box) return;
      box.checked = !box.checked;
      layers();
    } else if (event.key === "r") reset();
  });
  window.addEventListener("resize", fit);
  fit(); layers(); reset(); show(current);
})();
