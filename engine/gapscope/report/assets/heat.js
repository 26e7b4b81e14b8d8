"use strict";
// Where in a picture something is that the reference lacks: heat maps over pictures, loaded when they are first wanted.
(() => {
  const g = gapscope;
  // From one place in ten on a heat map is seen; from one in 1,000 on it is full.
  const [FAINT, FULL] = [1, 3];
  const STOPS = [[255, 224, 64], [255, 140, 24], [214, 16, 64]];
  const MOST_OPAQUE = 0.78;
  const PLACES = [["upper left", "top", "upper right"], ["left", "middle", "right"], ["lower left", "bottom", "lower right"]];

  let heatMaps; // by pair and image, once they are loaded
  g.loadHeatMaps = async () => {
    if (heatMaps) return;
    const data = await g.loadData("heat-maps");
    const bytes = g.decodeArray(data.maps, Uint8Array);
    const length = data.side * data.side;
    heatMaps = { ...data, byImage: new Map(), why: new Map() };
    data.images.forEach(([image, pair, opens], number) => {
      const maps = data.levels.map((_, place) => bytes.subarray((number * data.levels.length + place) * length, (number * data.levels.length + place + 1) * length));
      heatMaps.byImage.set(`${pair}/${image}`, { opens, maps });
    });
    data.reasons.forEach(([image, pair, reason]) => heatMaps.why.set(`${pair}/${image}`, reason));
  };
  const heatOf = (image, pair) => heatMaps?.byImage.get(`${pair}/${image}`);

  const colorOf = (rarity) => {
    const heat = Math.min(1, Math.max(0, (rarity - FAINT) / (FULL - FAINT)));
    const place = heat * (STOPS.length - 1);
    const stop = Math.min(STOPS.length - 2, Math.floor(place));
    const mixed = STOPS[stop].map((value, channel) => value + (STOPS[stop + 1][channel] - value) * (place - stop));
    return [...mixed, 255 * MOST_OPAQUE * Math.min(1, heat * 2)];
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

  const canvas = (image, map, level, [width, height]) => {
    const { side, steps } = heatMaps;
    const levelName = g.data.levels[level].name;
    const drawn = g.make("canvas", { class: "heat", width: side, height: side, role: "img", "aria-label": `Heat map of ${g.image.name(image)} at ${levelName}, hottest at the ${hottest(map, side)}` });
    const context = drawn.getContext("2d");
    const pixels = context.createImageData(side, side);
    map.forEach((value, place) => pixels.data.set(colorOf(value / steps), 4 * place));
    context.putImageData(pixels, 0, 0);
    const [left, top, across, down] = squareOf(width, height);
    Object.assign(drawn.style, { left: `${left}%`, top: `${top}%`, width: `${across}%`, height: `${down}%` });
    return drawn;
  };

  // Puts an image's heat map over its picture, or says that it has none.
  g.putHeat = (picture, image, pair, level, size = [g.image.sizes[2 * image], g.image.sizes[2 * image + 1]]) => {
    const found = heatOf(image, pair);
    if (!found || !size[0]) {
      picture.append(g.make("span", { class: "no-heat", title: heatMaps?.why.get(`${pair}/${image}`) ?? "None was made of this image" }, "no map"));
      return;
    }
    picture.classList.add("with-heat");
    picture.append(canvas(image, found.maps[heatMaps.levels.indexOf(level)], level, size));
  };

  const opensWhy = (pair, level) => {
    const reference = g.datasetName(g.data.pairs[pair][1]);
    const pointing = g.data.heatMaps.pointing[pair][g.data.heatMaps.levels.indexOf(level)];
    return `${g.data.levels[level].name} found squares of other pictures, pasted into ${reference} images, with an AUC of ${pointing.toFixed(2)} (0.5 is chance).`;
  };
  g.heatLegend = (pair, level) => g.make("div", { class: "heat-legend quiet" },
    g.make("span", { class: "heat-scale" }, "1 place in 10", g.make("span", { class: "heat-ramp", "aria-hidden": "true" }), "1 in 1,000"),
    g.make("p", {}, "How rare it is in ", g.tag(g.data.pairs[pair][1]), " that a place is as unlike it. Unlike, not wrong. ", opensWhy(pair, level)));

  // A switch, and the levels once it is on. The level that points best is the first to be shown.
  g.heatSwitch = (label, shown, pair, opens, choose) => {
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
  g.heatReason = (image, pairs) => pairs.map((pair) => heatMaps.why.get(`${pair}/${image}`)).find(Boolean) ?? "only the pictures of kinds and the first outliers have one";
  g.heatOpens = (image, pair) => heatOf(image, pair).opens;
})();
