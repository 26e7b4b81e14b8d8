"use strict";
// The first thing on the page: a card per kind of image that is missing or differs, the worst first.
(() => {
  const g = gapscope;
  const AT_FIRST = 3;
  const COLUMNS = 6;
  const shownAll = new Set(); // the pairs whose kinds are all shown

  const reversed = (pair) => g.data.pairs.findIndex(([query, reference]) => query === g.data.pairs[pair][1] && reference === g.data.pairs[pair][0]);
  g.bothWays = (pair) => [pair, reversed(pair)].filter((other) => other >= 0).sort((a, b) => a - b);
  g.kindImages = (number) => {
    const images = [];
    g.image.kind.forEach((kind, image) => {
      if (kind === number) images.push(image);
    });
    return images;
  };
  // A kind is selected as what it is everywhere: on the map, in the gallery and in the charts.
  g.showKind = (number) => {
    if (g.state.kind === number) return g.update({ kind: null, selected: new Set() });
    const { pair, level, reading } = g.data.kinds[number];
    return g.update({ kind: number, selected: new Set(g.kindImages(number)), pair, reading, level });
  };

  // Of the typical ones and of the diverse ones about as many as fit.
  const chosenPictures = (kind) => {
    const typical = kind.pictures.slice(0, kind.typical);
    const diverse = kind.pictures.slice(kind.typical);
    const most = Math.max(COLUMNS / 2, COLUMNS - diverse.length);
    const first = typical.slice(0, most);
    return [...first, ...diverse.slice(0, COLUMNS - first.length)];
  };

  const captioned = (caption) => (caption === null ? null : g.make("span", { class: "quiet" }, caption));
  const picture = (image, caption, heat = null) => {
    if (image < 0) return g.make("span", { class: "kind-picture" }, g.make("span", { class: "box empty" }, "–"), captioned(caption));
    const box = g.boxedThumbnail(image, 96);
    if (heat) g.putHeat(box.firstChild, image, heat);
    return g.make("span", { class: "kind-picture" },
      g.make("button", { type: "button", class: "neighbor", title: g.image.name(image), "aria-label": `Pin ${g.image.name(image)}`, onclick: () => g.pinFromList(image) }, box),
      captioned(caption));
  };

  const heatShown = new Map(); // the level at which a kind's heat maps are shown
  const heatLine = (number, kind) => {
    if (!g.data.heatMaps) return null;
    const { level, reason } = g.data.heatMaps.kinds[number];
    if (level === null) return g.make("p", { class: "quiet caption" }, "No heat maps: ", g.make("bdi", {}, reason));
    return g.heatSwitch(`Where in the pictures of ${kind.id}`, heatShown.get(number) ?? null, level, (chosen) => {
      if (chosen === null) heatShown.delete(number);
      else heatShown.set(number, chosen);
      g.drawKinds(g.state);
    });
  };

  const strip = (number, kind) => {
    const [, reference] = g.data.pairs[kind.pair];
    const level = heatShown.get(number) ?? null;
    const pictures = level === null ? chosenPictures(kind) : kind.pictures.filter(([image]) => g.hasHeat(image, kind.pair)).slice(0, COLUMNS);
    const images = pictures.map(([image]) => image);
    const heat = level === null ? null : { pair: kind.pair, level, full: g.heatFull(images, kind.pair, level) };
    return [
      g.make("div", { class: "kind-pictures", role: "group", "aria-label": `Pictures of ${kind.name}` }, ...pictures.map(([image]) => picture(image, null, heat))),
      heatLine(number, kind),
      heat ? g.heatLegend(heat, kind.pictures.map(([image]) => image)) : null,
      g.make("p", { class: "quiet caption" }, "Nearest in ", g.tag(reference), ` at ${g.data.levels[kind.comparedAt].name}, and how far; within the kind it is ${g.formatShort(kind.spacing)}:`),
      g.make("div", { class: "kind-pictures counterparts", role: "group", "aria-label": "Their nearest counterparts" },
        ...pictures.map(([, counterpart, distance]) => picture(counterpart, distance === null ? null : g.formatShort(distance)))),
    ];
  };

  const card = (number, state) => {
    const kind = g.data.kinds[number];
    const [query] = g.data.pairs[kind.pair];
    const isShown = state.kind === number;
    const mirror = kind.mirror === null ? null : g.data.kinds[kind.mirror];
    return g.make("li", { class: isShown ? "kind-card shown" : "kind-card", "data-kind": kind.id },
      g.make("button", { type: "button", class: "kind-head", "aria-pressed": String(isShown), "data-kind-head": kind.id, onclick: () => g.showKind(number) },
        g.make("span", { class: "kind-title" }, g.swatch(query), g.make("bdi", {}, kind.title), g.make("span", { class: "quiet kind-id" }, kind.id)),
        g.make("strong", { class: kind.isNamed ? "kind-name" : "kind-name guess" }, g.make("bdi", {}, kind.name)),
        g.make("span", { class: "quiet" }, `${kind.count} (${kind.share}) · ${kind.levels} · ${kind.sure}`)),
      ...strip(number, kind).filter(Boolean),
      g.make("p", { class: "advice" }, g.make("bdi", {}, kind.advice)),
      mirror === null ? null : g.make("p", { class: "quiet" }, "The other side: ",
        g.make("button", { type: "button", class: "link", onclick: () => g.showKind(kind.mirror) }, `${mirror.id}, ${mirror.count} of ${g.datasetName(g.data.pairs[mirror.pair][0])}, ${mirror.levels}, ${mirror.sure}`)));
  };

  const nothing = (pair) => g.make("li", { class: "kind-card none" },
    g.make("p", {}, g.make("strong", {}, "No kind here.")), g.make("p", {}, g.data.noKinds[pair]));

  const column = (pair, state) => {
    const [query, reference] = g.data.pairs[pair];
    // The second side of a kind is told by the card of the first.
    const own = g.data.kinds.flatMap((kind, number) => (
      kind.pair === pair && (kind.mirror === null || kind.mirror > number || number === state.kind) ? [number] : []));
    const all = shownAll.has(pair);
    const cards = all ? own : own.filter((number, place) => place < AT_FIRST || number === state.kind);
    const look = g.data.looks[pair];
    return g.make("section", { class: "kind-column", "aria-label": `Kinds of ${g.datasetName(query)} images against ${g.datasetName(reference)}` },
      g.make("p", { class: "kind-sentence" }, g.tag(query), g.make("span", { class: "quiet" }, " against "), g.tag(reference)),
      g.make("p", { class: "sentence" }, g.make("bdi", {}, `${g.data.kindSentences[pair]}.`)),
      look ? g.make("p", { class: "alert" }, g.make("bdi", {}, `${look}.`)) : null,
      g.make("ol", { class: "kind-cards" }, ...(own.length ? cards.map((number) => card(number, state)) : [nothing(pair)])),
      own.length > cards.length || (all && own.length > AT_FIRST) ? g.make("button", {
        type: "button", class: "plain", "data-more-kinds": pair,
        onclick: () => {
          if (all) shownAll.delete(pair);
          else shownAll.add(pair);
          g.drawKinds(g.state);
        },
      }, all ? "Show the worst only" : `Show ${own.length - cards.length} more`) : null);
  };

  g.drawKinds = (state) => {
    const { kindHead: focused, heat: focusedHeat } = document.activeElement?.dataset ?? {};
    const pairs = g.data.pairs.length ? g.bothWays(state.pair) : [];
    g.byId("kinds").replaceChildren(...pairs.map((pair) => column(pair, state)));
    if (focused) document.querySelector(`[data-kind-head="${focused}"]`)?.focus();
    if (focusedHeat) document.querySelector(`#kinds [data-heat="${focusedHeat}"]`)?.focus();
  };

  // The square of a picture that a level sees at once, at its true size.
  g.levelPatch = (level, box) => {
    const { patch } = g.data.levels[level];
    const image = g.data.kinds.find(({ sort }) => sort === "absent")?.pictures[0]?.[0] ?? g.data.kinds[0]?.pictures[0]?.[0] ?? 0;
    if (!patch || !g.image.sizes[2 * image]) return null;
    const [width, height] = [patch, Math.min(box, patch)];
    const frame = g.make("span", { class: "patch", role: "img", "aria-label": `About ${patch} pixels of a picture, at their true size` });
    frame.style.width = `${width}px`;
    frame.style.height = `${height}px`;
    const whole = g.thumbnail(image, g.data.size, { eager: true });
    whole.style.marginLeft = `${(width - parseFloat(whole.style.width)) / 2}px`;
    whole.style.marginTop = `${(height - parseFloat(whole.style.height)) / 2}px`;
    whole.removeAttribute("role");
    frame.append(whole);
    return frame;
  };
})();
