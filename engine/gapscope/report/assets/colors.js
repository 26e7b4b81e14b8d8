"use strict";
// What the map is coloured by: the datasets, the outlier score, the clusters, or a column of what is known of the images.
(() => {
  const g = gapscope;
  const RARE = 65534;
  const NONE = 65535;
  const NAMED = 7; // texts with a colour of their own
  const LIGHT = ["#440154", "#3b528b", "#21918c", "#4fb04f", "#b3a800"];
  const DARK = ["#8a4bb8", "#5b7fd0", "#2fb8ae", "#7ddc6e", "#fde725"];
  const STEPS = 64;
  let column = null; // its head and its values; null for the datasets

  // The choices besides the datasets, in the order of the menu.
  g.colorings = () => ["outlier score", "cluster", ...g.facts.columns.map(({ name }) => name)];

  g.chooseColors = async (number, level, against) => {
    if (number < 0) column = null;
    else if (number === 0) column = scores(level, against);
    else if (number === 1) column = { name: "cluster", kind: "cluster", values: level.clusters };
    else {
      const head = g.facts.columns[number - 2];
      const Kind = head.kind === "number" ? Float32Array : Uint16Array;
      column = { ...head, values: g.unpack(await g.need(`column-${number - 2}`), Kind) };
    }
  };

  // Against one dataset, or the farthest of all.
  const scores = (level, against) => {
    const values = Float32Array.from(g.image.dataset, (_, image) => Math.max(...g.asking(image)
      .filter((pair) => against === -1 || g.facts.pairs[pair][1] === against)
      .map((pair) => g.score(level, pair, image)), -Infinity));
    const known = values.filter((value, image) => Number.isFinite(value) && g.image.drawn[image]).sort();
    const at = (share) => known[Math.round(share * (known.length - 1))] ?? 0;
    const [low, high] = at(0.02) < at(0.98) ? [at(0.02), at(0.98)] : [at(0), at(1) > at(0) ? at(1) : at(0) + 1];
    return { name: "outlier score", kind: "number", low, high, values };
  };

  const grey = () => (g.theme.dark ? "#5d6670" : "#b4bac0");
  const mixed = (share) => {
    const stops = g.theme.dark ? DARK : LIGHT;
    const at = Math.min(stops.length - 2, Math.floor(share * (stops.length - 1)));
    const part = share * (stops.length - 1) - at;
    const [from, to] = [stops[at], stops[at + 1]].map((color) => [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16)));
    return `rgb(${from.map((value, channel) => Math.round(value + part * (to[channel] - value))).join(",")})`;
  };
  const ramp = () => Array.from({ length: STEPS }, (_, step) => mixed(step / (STEPS - 1)));

  // The colours of some images, in their order.
  g.colors = (images) => {
    if (column === null) return images.map((image) => g.color(g.image.dataset[image]));
    const none = grey();
    if (column.kind === "text") {
      return images.map((image) => (column.values[image] < NAMED ? g.color(column.values[image]) : none));
    }
    if (column.kind === "cluster") {
      return images.map((image) => (column.values[image] < 0 ? none : g.color(column.values[image])));
    }
    const steps = ramp();
    const { low, high, values } = column;
    return images.map((image) => {
      const share = (values[image] - low) / (high - low);
      return Number.isFinite(share) ? steps[Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1))] : none;
    });
  };

  // What the chosen column says of an image; null where the map is coloured by dataset.
  g.said = (image) => {
    if (column === null || column.kind === "cluster") return null;
    const value = column.values[image];
    if (column.kind === "number") return `${column.name}: ${Number.isFinite(value) ? Number(value.toPrecision(6)) : "not known"}`;
    return `${column.name}: ${value === NONE ? "not known" : value === RARE ? "other" : column.texts[value]}`;
  };

  const chip = (color, text) => {
    const mark = g.make("span", { class: "swatch", "aria-hidden": "true" });
    mark.style.setProperty("--color", color);
    return g.make("span", { class: "tag" }, mark, g.make("bdi", {}, text));
  };

  // Says what the colours mean.
  g.drawColorKey = () => {
    const key = g.byId("color-key");
    key.hidden = column === null;
    if (column === null) return;
    const drawn = column.values.filter((_, image) => g.image.drawn[image]);
    if (column.kind === "text") {
      const rest = drawn.some((value) => value >= NAMED && value !== NONE) ? [chip(grey(), "others")] : [];
      const none = drawn.some((value) => value === NONE) ? [chip(grey(), "not known")] : [];
      key.replaceChildren(...column.texts.slice(0, NAMED).map((text, at) => chip(g.color(at), text)), ...rest, ...none);
      return;
    }
    if (column.kind === "cluster") {
      const clusters = new Set(drawn.filter((value) => value >= 0));
      key.replaceChildren(g.make("span", {}, `${g.count(clusters.size)} ${clusters.size === 1 ? "cluster" : "clusters"}${clusters.size > 8 ? ", whose colours repeat" : ""}`),
        ...(drawn.some((value) => value < 0) ? [chip(grey(), "in no cluster")] : []));
      return;
    }
    const bar = g.make("span", { class: "ramp", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${ramp().join(",")})`;
    const none = drawn.some((value) => !Number.isFinite(value)) ? [chip(grey(), "not known")] : [];
    const end = (value) => Number(value.toPrecision(4)).toString();
    const what = column.name === "outlier score" ? [g.make("span", {}, "inside the reference")] : [];
    const most = column.name === "outlier score" ? [g.make("span", {}, "far outside")] : [];
    key.replaceChildren(...what, g.make("span", {}, end(column.low)), bar, g.make("span", {}, end(column.high)), ...most, ...none);
  };
})();
