"use strict";
// The first screen: per pair what is missing as it is and style aside; the switches of reading and level.
(() => {
  const g = gapscope;
  const READING_TEXTS = {
    "as-is": ["As it is", "images as they look"],
    "style-aside": ["Style aside", "each set's overall look taken out"],
  };

  // A share that is listed, or that there is no list.
  g.shareListed = (level, pair, reading) => {
    const share = g.tableValue(level, pair, "outlier_share", reading) ?? 0;
    if (reading === "as-is" || share > 0) return g.formatPercent(share);
    return g.data.styleAside[level][pair].basis === "ranking" ? "no list" : g.formatPercent(0);
  };

  // One of the two numbers; it opens what it is the number of, where that is listed.
  const figure = (state, pair, reading, level, label, ...more) => {
    const isShown = state.pair === pair && state.reading === reading && state.level === level;
    const parts = [g.make("strong", { class: "big" }, g.shareListed(level, pair, reading)), g.make("span", {}, label),
      g.make("span", { class: "quiet" }, `at ${g.data.levels[level].name}`), ...more];
    if (!g.data.readings.includes(reading)) return g.make("div", { class: "figure" }, ...parts);
    return g.make("button", {
      type: "button", class: "figure", "aria-pressed": String(isShown), "data-figure": `${pair} ${reading}`,
      onclick: () => g.update({ pair, level, reading }),
    }, ...parts);
  };

  const pictureStrip = (state, pair, { pictures, isRanking, reading, level: number }) => {
    if (!pictures.length || g.data.kinds.length) return [];
    const level = g.data.levels[number].name;
    const suffix = g.readingSuffix({ reading });
    const [query, reference] = g.data.pairs[pair].map(g.datasetName);
    return [
      g.make("p", { class: "quiet caption" }, isRanking ? `First of the ranking at ${level}${suffix}; none is sure:` : `First of the list at ${level}${suffix}:`),
      g.make("div", { class: "pictures", role: "group", "aria-label": `First images of ${query} against ${reference}` }, ...pictures.map((image) => g.make("button", {
        type: "button", class: "neighbor", title: g.image.name(image), "aria-label": `Pin ${g.image.name(image)}`,
        onclick: () => g.pinFromList(image),
      }, g.boxedThumbnail(image, 88)))),
    ];
  };

  const card = (state, pair) => {
    const [query, reference] = g.data.pairs[pair];
    const opening = g.data.openings[pair];
    const [first, rest] = g.data.heads[pair];
    const unlike = g.shareUnlike(opening.asIs, pair, "as-is");
    return g.make("li", { class: "lead-card" },
      g.make("p", { class: "lead-title" }, g.tag(query), g.make("span", {}, " images that "), g.tag(reference), g.make("span", {}, " lacks")),
      first ? g.make("p", { class: "alert" }, g.make("bdi", {}, first)) : null,
      g.make("div", { class: "figures" },
        figure(state, pair, "as-is", opening.asIs, "as it is", unlike ? g.make("span", { class: "quiet" }, `share not like the reference: ${unlike}`) : null),
        opening.styleAside === null ? null : figure(state, pair, "style-aside", opening.styleAside, "with each set's overall look taken out",
          g.make("span", { class: "quiet" }, g.basisSentence(opening.styleAside, pair)))),
      rest ? g.make("p", { class: "sentence" }, g.make("bdi", {}, rest)) : null,
      ...pictureStrip(state, pair, opening));
  };

  g.drawLead = (state) => {
    const focused = document.activeElement?.dataset?.figure;
    const pairs = g.data.pairs.length ? g.bothWays(state.pair) : [];
    g.byId("lead-pairs").replaceChildren(...pairs.map((pair) => card(state, pair)));
    if (focused) document.querySelector(`[data-figure="${focused}"]`)?.focus();
    g.byId("lead-pair-label").hidden = g.data.pairs.length < 3;
    g.byId("lead-pair").value = state.pair;
  };

  g.drawReadings = (state) => {
    const box = g.byId("readings");
    box.hidden = g.data.readings.length < 2;
    if (!box.querySelector("input")) {
      box.append(...g.data.readings.map((reading) => g.make("label", { class: "reading" },
        g.make("input", { type: "radio", name: "reading", value: reading, class: "visually-hidden", onchange: () => g.chooseReading(reading) }),
        g.make("strong", {}, READING_TEXTS[reading][0]), g.make("span", { class: "quiet" }, READING_TEXTS[reading][1]))));
    }
    box.querySelectorAll("input").forEach((radio) => { radio.checked = radio.value === state.reading; });
  };

  // How well a level sees content, in words; nothing where that was not measured.
  const contentText = (level, pair) => {
    const content = g.data.styleAside[level][pair]?.content ?? null;
    if (content === null) return null;
    return content < g.data.minContent ? `${g.formatPercent(content)}: mostly look, not content` : `sees the same content in both: ${g.formatPercent(content)}`;
  };

  const levelRows = (level, state, maxShare) => {
    const known = Object.keys(g.data.numbers);
    const heads = known.length < 2 ? [] : [g.make("span", { class: "level-row heads quiet", "aria-hidden": "true" },
      g.make("span", {}), ...known.map((reading) => g.make("span", { class: "number" }, READING_TEXTS[reading][0])))];
    return [...heads, ...g.bothWays(state.pair).map((pair) => {
      const [query, reference] = g.data.pairs[pair];
      const bar = g.make("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--color", `var(--dataset-${query})`);
      bar.style.setProperty("--share", (g.tableValue(level, pair, "outlier_share") ?? 0) / maxShare);
      return g.make("span", { class: "level-row", title: `${g.datasetName(query)} images that ${g.datasetName(reference)} lacks` }, bar,
        ...known.map((reading) => {
          const text = g.shareListed(level, pair, reading);
          return g.make("span", { class: reading === state.reading ? "number current" : "number" },
            g.make("span", { class: "visually-hidden" }, `${g.datasetName(query)} outliers, ${READING_TEXTS[reading][0]}: `), text === "no list" ? g.make("span", { title: text }, "–") : text);
        }));
    })];
  };

  g.drawLevels = (state) => {
    const box = g.byId("levels");
    if (!box.querySelector("input")) {
      box.append(...g.data.levels.map(({ name, stride, word }, number) => g.make("label", { class: "level" },
        g.make("input", { type: "radio", name: "level", value: number, class: "visually-hidden", onchange: () => g.update({ level: number }) }),
        g.make("span", { class: "level-head" }, g.make("span", { class: "level-name" }, name), word ? g.make("span", { class: "level-word" }, word) : null, stride ? g.make("span", { class: "quiet" }, `stride ${stride}`) : null),
        g.make("span", { class: "level-patch" }, g.levelPatch(number, 88)),
        g.make("span", { class: "level-body" }))));
    }
    document.querySelector(".scale").hidden = g.data.levels.length === 1;
    const shares = g.data.pairs.length ? g.data.levels.flatMap((_, level) => g.bothWays(state.pair).map((pair) => g.tableValue(level, pair, "outlier_share") ?? 0)) : [];
    const maxShare = Math.max(0.001, ...shares);
    box.style.setProperty("--readings", Object.keys(g.data.numbers).length);
    box.querySelectorAll(".level-body").forEach((body, level) => {
      const content = g.data.pairs.length ? contentText(level, state.pair) : null;
      body.replaceChildren(...(g.data.pairs.length ? levelRows(level, state, maxShare) : []),
        ...(content === null ? [] : [g.make("span", { class: "content quiet" }, content)]));
    });
    box.querySelectorAll("input").forEach((radio, number) => { radio.checked = number === state.level; });
    const isMeasured = g.data.pairs.length > 0 && g.data.levels.some((_, level) => contentText(level, state.pair) !== null);
    const note = g.byId("levels-note");
    note.hidden = !isMeasured;
    if (!isMeasured) return;
    const [query, reference] = g.data.pairs[state.pair];
    note.replaceChildren("What a level sees of ", g.tag(query), " in ", g.tag(reference),
      " is measured from this run: how well an image's neighbors across the datasets agree with its neighbors within its own, as judged by the coarsest other level.");
  };
})();
