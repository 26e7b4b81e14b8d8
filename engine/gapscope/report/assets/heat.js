"use strict";
// Where in a picture something is that the reference lacks: heat maps over pictures, loaded when they are first wanted.
(() => {
  const g = gapscope;
  // 0 is as unlike as the reference's places usually are, 1 as one of them in 100 is; the hottest on a card is full.
  const FAINT = 0.4;
  const LEAST_FULL = 1.2;
  const STOPS = [[255, 224, 64], [255, 140, 24], [214, 16, 64]];
  const MOST_OPAQUE = 0.78;
  const PLACES = [["upper left", "top", "upper right"], ["left", "middle", "right"], ["lower left", "bottom", "lower right"]];

  let heatMaps; // by pair and image, once they are loaded
  g.loadHeatMaps = async () => {
    if (heatMaps) return;
    const data = await g.loadData("heat-maps");
    const bytes = g.decodeArray(data.maps, Uint8Array);
    const tops = g.decodeArray(data.tops, Float32Array);
    const length = data.side * data.side;
    heatMaps = { ...data, byImage: new Map(), why: new Map() };
    data.images.forEach(([image, pair, opens], number) => {
      const maps = data.levels.map((_, place) => {
        const at = number * data.levels.length + place;
        return { top: tops[at], bytes: bytes.subarray(at * length, (at + 1) * length) };
      });
      heatMaps.byImage.set(`${pair}/${image}`, { opens, maps });
    });
    data.reasons.forEach(([image, pair, reason]) => heatMaps.why.set(`${pair}/${image}`, reason));
  };
  const heatOf = (image, pair) => heatMaps?.byImage.get(`${pair}/${image}`);

  const mapOf = (image, pair, level) => heatOf(image, pair)?.maps[heatMaps.levels.indexOf(level)];

  // How unlike the hottest place of some images is.
  g.heatFull = (images, pair, level) => Math.max(LEAST_FULL, ...images.map((image) => mapOf(image, pair, level)?.top ?? 0));

  const colorOf = (unlike, full) => {
    const heat = Math.min(1, Math.max(0, (unlike - FAINT) / (full - FAINT)));
    const place = heat * (STOPS.length - 1);
    const stop = Math.min(STOPS.length - 2, Math.floor(place));
    const mixed = STOPS[stop].map((value, channel) => value + (STOPS[stop + 1][channel] - value) * (place - stop));
    return [...mixed, 255 * MOST_OPAQUE * Math.min(1, heat * 2.5)];
  };

  // The square that the network saw, in percent of the picture that holds it.
  const squareOf = (width, height) => {
    if (g.data.fit === "stretch") return [0, 0, 100, 100];
    const side = g.data.fit === "crop" ? Math.min(width, height) : Math.max(width, height);
    const [across, down] = [100 * side / width, 100 * side / height];
    return [(100 - across) / 2, (100 - down) / 2, across, down];
  };

  const hottest = (map, side) => {
    const at = map.indexOf(Math.max(...map));
    const third = (place) => Math.min(2, Math.floor((3 * place) / side));
    return PLACES[third(Math.floor(at / side))][third(at % side)];
  };

  const canvas = (image, map, { level, full }, [width, height]) => {
    const { side } = heatMaps;
    const levelName = g.data.levels[level].name;
    const drawn = g.make("canvas", { class: "heat", width: side, height: side, role: "img", "aria-label": `Heat map of ${g.image.name(image)} at ${levelName}, hottest at the ${hottest(map.bytes, side)}` });
    const context = drawn.getContext("2d");
    const pixels = context.createImageData(side, side);
    map.bytes.forEach((value, place) => pixels.data.set(colorOf((value * map.top) / 255, full), 4 * place));
    context.putImageData(pixels, 0, 0);
    const [left, top, across, down] = squareOf(width, height);
    Object.assign(drawn.style, { left: `${left}%`, top: `${top}%`, width: `${across}%`, height: `${down}%` });
    return drawn;
  };

  // Puts an image's heat map over its picture, if it has one.
  g.putHeat = (picture, image, heat, size = [g.image.sizes[2 * image], g.image.sizes[2 * image + 1]]) => {
    const map = mapOf(image, heat.pair, heat.level);
    if (!map || !size[0]) return;
    picture.classList.add("with-heat");
    picture.append(canvas(image, map, heat, size));
  };

  // What the colors mean, how far to trust them, and why some pictures have none.
  g.heatLegend = ({ pair, level, full }, images) => {
    const { levels, pointing } = g.data.heatMaps;
    const without = images.find((image) => image >= 0 && !heatOf(image, pair));
    return g.make("div", { class: "heat-legend quiet" },
      g.make("p", {}, "Usual in ", g.tag(g.data.pairs[pair][1]), g.make("span", { class: "heat-ramp", "aria-hidden": "true" }), `${g.formatShort(full)} times as unlike as 1 in 100 of its places`),
      g.make("p", { title: "The area under the ROC curve of the places of squares that were pasted from one reference image into another; 0.5 is chance, 1 is exact." },
        `Unlike, not wrong. ${g.data.levels[level].name} points at pasted test squares with AUC ${pointing[pair][levels.indexOf(level)].toFixed(2)}.`),
      without === undefined ? null : g.make("p", {}, "Its other pictures have no heat map: ", g.make("bdi", {}, g.heatReason(without, [pair])), "."));
  };

  // A switch, and the levels once it is on. The level that points best is the first to be shown.
  g.heatSwitch = (label, shown, opens, choose) => {
    const { levels } = g.data.heatMaps;
    return g.make("div", { class: "heat-switch", role: "group", "aria-label": label },
      g.make("button", { type: "button", class: "plain", "data-heat": label, "aria-pressed": String(shown !== null), onclick: () => g.loadHeatMaps().then(() => choose(shown === null ? opens : null)) }, "Where?"),
      ...(shown === null ? [] : levels.map((level) => g.make("button", {
        type: "button", class: "plain", "aria-pressed": String(level === shown), "data-heat-level": level,
        title: level === opens ? "Points best" : null, onclick: () => choose(level),
      }, g.data.levels[level].name + (level === opens ? " ★" : "")))));
  };

  // The pair for which an image has heat maps; null for none.
  g.heatPair = (image, pairs) => pairs.find((pair) => heatOf(image, pair)) ?? null;
  g.hasHeat = (image, pair) => Boolean(heatOf(image, pair));
  g.heatReason = (image, pairs) => pairs.map((pair) => heatMaps.why.get(`${pair}/${image}`)).find(Boolean) ?? "only the pictures of kinds and the first outliers have one";
  g.heatOpens = (image, pair) => heatOf(image, pair).opens;
})();
