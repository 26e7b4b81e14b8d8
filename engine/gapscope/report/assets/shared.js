"use strict";
// Decodes the page's data into objects, and provides formatting and elements that all parts of the page use.
(() => {
  const g = gapscope;

  // Creates an element. Text from the data becomes text nodes or attributes, never markup.
  g.make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  g.byId = (id) => document.getElementById(id);

  g.color = (number) => {
    const colors = g.data.palette[g.theme.dark ? "dark" : "light"];
    return colors[number % colors.length];
  };
  g.cssVariable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const integerFormat = new Intl.NumberFormat("en");
  g.formatCount = (value) => integerFormat.format(value);
  // A share in whole percent, the same everywhere: `format_share` in compare/registry.py, which rounds halves to even.
  g.formatPercent = (share) => {
    if (share > 0 && share < 0.005) return "<1%";
    if (share >= 0.995 && share < 1) return ">99%";
    const percent = share * 100;
    const rounded = Math.round(percent);
    return `${Math.abs(percent % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded}%`;
  };
  // Two significant digits.
  g.formatShort = (value) => (value === 0 ? "0" : Number(value.toPrecision(2)).toString());
  g.formatValue = (value, format) => {
    if (value === null || value === undefined) return "–";
    if (format === "percent") return g.formatPercent(value);
    return format === "count" ? g.formatCount(value) : Number(value.toPrecision(4)).toString();
  };
  g.ordinal = (number) => `${number}${["th", "st", "nd", "rd"][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] ?? "th"}`;
  g.formatImages = (count) => `${g.formatCount(count)} ${count === 1 ? "image" : "images"}`;
  g.datasetName = (dataset) => g.data.datasets[dataset].name;

  g.swatch = (dataset, outlier = false) => {
    const swatch = g.make("span", { class: outlier ? "swatch outlier" : "swatch", "aria-hidden": "true" });
    swatch.style.setProperty("--color", `var(--dataset-${dataset})`);
    return swatch;
  };
  g.tag = (dataset) => g.make("span", { class: "tag" }, g.swatch(dataset), g.make("bdi", {}, g.datasetName(dataset)));

  g.setDatasetColors = () => {
    g.data.datasets.forEach((_, dataset) => {
      document.documentElement.style.setProperty(`--dataset-${dataset}`, g.color(dataset));
    });
  };

  g.loadPage = async () => {
    g.data = await g.loadData("facts");
    const images = await g.loadData("images");
    g.image = {
      dataset: g.decodeArray(images.dataset, Uint16Array),
      row: g.decodeArray(images.row, Uint32Array),
      drawn: g.decodeArray(images.drawn, Uint8Array),
      sizes: g.decodeArray(images.sizes, Uint8Array),
      // The number of an image's group, such as its clip; -1 where images count one by one.
      group: images.group === null ? null : g.decodeArray(images.group, Int32Array),
      // The number of an image's kind among all kinds; -1 for none.
      kind: g.decodeArray(images.kind, Int32Array),
      groups: images.groups.map(([name, images]) => ({ name, images })),
      name: (image) => images.names[image],
      uri: (image) => images.prefixes[g.image.dataset[image]] + images.names[image],
    };
  };

  const levels = new Map();
  g.loadLevel = async (number) => {
    if (!levels.has(number)) levels.set(number, decodeLevel(await g.loadData(`level-${number}`)));
    return levels.get(number);
  };

  const decodeLevel = (data) => {
    const quantized = g.decodeArray(data.points, Uint16Array);
    const points = new Float32Array(quantized.length);
    for (let i = 0; i < quantized.length; i++) points[i] = data.low[i % 3] + (quantized[i] / 65535) * data.span;
    const readings = Object.fromEntries(Object.entries(data.readings).map(([name, reading]) => [name, decodeReading(reading)]));
    return { points, clusters: g.decodeArray(data.clusters, Int32Array), readings };
  };
  // A level as a reading sees it: the map is the same, what is listed is not.
  g.levelIn = (level, reading) => ({ ...level, ...level.readings[reading] });

  const decodeReading = (data) => {
    const lists = data.lists.map((list, pair) => ({
      pair,
      total: list.total,
      image: g.decodeArray(list.image, Int32Array),
      rank: g.decodeArray(list.rank, Int32Array),
      reason: g.decodeArray(list.reason, Uint8Array),
      numbers: g.decodeArray(list.numbers, Float32Array),
    }));
    const rankings = data.rankings.map((ranking, pair) => ({
      pair, image: g.decodeArray(ranking.image, Int32Array), numbers: g.decodeArray(ranking.numbers, Float32Array),
    }));
    const entries = new Map();
    for (const list of lists) {
      list.image.forEach((image, index) => {
        if (!entries.has(image)) entries.set(image, []);
        entries.get(image).push(g.readEntry(list, index));
      });
    }
    return { lists, rankings, entries, scores: data.scores.map(decodeFloat16) };
  };

  // Few browsers have a Float16Array.
  const decodeFloat16 = (text) => Float32Array.from(g.decodeArray(text, Uint16Array), (bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const sign = bits >> 15 ? -1 : 1;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  });

  // The group of an image as an object, or null.
  g.groupOf = (image) => (g.image.group === null || g.image.group[image] < 0 ? null : g.image.groups[g.image.group[image]]);
  g.unit = (dataset, count) => {
    const { unit } = g.data.datasets[dataset];
    return count === 1 ? unit : `${unit}s`;
  };
  g.rowUnits = (dataset) => `${g.data.datasets[dataset].rowUnit}s`;
  // The end of a group's name, which often is a path.
  g.groupName = (group) => group.name.split("/").filter(Boolean).slice(-2).join("/");

  const REASON_NAMES = ["outside", "under-represented", "both", "suggested"];
  // An entry of an outlier list as an object.
  g.readEntry = (list, index) => ({
    pair: list.pair,
    image: list.image[index],
    rank: list.rank[index],
    reason: REASON_NAMES[list.reason[index]],
    p: list.numbers[4 * index],
    q: list.numbers[4 * index + 1],
    score: list.numbers[4 * index + 2],
    nearest: list.numbers[4 * index + 3],
  });

  // A level's neighbors are loaded when an image is first pinned: most visits to a level need none.
  const neighbors = new Map();
  g.loadNeighbors = async (number, reading) => {
    const name = `near-${number}-${reading}`;
    if (!neighbors.has(name)) {
      const { across, pairs } = await g.loadData(name);
      neighbors.set(name, {
        across,
        pairs: pairs.map(({ images, distances }) => ({
          images: g.decodeArray(images, Int32Array), distances: g.decodeArray(distances, Float32Array),
        })),
      });
    }
    return neighbors.get(name);
  };
  let datasetIndices; // of each image among the images of its dataset
  const indexInDataset = (image) => {
    if (!datasetIndices) {
      const counts = g.data.datasets.map(() => 0);
      datasetIndices = Int32Array.from(g.image.dataset, (dataset) => counts[dataset]++);
    }
    return datasetIndices[image];
  };
  // The nearest reference images of a pair, those on the page only, with their distances.
  g.nearestImages = ({ across, pairs }, pair, image) => {
    const start = indexInDataset(image) * across;
    const { images, distances } = pairs[pair];
    return Array.from({ length: across }, (_, k) => ({ image: images[start + k], distance: distances[start + k] }))
      .filter((neighbor) => neighbor.image >= 0);
  };
  // An image's outlier score against the reference of a pair.
  g.score = (level, pair, image) => level.scores[pair][indexInDataset(image)];
  // The pairs whose query is an image's dataset.
  g.pairsOfQuery = (image) => g.data.pairs.flatMap(([query], pair) => query === g.image.dataset[image] ? [pair] : []);

  // A thumbnail is one tile of a sheet, shown as a background with a size and position.
  const findSheet = (image) => g.data.sheets.find(([, start, stop]) => image >= start && image < stop);
  // If `gapscope serve` serves the page, the full images are available, too.
  const imagesUrl = document.querySelector("meta[name='gapscope-images']")?.content;
  g.fullImage = (image) => (imagesUrl ? `${imagesUrl}/${g.image.dataset[image]}/${g.image.row[image]}` : null);
  const sheetBackground = (sheet) => `url("${g.fileUrl(`tiles/${sheet}`)}")`;
  g.altText = (image) => `${g.image.name(image)}, ${g.datasetName(g.image.dataset[image])}`;
  const lazyLoader = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      lazyLoader.unobserve(target);
      target.style.backgroundImage = sheetBackground(target.dataset.sheet);
    }
  }, { rootMargin: "300px" });

  g.thumbnail = (image, box, { eager = false } = {}) => {
    const [width, height] = [g.image.sizes[2 * image], g.image.sizes[2 * image + 1]];
    const alt = g.altText(image);
    if (!width) {
      const reason = findSheet(image) ? "not readable" : "no thumbnail";
      const placeholder = g.make("span", { class: "thumbnail missing", role: "img", "aria-label": `${alt}, ${reason}` }, reason);
      placeholder.style.width = placeholder.style.height = `${box}px`;
      return placeholder;
    }
    const [sheet, start, , side, columns] = findSheet(image);
    const scale = box / Math.max(width, height);
    const row = Math.floor((image - start) / columns);
    const column = (image - start) % columns;
    const picture = g.make("span", { class: "thumbnail", role: "img", "aria-label": alt });
    picture.style.width = `${Math.max(2, width * scale)}px`;
    picture.style.height = `${Math.max(2, height * scale)}px`;
    picture.style.backgroundSize = `${columns * side * scale}px auto`;
    picture.style.backgroundPosition = `${-column * side * scale}px ${-row * side * scale}px`;
    picture.dataset.sheet = sheet;
    picture.dataset.image = image;
    if (eager) picture.style.backgroundImage = sheetBackground(sheet);
    else lazyLoader.observe(picture);
    return picture;
  };
  g.boxedThumbnail = (image, box, options) => g.make("span", { class: "box" }, g.thumbnail(image, box, options));
})();
