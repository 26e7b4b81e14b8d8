"use strict";
// The page's state, and what is drawn again when it changes.
(async () => {
  const g = gapscope;
  const fail = (error) => {
    g.byId("verdict").textContent = `This report cannot be shown: ${error.message}`;
    throw error;
  };
  await g.open().catch(fail);
  const facts = g.facts;
  const state = {
    level: 0, pair: 0, against: -1, color: -1, pinned: null, near: null, cluster: null, selected: new Set(), shown: g.PAGE,
  };
  g.state = state;
  let level = null;
  const pointer = { x: 0, y: 0 };

  const share = (number, pair) => g.cell(number, pair, "outlier_share") ?? 0;
  // The level and pair with the largest share of outliers, which is where the page opens.
  const widest = () => {
    let best = { level: facts.levels.length - 1, pair: 0, share: -1 };
    facts.levels.forEach((_, number) => facts.pairs.forEach((__, pair) => {
      if (share(number, pair) > best.share) best = { level: number, pair, share: share(number, pair) };
    }));
    return best;
  };

  const drawLead = (best) => {
    const names = facts.datasets.map(({ name }) => name);
    const joined = names.length === 2 ? names.join(" vs ") : names.join(", ");
    document.title = `${joined} · gapscope`;
    g.byId("title").replaceChildren(...facts.datasets.flatMap((_, dataset) => [
      dataset === 1 && names.length === 2 ? g.make("span", { class: "joint" }, " vs ") : "", g.tag(dataset)]));
    g.byId("title").classList.toggle("many", names.length > 2);
    const verdict = g.byId("verdict");
    g.drawConfounders();
    verdict.hidden = g.drawHeads();
    if (best.share > 0) {
      const [query, reference] = facts.pairs[best.pair].map(g.name);
      verdict.replaceChildren("The widest gap is at ", g.make("strong", {}, facts.levels[best.level].name), ": ",
        g.make("strong", {}, `${g.count(g.cell(best.level, best.pair, "outliers"))} of ${g.count(g.cell(best.level, best.pair, "images"))}`),
        ` ${query} images (${g.percent(best.share)}) are outliers against ${reference}.`);
    } else {
      verdict.textContent = facts.levels.length === 1
        ? `No image is listed as an outlier at ${facts.levels[0].name}.` : "No image is listed as an outlier at any level.";
    }
    const parts = facts.datasets.map(({ name, read, rejected }) => `${name}: ${g.count(read)} read${rejected ? `, ${g.count(rejected)} rejected` : ""}`);
    if (facts.fdr !== null) parts.push(`outliers at a false discovery rate of ${Number((facts.fdr * 100).toPrecision(3))}%`);
    g.byId("counts").textContent = parts.join(" · ");
  };

  const drawLevels = () => {
    const worst = (number, dataset) => Math.max(0, ...facts.pairs.flatMap(([query], pair) => query === dataset ? [share(number, pair)] : []));
    const most = Math.max(0.001, ...facts.levels.flatMap((_, number) => facts.datasets.map((__, dataset) => worst(number, dataset))));
    g.byId("levels").classList.toggle("many", facts.datasets.length > 3);
    document.querySelector(".scale").hidden = facts.levels.length === 1;
    g.byId("levels").append(...facts.levels.map(({ name, stride }, number) => {
      const radio = g.make("input", { type: "radio", name: "level", value: number, class: "visually-hidden", onchange: () => g.update({ level: number }) });
      const bars = facts.datasets.map((dataset, at) => {
        const bar = g.make("span", { class: "bar", "aria-hidden": "true" });
        bar.style.setProperty("--color", `var(--dataset-${at})`);
        bar.style.setProperty("--share", worst(number, at) / most);
        return g.make("span", { class: "level-row", title: `${dataset.name}: ${g.percent(worst(number, at))} outliers at ${name}` }, bar,
          g.make("span", { class: "number" }, g.make("span", { class: "visually-hidden" }, `${dataset.name} outliers `), g.percent(worst(number, at))));
      });
      return g.make("label", { class: "level" }, radio,
        g.make("span", { class: "level-head" }, g.make("span", { class: "level-name" }, name), stride ? g.make("span", { class: "quiet" }, `stride ${stride}`) : null),
        ...bars);
    }));
  };

  const drawLegend = () => {
    const marked = g.marked(level, state.against);
    const counts = facts.datasets.map(() => [0, 0]);
    g.image.drawn.forEach((drawn, image) => {
      if (drawn) counts[g.image.dataset[image]][marked.has(image) ? 1 : 0] += 1;
    });
    const toggle = (trace, label, count, outlier) => g.make("button", {
      type: "button", class: "toggle", "aria-pressed": String(!g.map.hidden.has(trace)), "data-trace": trace,
      onclick: (event) => {
        const shown = g.map.hidden.has(trace);
        g.map.toggle(trace, shown);
        event.currentTarget.setAttribute("aria-pressed", String(shown));
        g.map.draw(level, state);
      },
    }, g.swatch(Math.floor(trace / 2), outlier), g.make("bdi", {}, label), g.make("span", { class: "quiet" }, g.count(count)));
    const focused = document.activeElement?.dataset?.trace;
    g.byId("legend").replaceChildren(...facts.datasets.map(({ name }, dataset) => g.make("span", { class: "legend-group", role: "group", "aria-label": name },
      toggle(2 * dataset, name, counts[dataset][0], false), toggle(2 * dataset + 1, "outliers", counts[dataset][1], true))));
    if (focused) document.querySelector(`[data-trace="${focused}"]`)?.focus();
  };

  const drawDrawn = () => {
    const rest = facts.outliersDrawn < facts.outliers
      ? ` ${g.count(facts.outliersDrawn)} of ${g.count(facts.outliers)} listed outliers are drawn, best ranked first.` : " Every listed outlier is drawn.";
    const trust = facts.layouts[state.level].trustworthiness;
    const recall = facts.layouts[state.level].neighbor_recall;
    const faithful = (trust === undefined ? "" : ` Trustworthiness of this map: ${trust.toFixed(2)} of 1.`)
      + (recall === undefined ? "" : ` ${g.percent(recall)} of an image's nearest are its nearest on the map too.`);
    const { images, wanted, bytes } = facts.tiles;
    const pictures = wanted ? ` Thumbnails: ${images === wanted ? "" : `${g.count(images)} of `}${g.count(wanted)}, ${(bytes / 1e6).toFixed(1)} MB.` : " Without thumbnails.";
    g.byId("drawn").textContent = (facts.drawn === facts.placed
      ? `Drawn: all ${g.images(facts.placed)}. Axes of the map have no unit; near means alike.`
      : `Drawn: ${g.count(facts.drawn)} of ${g.images(facts.placed)}.${rest} The others are a random sample, the same on every level.`)
      + faithful + pictures;
  };

  const drawPinned = () => g.pinnedCard(level, facts.levels[state.level].name, state);

  const changed = {
    async level() {
      const wanted = state.level;
      const next = await g.level(wanted).catch(fail);
      const near = state.pinned === null ? null : await g.near(wanted).catch(fail);
      if (wanted !== state.level) return;
      level = next;
      state.near = near;
      state.cluster = null;
      document.querySelectorAll("#levels input").forEach((radio, number) => { radio.checked = number === wanted; });
      g.hoverCard(level, "", null, pointer);
      drawLegend();
      g.drawPairs(state);
      g.drawGallery(level, state);
      g.drawClusters(level, state);
      g.drawCharts(state);
      g.drawNumbers(state);
      drawDrawn();
      drawPinned();
      await g.chooseColors(state.color, level, state.against).catch(fail);
      g.drawColorKey();
      g.byId("map").setAttribute("aria-label", `3-D map of ${g.images(facts.drawn)} at ${facts.levels[wanted].name}. The gallery below lists the outliers for the keyboard.`);
      await g.map.draw(level, state);
      document.body.dataset.level = wanted;
    },
    pair() {
      g.byId("pair").value = state.pair;
      g.drawPairs(state);
      g.drawGallery(level, state);
      g.drawCharts(state);
    },
    shown: () => g.drawGallery(level, state),
    async against() {
      drawLegend();
      await changed.color();
    },
    async color() {
      const wanted = state.color;
      await g.chooseColors(wanted, level, state.against).catch(fail);
      if (wanted !== state.color) return;
      g.drawColorKey();
      drawPinned();
      await g.map.draw(level, state);
    },
    selected() {
      g.drawSelection(state);
      drawPinned();
      g.map.ring(level, state);
    },
    async pinned() {
      const [at, image] = [state.level, state.pinned];
      const near = image === null ? null : await g.near(at).catch(fail);
      if (at !== state.level || image !== state.pinned) return;
      state.near = near;
      drawPinned();
      document.querySelectorAll(".item").forEach((item) => {
        item.setAttribute("aria-pressed", String(Number(item.querySelector("[data-image]")?.dataset.image) === state.pinned));
      });
      g.map.ring(level, state);
    },
    cluster() {
      g.drawClusters(level, state);
      g.map.ring(level, state);
    },
  };
  g.update = async (change) => {
    Object.assign(state, change);
    if ("level" in change || "pair" in change) state.shown = g.PAGE;
    for (const name of Object.keys(change)) await changed[name]();
  };
  const toMap = () => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.querySelector(".stage").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
  };
  g.pinFromList = (image) => {
    g.update({ pinned: image });
    toMap();
  };
  g.showCluster = (cluster) => {
    g.update({ cluster });
    if (cluster !== null) toMap();
  };

  const fillSelects = () => {
    const option = (value, text) => g.make("option", { value }, text);
    g.byId("pair").append(...facts.pairs.map((pair, at) => option(at, pair.map(g.name).join(" vs "))));
    g.byId("pair").addEventListener("change", (event) => g.update({ pair: Number(event.target.value) }));
    g.byId("pair-label").hidden = facts.pairs.length < 2;
    g.byId("against").append(option(-1, "any dataset"), ...facts.datasets.map(({ name }, dataset) => option(dataset, name)));
    g.byId("against").addEventListener("change", (event) => g.update({ against: Number(event.target.value) }));
    g.byId("color").append(option(-1, "dataset"), ...g.colorings().map((name, number) => option(number, name)));
    g.byId("color").addEventListener("change", (event) => g.update({ color: Number(event.target.value) }));
    g.byId("against-label").hidden = facts.datasets.length < 3;
  };
  const within = (rectangle) => g.map.within(level, rectangle);
  const listedHere = () => Array.from(level.lists[state.pair].image);

  const nameTheme = () => {
    g.byId("theme").textContent = g.theme.dark ? "Light theme" : "Dark theme";
  };
  const paint = () => {
    g.paintDatasets();
    g.drawColorKey();
    nameTheme();
    if (level) g.map.draw(level, state);
  };
  g.byId("theme").addEventListener("click", () => {
    g.theme.set(!g.theme.dark, true);
    paint();
  });
  g.system.addEventListener("change", ({ matches }) => {
    if (g.remembered()) return;
    g.theme.set(matches, false);
    paint();
  });

  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape" && !event.defaultPrevented && state.pinned !== null) g.update({ pinned: null });
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input:not([type=radio]), select, textarea, .scroller")) return;
    const next = Math.min(facts.levels.length - 1, Math.max(0, state.level + step));
    event.preventDefault();
    if (next !== state.level) g.update({ level: next });
  });
  document.addEventListener("pointermove", (event) => {
    pointer.x = event.clientX;
    pointer.y = event.clientY;
  }, { passive: true });
  g.byId("more").addEventListener("click", () => g.update({ shown: state.shown + g.PAGE }));
  g.byId("reset").addEventListener("click", g.map.reset);
  g.byId("save").addEventListener("click", () => g.map.save(`gapscope-${facts.levels[state.level].name}`));
  g.map.onHover = (image) => g.hoverCard(level, facts.levels[state.level].name, image, pointer);
  g.map.onPin = (image, more) => {
    if (more) g.select([image], state.selected.has(image) ? "remove" : "add");
    else g.update({ pinned: image });
  };

  const best = widest();
  state.level = best.level;
  state.pair = best.pair;
  paint();
  drawLead(best);
  drawLevels();
  fillSelects();
  g.byId("pair").value = state.pair;
  g.drawRejects();
  g.drawProvenance();
  g.map.start();
  g.startFinding();
  g.startSelecting(state, within, listedHere);
  await changed.level();
})();
