"use strict";
// The page's state, and what must be redrawn when a part of it changes.
(async () => {
  const g = gapscope;
  const fail = (error) => {
    g.byId("verdict").hidden = false;
    g.byId("verdict").textContent = `This report cannot be shown: ${error.message}`;
    throw error;
  };
  await g.loadPage().catch(fail);
  const { data } = g;
  const state = {
    level: 0, pair: 0, reading: data.readings[0], reference: -1, color: -1, pinned: null, neighbors: null, cluster: null, openGroup: null, kind: null, selected: new Set(), galleryLength: g.GALLERY_STEP,
  };
  g.state = state;
  let level = null;
  const pointer = { x: 0, y: 0 };

  const drawTitle = () => {
    const names = data.datasets.map(({ name }) => name);
    const title = names.length === 2 ? names.join(" vs ") : names.join(", ");
    document.title = `${title} · gapscope`;
    g.byId("title").replaceChildren(...data.datasets.flatMap((_, dataset) => [
      dataset === 1 && names.length === 2 ? g.make("span", { class: "joint" }, " vs ") : "", g.tag(dataset)]));
    g.byId("title").classList.toggle("many", names.length > 2);
    g.drawConfounders();
    g.drawNotes();
    const parts = data.datasets.map(({ name, count, rejected }) => `${name}: read ${count}${rejected ? `, ${g.formatCount(rejected)} rejected` : ""}`);
    if (data.fdr !== null) parts.push(`outliers at a false discovery rate of ${Number((data.fdr * 100).toPrecision(3))}%`);
    g.byId("counts").textContent = parts.join(" · ");
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
      ? ` ${g.formatCount(data.outliersDrawn)} of ${g.formatCount(data.outliers)} listed outliers are drawn, the best-ranked ones first.` : " All listed outliers are drawn.";
    const trustworthiness = data.layouts[state.level].trustworthiness;
    const recall = data.layouts[state.level].neighbor_recall;
    const quality = (trustworthiness === undefined ? "" : ` Trustworthiness of this map: ${trustworthiness.toFixed(2)} of 1.`)
      + (recall === undefined ? "" : ` ${g.formatPercent(recall)} of an image's nearest neighbors are also its nearest neighbors on the map.`);
    const { images, wanted, bytes } = data.tiles;
    const thumbnails = wanted ? ` Thumbnails: ${images === wanted ? "" : `${g.formatCount(images)} of `}${g.formatCount(wanted)}, ${(bytes / 1e6).toFixed(1)} MB.` : " Without thumbnails.";
    g.byId("map-note").textContent = (data.drawn === data.placed
      ? `Drawn: all ${g.formatImages(data.placed)}. The map's axes have no unit; nearby points are similar images.`
      : `Drawn: ${g.formatCount(data.drawn)} of ${g.formatImages(data.placed)}.${outliers} The others are a random sample, the same on every level.`)
      + (state.reading === "style-aside" ? " The map is of the images as they are; style aside changes what is marked on it." : "")
      + quality + thumbnails;
  };

  const drawPinned = () => g.drawPinnedCard(level, data.levels[state.level].name, state);

  // All that a level and a reading show.
  const redrawAll = async () => {
    const [requested, reading] = [state.level, state.reading];
    const loaded = await g.loadLevel(requested).catch(fail);
    const neighbors = state.pinned === null ? null : await g.loadNeighbors(requested, reading).catch(fail);
    if (requested !== state.level || reading !== state.reading) return;
    level = g.levelIn(loaded, reading);
    state.neighbors = neighbors;
    g.drawKinds(state);
    g.drawLead(state);
    g.drawReadings(state);
    g.drawLevels(state);
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
    g.refreshSearch();
    document.body.dataset.level = requested;
    document.body.dataset.reading = reading;
  };

  // For each other part of the state, what to redraw when it has changed.
  const redraw = {
    pair() {
      g.byId("pair").value = state.pair;
      g.drawKinds(state);
      g.drawLead(state);
      g.drawLevels(state);
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
      const [number, reading, image] = [state.level, state.reading, state.pinned];
      const neighbors = image === null ? null : await g.loadNeighbors(number, reading).catch(fail);
      if (number !== state.level || reading !== state.reading || image !== state.pinned) return;
      state.neighbors = neighbors;
      drawPinned();
      document.querySelectorAll(".item").forEach((item) => {
        item.setAttribute("aria-pressed", String(Number(item.querySelector("[data-image]")?.dataset.image) === state.pinned));
      });
      g.map.drawRings(level, state);
    },
    kind() {
      g.drawKinds(state);
      g.drawGallery(level, state);
      g.drawCharts(state);
    },
    cluster() {
      g.drawClusters(level, state);
      g.map.drawRings(level, state);
    },
  };
  let isReadingChosen = false;
  g.update = async (change) => {
    const all = { ...change };
    if ("reading" in change) isReadingChosen = true;
    // Until a reading is chosen, each pair is shown in its own.
    else if ("pair" in change && !isReadingChosen && data.openings[change.pair].reading !== state.reading) {
      all.reading = data.openings[change.pair].reading;
    }
    if ("level" in all && all.level !== state.level) all.cluster ??= null;
    Object.assign(state, all);
    if ("level" in all || "pair" in all || "reading" in all) Object.assign(state, { galleryLength: g.GALLERY_STEP, openGroup: null });
    // A kind is of one pair: another pair's gallery shows all that it lists.
    if ("pair" in change && !("kind" in change) && state.kind !== null && data.kinds[state.kind].pair !== state.pair) all.kind = state.kind = null;
    const names = Object.keys(all);
    if ("level" in all || "reading" in all) await redrawAll();
    for (const name of names) await redraw[name]?.();
  };
  g.chooseReading = (reading) => g.update({ reading });
  g.levelShown = () => level;
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
    g.byId("lead-pair").append(...data.pairs.map((names, pair) => option(pair, names.map(g.datasetName).join(" vs "))));
    g.byId("lead-pair").addEventListener("change", (event) => g.update({ pair: Number(event.target.value) }));
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
    // The arrow keys change what has the focus, and the level elsewhere.
    if (event.target.closest("input:not([name=level]), select, textarea, .scroller")) return;
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

  if (data.pairs.length) {
    state.reading = data.openings[0].reading;
    state.level = data.openings[0].level;
  }
  applyTheme();
  drawTitle();
  fillSelects();
  g.byId("pair").value = state.pair;
  g.drawRejects();
  g.drawProvenance();
  g.map.start();
  g.startSearch();
  g.startSelection(state, imagesIn, listedImages);
  await redrawAll();
})();
