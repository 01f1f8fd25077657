"use strict";
(() => {
  const get = id => document.getElementById(id);
  const data = JSON.parse(get("report-data").textContent);
  // Many megabytes: parsed when the first picture is asked for.
  let parsed = null;
  const pictures = () => (parsed ??= JSON.parse(get("picture-data").textContent));

  const place = Object.fromEntries(data.keys.map((key, i) => [key, i]));
  const of = (row, key) => row[place[key]];
  const byId = new Map(data.rows.map(row => [of(row, "id"), row]));
  const escaped = text => String(text).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
  const number = (value, decimals) => {
    if (value === null || value === undefined) return "\u2013";
    const text = value.toFixed(decimals);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
  };
  const named = (kind, name) => data.names[kind][name] ?? name;

  // ---- the table of cases
  const columns = data.table; // key, label, decimals (null: text), unit
  const table = get("case-table"), body = table.tBodies[0];
  const AT_ONCE = 250;
  let shown = [], all = false, order = { key: null, descending: false };

  const fields = {
    text: get("filter-text"), technique: get("filter-technique"), model: get("filter-model"),
    cohort: get("filter-cohort"), flag: get("filter-flag"), low: get("filter-low"),
    high: get("filter-high"), first: get("filter-first"),
  };

  function wanted(row) {
    const words = fields.text.value.trim().toLowerCase();
    if (words && !of(row, "id").toLowerCase().includes(words)) return false;
    for (const key of ["technique", "model", "cohort"]) {
      const value = fields[key].value;
      if (value !== "*" && of(row, key) !== value) return false;
    }
    if (fields.first?.checked && of(row, "echo") !== null && of(row, "echo") !== 1) return false;
    const flag = fields.flag.value, flags = of(row, "flags");
    if (flag === "any" && !flags.length) return false;
    if (flag === "none" && flags.length) return false;
    if (flag === "outlier" && !data.outliers.includes(of(row, "id"))) return false;
    if (flag.startsWith("status:") && of(row, "status") !== flag.slice(7)) return false;
    if (flag.startsWith("flag:") && !flags.includes(flag.slice(5))) return false;
    const dice = of(row, "dice_or_zero");
    const low = fields.low.value, high = fields.high.value;
    if (low !== "" && !(dice !== null && dice >= Number(low))) return false;
    if (high !== "" && !(dice !== null && dice <= Number(high))) return false;
    return true;
  }

  function compare(a, b) {
    const [x, y] = [of(a, order.key), of(b, order.key)];
    const empty = value => value === null || value === undefined || value === "";
    // What is undefined comes last, whichever way the rest is sorted.
    if (empty(x) || empty(y)) return empty(x) - empty(y);
    let result;
    if (Array.isArray(x)) result = x.length - y.length || x.join().localeCompare(y.join());
    else if (typeof x === "number") result = x - y;
    else result = String(x).localeCompare(String(y), "en", { numeric: true });
    return order.descending ? -result : result;
  }

  function cell(row, [key, , decimals]) {
    const value = of(row, key);
    if (key === "flags") {
      return `<td>${value.map(flag => `<span class="flag">${escaped(flag)}</span>`).join("")}</td>`;
    }
    if (key === "id") {
      const name = escaped(value.slice(value.indexOf("/") + 1));
      return `<th scope="row"><a href="#case=${encodeURIComponent(value)}">${name}</a></th>`;
    }
    if (decimals === null) return `<td>${escaped(named(key, value) ?? "")}</td>`;
    if (key === "dice_or_zero" && of(row, "status") === "failed") return '<td class="n">failed</td>';
    return `<td class="n">${number(value, decimals)}</td>`;
  }

  function draw() {
    shown = data.rows.filter(wanted);
    if (order.key) shown.sort(compare);
    const some = all ? shown : shown.slice(0, AT_ONCE);
    body.innerHTML = some.map(row => `<tr data-id="${escaped(of(row, "id"))}" `
      + `class="${of(row, "status")}">${columns.map(column => cell(row, column)).join("")}</tr>`,
    ).join("");
    const dices = shown.map(row => of(row, "dice_or_zero")).filter(value => value !== null);
    const mean = dices.length ? dices.reduce((a, b) => a + b, 0) / dices.length : null;
    get("case-count").textContent = `${shown.length} of ${data.rows.length} cases`
      + (mean === null ? "" : `, mean Dice ${mean.toFixed(3)} (n = ${dices.length})`);
    get("case-more").hidden = some.length === shown.length;
    get("case-more").textContent = `Show all ${shown.length}`;
  }

  table.tHead.addEventListener("click", event => {
    const head = event.target.closest("th");
    if (!head) return;
    const key = head.dataset.key;
    order = { key, descending: order.key === key ? !order.descending : false };
    for (const other of table.tHead.querySelectorAll("th")) {
      if (other !== head) other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    draw();
  });
  body.addEventListener("click", event => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a")) location.hash = `case=${encodeURIComponent(row.dataset.id)}`;
  });
  for (const field of Object.values(fields)) field?.addEventListener("input", draw);
  get("filter-reset").addEventListener("click", () => {
    for (const [name, field] of Object.entries(fields)) {
      if (!field) continue;
      if (field.type === "checkbox") field.checked = false;
      else field.value = ["text", "low", "high", "flag"].includes(name) ? "" : "*";
    }
    draw();
  });
  get("case-more").addEventListener("click", () => { all = true; draw(); });

  // ---- slices
  function strip(into, id, how) {
    into.replaceChildren();
    const found = pictures()[id];
    if (!found) {
      into.innerHTML = '<p class="quiet">No slices were kept for this case.</p>';
      return;
    }
    const { rows, columns: width, ratio } = found, plane = rows * width;
    const labels = Masks.decode(found.masks, found.pictures.length * plane);
    found.pictures.forEach((picture, i) => {
      const part = labels.subarray(i * plane, (i + 1) * plane);
      const level = number(found.levels_mm[i], 0);
      const paths = how === "outlines"
        ? `<path class="outline m" d="${Masks.outline(part, rows, width, 2)}"/>`
          + `<path class="outline a" d="${Masks.outline(part, rows, width, 1)}"/>`
        : how === "areas"
          ? ["ao", "mo", "ab"].map((kind, k) =>
            `<path class="area ${kind}" d="${Masks.area(part, rows, width, k + 1)}"/>`).join("")
          : "";
      const frame = document.createElement("div");
      frame.className = "slice";
      frame.style.aspectRatio = String(1 / ratio);
      frame.innerHTML = `<img alt="Axial slice at ${level} mm, index ${found.indices[i]}" `
        + `src="data:image/webp;base64,${picture}"><svg viewBox="0 0 ${width} ${rows}" `
        + `preserveAspectRatio="none" aria-hidden="true">${paths}</svg>`
        + `<span class="side" aria-hidden="true">R</span>`
        + `<span class="level" aria-hidden="true">${level} mm</span>`;
      into.append(frame);
    });
  }

  // The outliers' pictures are made when they come near the view, and before printing.
  const waiting = new Set(document.querySelectorAll("[data-strip]"));
  const fill = element => {
    waiting.delete(element);
    strip(element, element.dataset.strip, "areas");
  };
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (entry.isIntersecting) { watcher.unobserve(entry.target); fill(entry.target); }
    }
  }, { rootMargin: "400px" });
  for (const element of waiting) watcher.observe(element);

  // ---- one case
  const dialog = get("case");
  const how = () => dialog.querySelector("input[name=drawn]:checked").value;
  let current = null;

  function lines(caption, pairs) {
    if (!pairs.length) return "";
    const rows = pairs.map(([label, value, title]) =>
      `<tr title="${escaped(title ?? "")}"><th scope="row">${escaped(label)}</th>`
      + `<td class="n">${escaped(value)}</td></tr>`);
    return `<table><caption>${escaped(caption)}</caption><tbody>${rows.join("")}</tbody></table>`;
  }

  function open(id) {
    const row = byId.get(id);
    if (!row) return;
    current = id;
    get("case-title").textContent = id.slice(id.indexOf("/") + 1);
    const echo = of(row, "echo") === null ? "" : `echo ${of(row, "echo")}`
      + (of(row, "te_ms") === null ? "" : ` (TE ${of(row, "te_ms")} ms)`);
    const tesla = of(row, "field_strength_t");
    get("case-facts").textContent = [
      named("technique", of(row, "technique")), of(row, "contrast_phase")?.replaceAll("_", " "),
      echo, tesla === null ? "" : `${tesla} T`, named("model", of(row, "model")),
      of(row, "cohort"), of(row, "site"), of(row, "session") && `session ${of(row, "session")}`,
    ].filter(Boolean).join(" \u00b7 ");
    const status = of(row, "status"), reason = of(row, "reason");
    const flags = of(row, "flags").map(flag =>
      `<span class="flag" title="${escaped(data.flags[flag] ?? "")}">${escaped(flag)}</span>`);
    get("case-status").innerHTML = (status === "ok" && !reason ? "" :
      `<p class="banner">${escaped(status)}${reason ? `: ${escaped(reason)}` : ""}</p>`)
      + flags.join("");
    strip(get("case-slices"), id, how());
    const links = [];
    const address = `cases/${id.split("/").map(encodeURIComponent).join("/")}`;
    if (of(row, "has_viewer")) links.push(`<a href="${address}.html">All slices</a>`);
    if (of(row, "has_volume_view")) links.push(`<a href="${address}.volume.html">Volume view</a>`);
    get("case-links").innerHTML = links.join(" \u00b7 ");
    const figures = data.measures
      .filter(([key]) => of(row, key) !== null && of(row, key) !== undefined)
      .map(([key, label, unit, decimals, meaning]) =>
        [label, `${number(of(row, key), decimals)} ${unit}`.trim(), meaning]);
    const predicted = of(row, "predicted_dice");
    const quality = Object.entries(of(row, "quality")).map(([key, value]) =>
      [key.replaceAll("_", " "), number(value, 3), data.signals[key]]);
    if (predicted !== null) quality.unshift(["predicted Dice", number(predicted, 3), ""]);
    get("case-figures").innerHTML = lines("Figures", figures)
      + lines("Signals without a reference", quality)
      + lines("From the manifest", Object.entries(of(row, "columns")));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function follow() {
    const match = location.hash.match(/^#case=(.+)$/);
    if (match) open(decodeURIComponent(match[1]));
    else if (dialog.open) dialog.close();
  }
  function step(by) {
    const at = shown.findIndex(row => of(row, "id") === current);
    const next = shown[at + by];
    if (at >= 0 && next) location.replace(`#case=${encodeURIComponent(of(next, "id"))}`);
  }
  dialog.addEventListener("close", () => {
    current = null;
    if (location.hash.startsWith("#case=")) {
      history.replaceState(null, "", location.pathname + location.search);
    }
  });
  get("case-close").addEventListener("click", () => dialog.close());
  get("case-previous").addEventListener("click", () => step(-1));
  get("case-next").addEventListener("click", () => step(1));
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", event => {
    if (event.target.type === "radio") return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  const redraw = () => {
    for (const key of dialog.querySelectorAll(".drawn-key")) key.hidden = key.dataset.for !== how();
    if (current) strip(get("case-slices"), current, how());
  };
  for (const input of dialog.querySelectorAll("input[name=drawn]")) {
    input.addEventListener("change", redraw);
  }
  window.addEventListener("hashchange", follow);

  // ---- print: all is open, and no picture is missing
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const element of closed) element.open = true;
    for (const element of waiting) fill(element);
  });
  window.addEventListener("afterprint", () => {
    for (const element of closed) element.open = false;
  });

  redraw(); draw(); follow();
})();
