"use strict";
// The coloring of the map: by dataset, outlier score, cluster, or a column of the images' metadata.
(() => {
  const g = gapscope;
  const OTHER = 65534; // code of a text that is too rare to have a code of its own
  const MISSING = 65535; // code of an image without a value
  const MAX_COLORED_TEXTS = 7;
  const LIGHT = ["#440154", "#3b528b", "#21918c", "#4fb04f", "#b3a800"];
  const DARK = ["#8a4bb8", "#5b7fd0", "#2fb8ae", "#7ddc6e", "#fde725"];
  const STEPS = 64;
  let coloring = null; // a column's description and values; null if the map is colored by dataset

  // The options besides "dataset", in the order of the menu.
  g.colorOptions = () => ["outlier score", "cluster", ...g.data.columns.map(({ name }) => name)];

  g.setColoring = async (option, level, reference) => {
    if (option < 0) coloring = null;
    else if (option === 0) coloring = scoreColoring(level, reference);
    else if (option === 1) coloring = { name: "cluster", kind: "cluster", values: level.clusters };
    else {
      const column = g.data.columns[option - 2];
      const ArrayType = column.kind === "number" ? Float32Array : Uint16Array;
      coloring = { ...column, values: g.decodeArray(await g.loadData(`column-${option - 2}`), ArrayType) };
    }
  };

  // The score against one reference dataset, or the largest one over all (-1).
  const scoreColoring = (level, reference) => {
    const values = Float32Array.from(g.image.dataset, (_, image) => Math.max(...g.pairsOfQuery(image)
      .filter((pair) => reference === -1 || g.data.pairs[pair][1] === reference)
      .map((pair) => g.score(level, pair, image)), -Infinity));
    const sorted = values.filter((value, image) => Number.isFinite(value) && g.image.drawn[image]).sort();
    const quantile = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
    const [min, max] = [quantile(0), quantile(1)];
    const [low, high] = quantile(0.02) < quantile(0.98) ? [quantile(0.02), quantile(0.98)] : [min, max > min ? max : min + 1];
    return { name: "outlier score", kind: "number", low, high, values };
  };

  const gray = () => (g.theme.dark ? "#5d6670" : "#b4bac0");
  const interpolateColor = (share) => {
    const stops = g.theme.dark ? DARK : LIGHT;
    const index = Math.min(stops.length - 2, Math.floor(share * (stops.length - 1)));
    const weight = share * (stops.length - 1) - index;
    const [from, to] = [stops[index], stops[index + 1]].map((color) => [1, 3, 5].map((digit) => parseInt(color.slice(digit, digit + 2), 16)));
    return `rgb(${from.map((value, channel) => Math.round(value + weight * (to[channel] - value))).join(",")})`;
  };
  const rampColors = () => Array.from({ length: STEPS }, (_, step) => interpolateColor(step / (STEPS - 1)));

  // The color of each of the given images.
  g.pointColors = (images) => {
    if (coloring === null) return images.map((image) => g.color(g.image.dataset[image]));
    const missing = gray();
    if (coloring.kind === "text") {
      return images.map((image) => (coloring.values[image] < MAX_COLORED_TEXTS ? g.color(coloring.values[image]) : missing));
    }
    if (coloring.kind === "cluster") {
      return images.map((image) => (coloring.values[image] < 0 ? missing : g.color(coloring.values[image])));
    }
    const steps = rampColors();
    const { low, high, values } = coloring;
    return images.map((image) => {
      const share = (values[image] - low) / (high - low);
      return Number.isFinite(share) ? steps[Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1))] : missing;
    });
  };

  // An image's value in the coloring's column, as text; null if the map is colored by dataset or cluster.
  g.coloringText = (image) => {
    if (coloring === null || coloring.kind === "cluster") return null;
    const value = coloring.values[image];
    if (coloring.kind === "number") return `${coloring.name}: ${Number.isFinite(value) ? Number(value.toPrecision(6)) : "not known"}`;
    return `${coloring.name}: ${value === MISSING ? "not known" : value === OTHER ? "other" : coloring.texts[value]}`;
  };

  const keyEntry = (color, text) => {
    const swatch = g.make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.setProperty("--color", color);
    return g.make("span", { class: "tag" }, swatch, g.make("bdi", {}, text));
  };

  // Draws the key that explains the colors.
  g.drawColorKey = () => {
    const key = g.byId("color-key");
    key.hidden = coloring === null;
    if (coloring === null) return;
    const drawn = coloring.values.filter((_, image) => g.image.drawn[image]);
    if (coloring.kind === "text") {
      const other = drawn.some((value) => value >= MAX_COLORED_TEXTS && value !== MISSING) ? [keyEntry(gray(), "others")] : [];
      const missing = drawn.some((value) => value === MISSING) ? [keyEntry(gray(), "not known")] : [];
      key.replaceChildren(...coloring.texts.slice(0, MAX_COLORED_TEXTS).map((text, code) => keyEntry(g.color(code), text)), ...other, ...missing);
      return;
    }
    if (coloring.kind === "cluster") {
      const clusters = new Set(drawn.filter((value) => value >= 0));
      key.replaceChildren(g.make("span", {}, `${g.formatCount(clusters.size)} ${clusters.size === 1 ? "cluster" : "clusters"}${clusters.size > 8 ? ", whose colors repeat" : ""}`),
        ...(drawn.some((value) => value < 0) ? [keyEntry(gray(), "in no cluster")] : []));
      return;
    }
    const bar = g.make("span", { class: "ramp", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${rampColors().join(",")})`;
    const missing = drawn.some((value) => !Number.isFinite(value)) ? [keyEntry(gray(), "not known")] : [];
    const format = (value) => Number(value.toPrecision(4)).toString();
    const isScore = coloring.name === "outlier score";
    const lowEnd = isScore ? [g.make("span", {}, "inside the reference")] : [];
    const highEnd = isScore ? [g.make("span", {}, "far outside")] : [];
    key.replaceChildren(...lowEnd, g.make("span", {}, format(coloring.low)), bar, g.make("span", {}, format(coloring.high)), ...highEnd, ...missing);
  };
})();
