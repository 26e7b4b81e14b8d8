"use strict";
// Facts, images and levels as objects, and the small pieces that every part of the page is made of.
(() => {
  const g = gapscope;

  // Text from the data becomes text nodes or attributes here, never markup.
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
    const colors = g.facts.palette[g.theme.dark ? "dark" : "light"];
    return colors[number % colors.length];
  };
  g.css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const whole = new Intl.NumberFormat("en");
  g.count = (value) => whole.format(value);
  g.percent = (share) => {
    if (share > 0 && share < 0.0005) return "<0.1%";
    return `${(share * 100).toFixed(share === 0 || share === 1 ? 0 : 1)}%`;
  };
  g.small = (value) => (value === 0 ? "0" : Number(value.toPrecision(2)).toString());
  g.shown = (value, format) => {
    if (value === null || value === undefined) return "–";
    if (format === "percent") return g.percent(value);
    return format === "count" ? g.count(value) : Number(value.toPrecision(4)).toString();
  };
  g.images = (count) => `${g.count(count)} ${count === 1 ? "image" : "images"}`;
  g.name = (dataset) => g.facts.datasets[dataset].name;

  g.swatch = (dataset, outlier = false) => {
    const mark = g.make("span", { class: outlier ? "swatch outlier" : "swatch", "aria-hidden": "true" });
    mark.style.setProperty("--color", `var(--dataset-${dataset})`);
    return mark;
  };
  g.tag = (dataset) => g.make("span", { class: "tag" }, g.swatch(dataset), g.make("bdi", {}, g.name(dataset)));

  g.paintDatasets = () => {
    g.facts.datasets.forEach((_, dataset) => {
      document.documentElement.style.setProperty(`--dataset-${dataset}`, g.color(dataset));
    });
  };

  g.open = async () => {
    g.facts = await g.need("facts");
    const images = await g.need("images");
    g.image = {
      dataset: g.unpack(images.dataset, Uint16Array),
      row: g.unpack(images.row, Uint32Array),
      drawn: g.unpack(images.drawn, Uint8Array),
      sizes: g.unpack(images.sizes, Uint8Array),
      name: (image) => images.names[image],
      uri: (image) => images.prefixes[g.image.dataset[image]] + images.names[image],
    };
  };

  const levels = new Map();
  g.level = async (number) => {
    if (!levels.has(number)) levels.set(number, readLevel(await g.need(`level-${number}`)));
    return levels.get(number);
  };

  const readLevel = (data) => {
    const steps = g.unpack(data.points, Uint16Array);
    const points = new Float32Array(steps.length);
    for (let at = 0; at < steps.length; at++) points[at] = data.low[at % 3] + (steps[at] / 65535) * data.span;
    const lists = data.lists.map((list, pair) => ({
      pair,
      total: list.total,
      image: g.unpack(list.image, Int32Array),
      rank: g.unpack(list.rank, Int32Array),
      reason: g.unpack(list.reason, Uint8Array),
      numbers: g.unpack(list.numbers, Float32Array),
    }));
    const entries = new Map();
    for (const list of lists) {
      list.image.forEach((image, at) => {
        if (!entries.has(image)) entries.set(image, []);
        entries.get(image).push(readEntry(list, at));
      });
    }
    return { points, lists, entries, clusters: g.unpack(data.clusters, Int32Array), scores: data.scores.map(halves) };
  };

  // 16-bit floats, which few browsers know by themselves.
  const halves = (text) => Float32Array.from(g.unpack(text, Uint16Array), (bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const sign = bits >> 15 ? -1 : 1;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  });

  const REASONS = ["outside", "under-represented", "both"];
  const readEntry = (list, at) => ({
    pair: list.pair,
    image: list.image[at],
    rank: list.rank[at],
    reason: REASONS[list.reason[at]],
    p: list.numbers[4 * at],
    q: list.numbers[4 * at + 1],
    score: list.numbers[4 * at + 2],
    nearest: list.numbers[4 * at + 3],
  });
  g.entry = readEntry;

  // The nearest images are asked for with the first pin: most visits to a level need none.
  const near = new Map();
  g.near = async (number) => {
    if (!near.has(number)) {
      const { across, pairs } = await g.need(`near-${number}`);
      near.set(number, {
        across,
        pairs: pairs.map(({ images, distances }) => ({
          images: g.unpack(images, Int32Array), distances: g.unpack(distances, Float32Array),
        })),
      });
    }
    return near.get(number);
  };
  let places; // of each image among those of its dataset
  const placeOf = (image) => {
    if (!places) {
      const seen = g.facts.datasets.map(() => 0);
      places = Int32Array.from(g.image.dataset, (dataset) => seen[dataset]++);
    }
    return places[image];
  };
  // The nearest images that are on the page, with their distances.
  g.nearest = ({ across, pairs }, pair, image) => {
    const at = placeOf(image) * across;
    const { images, distances } = pairs[pair];
    return Array.from({ length: across }, (_, step) => ({ image: images[at + step], distance: distances[at + step] }))
      .filter((found) => found.image >= 0);
  };
  // How far an image lies outside the reference of a pair.
  g.score = (level, pair, image) => level.scores[pair][placeOf(image)];
  // The pairs that ask about an image's dataset.
  g.asking = (image) => g.facts.pairs.flatMap(([query], pair) => query === g.image.dataset[image] ? [pair] : []);

  // A thumbnail: one tile of a sheet, cut out by the size and position of a background.
  const sheetOf = (image) => g.facts.sheets.find(([, start, stop]) => image >= start && image < stop);
  // Where `gapscope serve` shows the page, it has the images themselves, too.
  const served = document.querySelector("meta[name='gapscope-images']")?.content;
  g.fullImage = (image) => (served ? `${served}/${g.image.dataset[image]}/${g.image.row[image]}` : null);
  const sheetImage = (sheet) => `url("${g.file(`tiles/${sheet}`)}")`;
  g.alt = (image) => `${g.image.name(image)}, ${g.name(g.image.dataset[image])}`;
  const lazy = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      lazy.unobserve(target);
      target.style.backgroundImage = sheetImage(target.dataset.sheet);
    }
  }, { rootMargin: "300px" });

  g.thumbnail = (image, box, { eager = false } = {}) => {
    const [width, height] = [g.image.sizes[2 * image], g.image.sizes[2 * image + 1]];
    const alt = g.alt(image);
    if (!width) {
      const why = sheetOf(image) ? "not readable" : "no thumbnail";
      const gone = g.make("span", { class: "thumbnail gone", role: "img", "aria-label": `${alt}, ${why}` }, why);
      gone.style.width = gone.style.height = `${box}px`;
      return gone;
    }
    const [sheet, start, , side, across] = sheetOf(image);
    const scale = box / Math.max(width, height);
    const row = Math.floor((image - start) / across);
    const column = (image - start) % across;
    const picture = g.make("span", { class: "thumbnail", role: "img", "aria-label": alt });
    picture.style.width = `${Math.max(2, width * scale)}px`;
    picture.style.height = `${Math.max(2, height * scale)}px`;
    picture.style.backgroundSize = `${across * side * scale}px auto`;
    picture.style.backgroundPosition = `${-column * side * scale}px ${-row * side * scale}px`;
    picture.dataset.sheet = sheet;
    picture.dataset.image = image;
    if (eager) picture.style.backgroundImage = sheetImage(sheet);
    else lazy.observe(picture);
    return picture;
  };
  g.boxed = (image, box, options) => g.make("span", { class: "box" }, g.thumbnail(image, box, options));
})();
