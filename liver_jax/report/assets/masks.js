"use strict";
// Two masks on one grid, as a list of runs: each number is 4 x length + label, label is
// 1 (automated) + 2 (manual), numbers are little-endian in groups of seven bits, base64.
const Masks = (() => {
  function decode(text, count) {
    const bytes = atob(text), labels = new Uint8Array(count);
    let place = 0, value = 0, shift = 0;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes.charCodeAt(i);
      value += (byte & 127) * 2 ** shift;
      if (byte & 128) { shift += 7; continue; }
      const length = Math.floor(value / 4), label = value % 4;
      if (label) labels.fill(label, place, place + length);
      place += length; value = 0; shift = 0;
    }
    return labels;
  }

  // The outline of one mask as an SVG path in pixels: halfway between the centres of the pixels
  // inside and outside (marching squares), closed at the border of the field.
  function outline(labels, rows, columns, bit) {
    const inside = (r, c) =>
      r >= 0 && c >= 0 && r < rows && c < columns && (labels[r * columns + c] & bit) !== 0;
    // A step leaves the middle of one side of a 2 x 2 block and ends in the middle of another,
    // the mask on its right. Sides: 0 top, 1 right, 2 bottom, 3 left.
    const steps = [
      [], [[0, 3]], [[1, 0]], [[1, 3]], [[3, 2]], [[0, 2]], [[1, 0], [3, 2]], [[1, 2]],
      [[2, 1]], [[0, 3], [2, 1]], [[2, 0]], [[2, 3]], [[3, 1]], [[0, 1]], [[3, 0]], [],
    ];
    const dx = [0.5, 1, 0.5, 0], dy = [0, 0.5, 1, 0.5];
    const width = 2 * columns + 5;
    const next = new Map();
    for (let r = -1; r < rows; r++) {
      for (let c = -1; c < columns; c++) {
        const kind = (inside(r, c) ? 1 : 0) | (inside(r, c + 1) ? 2 : 0) |
          (inside(r + 1, c) ? 4 : 0) | (inside(r + 1, c + 1) ? 8 : 0);
        if (kind === 0 || kind === 15) continue;
        for (const [from, to] of steps[kind]) {
          const key = side => (2 * (r + 1) + 2 * dy[side]) * width + 2 * (c + 1) + 2 * dx[side];
          next.set(key(from), key(to));
        }
      }
    }
    const parts = [];
    const point = key => [((key % width) - 1) / 2, (Math.floor(key / width) - 1) / 2];
    for (const start of [...next.keys()]) {
      if (!next.has(start)) continue;
      let key = start, path = "";
      let [x, y] = point(start), lastDx = null, lastDy = null, runX = 0, runY = 0;
      path = `M${x} ${y}`;
      do {
        const following = next.get(key);
        next.delete(key);
        const [nx, ny] = point(following);
        if (nx - x === lastDx && ny - y === lastDy) { runX += nx - x; runY += ny - y; }
        else {
          if (lastDx !== null) path += `l${runX} ${runY}`;
          lastDx = nx - x; lastDy = ny - y; runX = lastDx; runY = lastDy;
        }
        x = nx; y = ny; key = following;
      } while (next.has(key));
      parts.push(path + "z");
    }
    return parts.join("");
  }

  // All pixels with one label as an SVG path of rectangles, one for each run in a row.
  function area(labels, rows, columns, label) {
    let path = "";
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        if (labels[r * columns + c] !== label) continue;
        const first = c;
        while (c + 1 < columns && labels[r * columns + c + 1] === label) c++;
        path += `M${first} ${r}h${c - first + 1}v1h${first - c - 1}z`;
      }
    }
    return path;
  }

  return { decode, outline, area };
})();
