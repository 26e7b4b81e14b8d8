"use strict";
// The page's state, and what must be redrawn when a part of it changes.
(async () => {
  const g = gapscope;
  const fail = (error) => {
    g.byId("verdict").textContent = `This report cannot be shown: ${error.message}`;
    throw error;
  };
  await g.loadPage().catch(fail);
  const { data } = g;
  const state = {
    level: 0, pair: 0, reference: -1, color: -1, pinned: null, neighbors: null, cluster: null, openGroup: null, selected: new Set(), galleryLength: g.GALLERY_STEP,
  };
  g.state = state;
  let level = null;
  const pointer = { x: 0, y: 0 };

  const share = (number, pair) => g.tableValue(number, pair, "outlier_share") ?? 0;
  // The level and pair with the largest share of outliers, which the page shows first.
  const findWidestGap = () => {
    let widest = { level: data.levels.length - 1, pair: 0, share: -1 };
    data.levels.forEach((_, number) => data.pairs.forEach((__, pair) => {
      if (share(number, pair) > widest.share) widest = { level: number, pair, share: share(number, pair) };
    }));
    return widest;
  };

  const drawLead = (widest) => {
    const names = data.datasets.map(({ name }) => name);
    const title = names.length === 2 ? names.join(" vs ") : names.join(", ");
    document.title = `${title} · gapscope`;
    g.byId("title").replaceChildren(...data.datasets.flatMap((_, dataset) => [
      dataset === 1 && names.length === 2 ? g.make("span", { class: "joint" }, " vs ") : "", g.tag(dataset)]));
    g.byId("title").classList.toggle("many", names.length > 2);
    const verdict = g.byId("verdict");
    g.drawConfounders();
    verdict.hidden = g.drawHeadlines();
    g.drawNotes();
    if (widest.share > 0) {
      const [query, reference] = data.pairs[widest.pair].map(g.datasetName);
      verdict.replaceChildren("The widest gap is at ", g.make("strong", {}, data.levels[widest.level].name), ": ",
        g.make("strong", {}, `${g.formatCount(g.tableValue(widest.level, widest.pair, "outliers"))} of ${g.formatCount(g.tableValue(widest.level, widest.pair, "images"))}`),
        ` ${query} images (${g.formatPercent(widest.share)}) are outliers against ${reference}.`);
    } else {
      verdict.textContent = data.levels.length === 1
        ? `No image is listed as an outlier at ${data.levels[0].name}.` : "No image is listed as an outlier at any level.";
    }
    const parts = data.datasets.map(({ name, count, rejected }) => `${name}: read ${count}${rejected ? `, ${g.formatCount(rejected)} rejected` : ""}`);
    if (data.fdr !== null) parts.push(`outliers at a false discovery rate of ${Number((data.fdr * 100).toPrecision(3))}%`);
    g.byId("counts").textContent = parts.join(" · ");
  };

  const drawLevels = () => {
    const worst = (number, dataset) => Math.max(0, ...data.pairs.flatMap(([query], pair) => query === dataset ? [share(number, pair)] : []));
    const maxShare = Math.max(0.001, ...data.levels.flatMap((_, number) => data.datasets.map((__, dataset) => worst(number, dataset))));
    g.byId("levels").classList.toggle("many", data.datasets.length > 3);
    document.querySelector(".scale").hidden = data.levels.length === 1;
    g.byId("levels").append(...data.levels.map(({ name, stride }, number) => {
      const radio = g.make("input", { type: "radio", name: "level", value: number, class: "visually-hidden", onchange: () => g.update({ level: number }) });
      const bars = data.datasets.map(({ name: datasetName }, dataset) => {
        const bar = g.make("span", { class: "bar", "aria-hidden": "true" });
        bar.style.setProperty("--color", `var(--dataset-${dataset})`);
        bar.style.setProperty("--share", worst(number, dataset) / maxShare);
        return g.make("span", { class: "level-row", title: `${datasetName}: ${g.formatPercent(worst(number, dataset))} outliers at ${name}` }, bar,
          g.make("span", { class: "number" }, g.make("span", { class: "visually-hidden" }, `${datasetName} outliers `), g.formatPercent(worst(number, dataset))));
      });
      return g.make("label", { class: "level" }, radio,
        g.make("span", { class: "level-head" }, g.make("span", { class: "level-name" }, name), stride ? g.make("span", { class: "quiet" }, `stride ${stride}`) : null),
        ...bars);
    }));
  };

  const drawLegend = () => {
    const listed = g.listedImages(level, state.reference);
    const counts = data.datasets.map(() => [0, 0]);
    g.image.drawn.forEach((drawn, image) => {
      if (drawn) counts[g.image.dataset[image]][listed.has(image) ? 1 : 0] += 1;
    });
    const toggle = (entry, label, count, outlier) => g.make("button", {
      type: "button", class: "toggle", "aria-pressed": String(!g.map.hidden.has(entry)), "data-entry": entry,
      onclick: (event) => {
        const shown = g.map.hidden.has(entry);
        g.map.toggle(entry, shown);
        event.currentTarget.setAttribute("aria-pressed", String(shown));
        g.map.draw(level, state);
      },
    }, g.swatch(Math.floor(entry / 2), outlier), g.make("bdi", {}, label), g.make("span", { class: "quiet" }, g.formatCount(count)));
    const focused = document.activeElement?.dataset?.entry;
    g.byId("legend").replaceChildren(...data.datasets.map(({ name }, dataset) => g.make("span", { class: "legend-group", role: "group", "aria-label": name },
      toggle(2 * dataset, name, counts[dataset][0], false), toggle(2 * dataset + 1, "outliers", counts[dataset][1], true))));
    if (focused) document.querySelector(`[data-entry="${focused}"]`)?.focus();
  };

  const drawMapNote = () => {
    const outliers = data.outliersDrawn < data.outliers
      ? ` ${g.formatCount(data.outliersDrawn)} of ${g.formatCount(data.outliers)} listed outliers are drawn, by rank.` : " All listed outliers are drawn.";
    const trustworthiness = data.layouts[state.level].trustworthiness;
    const recall = data.layouts[state.level].neighbor_recall;
    const quality = (trustworthiness === undefined ? "" : ` Trustworthiness of this map: ${trustworthiness.toFixed(2)} of 1.`)
      + (recall === undefined ? "" : ` ${g.formatPercent(recall)} of an image's nearest neighbors are also its nearest neighbors on the map.`);
    const { images, wanted, bytes } = data.tiles;
    const thumbnails = wanted ? ` Thumbnails: ${images === wanted ? "" : `${g.formatCount(images)} of `}${g.formatCount(wanted)}, ${(bytes / 1e6).toFixed(1)} MB.` : " Without thumbnails.";
    g.byId("map-note").textContent = (data.drawn === data.placed
      ? `Drawn: all ${g.formatImages(data.placed)}. The map's axes have no unit; nearby points are similar images.`
      : `Drawn: ${g.formatCount(data.drawn)} of ${g.formatImages(data.placed)}.${outliers} The others are a random sample, the same on every level.`)
      + quality + thumbnails;
  };

  const drawPinned = () => g.drawPinnedCard(level, data.levels[state.level].name, state);

  // For each part of the state, what to redraw when it has changed.
  const redraw = {
    async level() {
      const requested = state.level;
      const loaded = await g.loadLevel(requested).catch(fail);
      const neighbors = state.pinned === null ? null : await g.loadNeighbors(requested).catch(fail);
      if (requested !== state.level) return;
      level = loaded;
      state.neighbors = neighbors;
      state.cluster = null;
      document.querySelectorAll("#levels input").forEach((radio, number) => { radio.checked = number === requested; });
      g.drawHoverCard(level, "", null, pointer);
      drawLegend();
      g.drawPairs(state);
      g.drawGallery(level, state);
      g.drawClusters(level, state);
      g.drawCharts(state);
      g.drawNumbers(state);
      drawMapNote();
      drawPinned();
      await g.setColoring(state.color, level, state.reference).catch(fail);
      g.drawColorKey();
      g.byId("map").setAttribute("aria-label", `3-D map of ${g.formatImages(data.drawn)} at ${data.levels[requested].name}. The gallery below lists the outliers and can be used with the keyboard.`);
      await g.map.draw(level, state);
      document.body.dataset.level = requested;
    },
    pair() {
      g.byId("pair").value = state.pair;
      g.drawPairs(state);
      g.drawGallery(level, state);
      g.drawCharts(state);
    },
    galleryLength: () => g.drawGallery(level, state),
    openGroup() {
      const group = document.activeElement?.dataset?.group;
      g.drawGallery(level, state);
      if (group) document.querySelector(`.behind[data-group="${group}"]`)?.focus();
    },
    async reference() {
      drawLegend();
      await redraw.color();
    },
    async color() {
      const requested = state.color;
      await g.setColoring(requested, level, state.reference).catch(fail);
      if (requested !== state.color) return;
      g.drawColorKey();
      drawPinned();
      await g.map.draw(level, state);
    },
    selected() {
      g.drawSelection(state);
      drawPinned();
      g.map.drawRings(level, state);
    },
    async pinned() {
      const [number, image] = [state.level, state.pinned];
      const neighbors = image === null ? null : await g.loadNeighbors(number).catch(fail);
      if (number !== state.level || image !== state.pinned) return;
      state.neighbors = neighbors;
      drawPinned();
      document.querySelectorAll(".item").forEach((item) => {
        item.setAttribute("aria-pressed", String(Number(item.querySelector("[data-image]")?.dataset.image) === state.pinned));
      });
      g.map.drawRings(level, state);
    },
    cluster() {
      g.drawClusters(level, state);
      g.map.drawRings(level, state);
    },
  };
  g.update = async (change) => {
    Object.assign(state, change);
    if ("level" in change || "pair" in change) Object.assign(state, { galleryLength: g.GALLERY_STEP, openGroup: null });
    for (const name of Object.keys(change)) await redraw[name]();
  };
  const scrollToMap = () => {
    const reduceMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.querySelector(".stage").scrollIntoView({ behavior: reduceMotion ? "auto" : "smooth", block: "start" });
  };
  g.pinFromList = (image) => {
    g.update({ pinned: image });
    scrollToMap();
  };
  g.showCluster = (cluster) => {
    g.update({ cluster });
    if (cluster !== null) scrollToMap();
  };

  const fillSelects = () => {
    const option = (value, text) => g.make("option", { value }, text);
    g.byId("pair").append(...data.pairs.map((names, pair) => option(pair, names.map(g.datasetName).join(" vs "))));
    g.byId("pair").addEventListener("change", (event) => g.update({ pair: Number(event.target.value) }));
    g.byId("pair-label").hidden = data.pairs.length < 2;
    g.byId("reference").append(option(-1, "any dataset"), ...data.datasets.map(({ name }, dataset) => option(dataset, name)));
    g.byId("reference").addEventListener("change", (event) => g.update({ reference: Number(event.target.value) }));
    g.byId("color").append(option(-1, "dataset"), ...g.colorOptions().map((name, number) => option(number, name)));
    g.byId("color").addEventListener("change", (event) => g.update({ color: Number(event.target.value) }));
    g.byId("reference-label").hidden = data.datasets.length < 3;
  };
  const imagesIn = (rectangle) => g.map.imagesIn(level, rectangle);
  const listedImages = () => Array.from(level.lists[state.pair].image);

  const labelThemeButton = () => {
    g.byId("theme").textContent = g.theme.dark ? "Light theme" : "Dark theme";
  };
  const applyTheme = () => {
    g.setDatasetColors();
    g.drawColorKey();
    labelThemeButton();
    if (level) g.map.draw(level, state);
  };
  g.byId("theme").addEventListener("click", () => {
    g.theme.set(!g.theme.dark, true);
    applyTheme();
  });
  g.systemTheme.addEventListener("change", ({ matches }) => {
    if (g.storedTheme()) return;
    g.theme.set(matches, false);
    applyTheme();
  });

  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape" && !event.defaultPrevented && state.pinned !== null) g.update({ pinned: null });
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input:not([type=radio]), select, textarea, .scroller")) return;
    const next = Math.min(data.levels.length - 1, Math.max(0, state.level + step));
    event.preventDefault();
    if (next !== state.level) g.update({ level: next });
  });
  document.addEventListener("pointermove", (event) => {
    pointer.x = event.clientX;
    pointer.y = event.clientY;
  }, { passive: true });
  g.byId("more").addEventListener("click", () => g.update({ galleryLength: state.galleryLength + g.GALLERY_STEP }));
  g.byId("reset").addEventListener("click", g.map.reset);
  g.byId("save").addEventListener("click", () => g.map.save(`gapscope-${data.levels[state.level].name}`));
  g.map.onHover = (image) => g.drawHoverCard(level, data.levels[state.level].name, image, pointer);
  g.map.onPin = (image, shiftKey) => {
    if (shiftKey) g.select([image], state.selected.has(image) ? "remove" : "add");
    else g.update({ pinned: image });
  };

  const widest = findWidestGap();
  state.level = widest.level;
  state.pair = widest.pair;
  applyTheme();
  drawLead(widest);
  drawLevels();
  fillSelects();
  g.byId("pair").value = state.pair;
  g.drawRejects();
  g.drawProvenance();
  g.map.start();
  g.startSearch();
  g.startSelection(state, imagesIn, listedImages);
  await redraw.level();
})();
