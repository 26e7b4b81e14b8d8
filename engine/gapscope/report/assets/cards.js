"use strict";
// The card at the pointer, and the card of the pinned image with its nearest reference images.
(() => {
  const g = gapscope;

  // The images that a level lists as outliers, against one reference dataset or against any (-1).
  g.listedImages = (level, reference) => {
    const listed = new Set();
    for (const list of level.lists) {
      if (reference === -1 || g.data.pairs[list.pair][1] === reference) list.image.forEach((image) => listed.add(image));
    }
    return listed;
  };

  g.REASON_TEXTS = {
    outside: "outside the reference",
    "under-represented": "under-represented in the reference",
    both: "outside the reference and under-represented in it",
    suggested: "a suggestion",
  };

  const outlierStatus = (entry) => g.make("p", { class: "status" },
    g.make("strong", {}, "Outlier"), " against ", g.tag(g.data.pairs[entry.pair][1]),
    g.make("span", { class: "quiet" }, ` rank ${g.formatCount(entry.rank)} · q ${g.formatShort(entry.q)} · ${g.REASON_TEXTS[entry.reason]}`));

  const scoreLine = (level, pair, image) => {
    const reference = g.data.pairs[pair][1];
    const score = g.score(level, pair, image);
    if (!Number.isFinite(score)) return null;
    return g.make("p", { class: "quiet" }, "Outlier score against ", g.tag(reference), `: ${g.formatShort(score)}`);
  };

  const outlierStatuses = (level, image, levelName) => {
    const entries = level.entries.get(image) ?? [];
    if (entries.length) return entries.map(outlierStatus);
    return [g.make("p", { class: "status quiet" }, `Not listed as an outlier at ${levelName}`)];
  };

  const groupLine = (image) => {
    const group = g.groupOf(image);
    if (group === null || group.images < 2) return null;
    return g.make("p", { class: "quiet", title: group.name }, `One of ${g.formatCount(group.images)} ${g.rowUnits(g.image.dataset[image])} of the ${g.unit(g.image.dataset[image], 1)} `,
      g.make("bdi", {}, g.groupName(group)));
  };

  const coloringLine = (image) => {
    const text = g.coloringText(image);
    return text === null ? null : g.make("p", { class: "quiet" }, g.make("bdi", {}, text));
  };

  g.drawHoverCard = (level, levelName, image, pointer) => {
    const card = g.byId("hover");
    card.hidden = image === null;
    if (image === null) return;
    card.dataset.image = image;
    card.replaceChildren(
      g.boxedThumbnail(image, 132, { eager: true }),
      g.make("div", { class: "about" },
        g.tag(g.image.dataset[image]),
        g.make("p", { class: "file" }, g.make("bdi", {}, g.image.name(image))),
        groupLine(image),
        coloringLine(image),
        ...outlierStatuses(level, image, levelName).slice(0, 3),
        ...g.pairsOfQuery(image).slice(0, 2).map((pair) => scoreLine(level, pair, image)).filter(Boolean)),
    );
    const gap = 18;
    const { width, height } = card.getBoundingClientRect();
    const left = pointer.x + gap + width > innerWidth ? pointer.x - gap - width : pointer.x + gap;
    const top = Math.min(pointer.y + gap, innerHeight - height - 8);
    card.style.left = `${Math.max(8, left)}px`;
    card.style.top = `${Math.max(8, top)}px`;
  };

  const referenceSection = (level, neighbors, pair, image, entry) => {
    const reference = g.data.pairs[pair][1];
    const nearest = g.nearestImages(neighbors, pair, image);
    const row = g.make("div", { class: "neighbors" });
    for (const neighbor of nearest) {
      row.append(g.make("button", {
        type: "button", class: "neighbor", title: g.image.name(neighbor.image),
        "aria-label": `Pin ${g.image.name(neighbor.image)}, at distance ${g.formatShort(neighbor.distance)}`,
        onclick: () => g.update({ pinned: neighbor.image }),
      }, g.boxedThumbnail(neighbor.image, 64), g.make("span", { class: "quiet" }, g.formatShort(neighbor.distance))));
    }
    return g.make("div", { class: "nearest" },
      entry ? outlierStatus(entry) : g.make("p", { class: "status quiet" }, "Not listed as an outlier against ", g.tag(reference)),
      scoreLine(level, pair, image),
      g.make("p", { class: "quiet" }, "Nearest images in ", g.tag(reference), " and their distances:"),
      nearest.length ? row : g.make("p", { class: "quiet" }, "None of its nearest images is on this page."));
  };

  // The full image if the page is served, otherwise its thumbnail; with a heat map over it where that is wanted.
  const largeImage = (image, heat) => {
    const box = g.boxedThumbnail(image, 224, { eager: true });
    if (heat) g.putHeat(box.firstChild, image, heat);
    const url = g.fullImage(image);
    if (!url) return box;
    const full = g.make("img", { class: "full", src: url, alt: g.altText(image) });
    full.addEventListener("load", () => {
      const link = g.make("a", { href: url, target: "_blank", rel: "noopener", title: "Open the image in a new tab" }, full);
      if (heat) g.putHeat(link, image, heat, [full.naturalWidth, full.naturalHeight]);
      box.replaceChildren(link);
    }, { once: true });
    return box;
  };

  let heatShown = null; // the level at which the pinned image's heat map is shown; "opens" for the one that points best
  const pinnedHeat = (image, pairs) => {
    if (!g.data.heatMaps?.levels.length || !pairs.length) return { heat: null, line: [] };
    const pair = g.heatPair(image, pairs);
    const choose = (level) => {
      heatShown = level;
      g.update({ pinned: image });
    };
    const toggle = (shown, opens) => g.heatSwitch("Where in the pinned image", shown, opens, choose);
    if (heatShown === null) return { heat: null, line: [toggle(null, "opens")] };
    if (pair === null) return { heat: null, line: [toggle(heatShown, null), g.make("p", { class: "quiet" }, "No heat map: ", g.make("bdi", {}, g.heatReason(image, pairs)))] };
    const opens = g.heatOpens(image, pair);
    const level = heatShown === "opens" ? opens : heatShown;
    const heat = { pair, level, full: g.heatFull([image], pair, level) };
    return { heat, line: [toggle(level, opens), g.heatLegend(heat, [])] };
  };

  g.drawPinnedCard = (level, levelName, state) => {
    const box = g.byId("pinned");
    const { pinned: image, neighbors } = state;
    box.classList.toggle("filled", image !== null);
    if (image === null) {
      box.replaceChildren(g.make("p", { class: "hint quiet" },
        "Point at the map to see an image. Click a point to pin its image here, with the nearest images of the other dataset."));
      return;
    }
    const entries = level.entries.get(image) ?? [];
    const entry = (pair) => entries.find((candidate) => candidate.pair === pair);
    // References that the image is an outlier against come first, in the order of q.
    const pairs = g.pairsOfQuery(image).sort((a, b) => (entry(a)?.q ?? 2) - (entry(b)?.q ?? 2) || a - b);
    const cluster = level.clusters[image];
    const selected = state.selected.has(image);
    const { heat, line } = pinnedHeat(image, pairs);
    box.replaceChildren(
      g.make("div", { class: "pinned-head" },
        g.tag(g.image.dataset[image]),
        g.make("span", { class: "buttons" },
          g.make("button", { type: "button", class: "plain", "aria-pressed": String(selected), onclick: () => g.select([image], selected ? "remove" : "add") }, selected ? "Selected" : "Select"),
          g.make("button", { type: "button", class: "plain", onclick: () => g.update({ pinned: null }) }, "Unpin"))),
      largeImage(image, heat),
      ...line,
      g.make("p", { class: "file", title: g.image.uri(image) }, g.make("bdi", {}, g.image.name(image))),
      ...[groupLine(image), coloringLine(image)].filter(Boolean),
      g.make("p", { class: "quiet" }, cluster < 0 ? `In no cluster at ${levelName}` : `In cluster ${cluster} at ${levelName}`),
      ...pairs.map((pair) => referenceSection(level, neighbors, pair, image, entry(pair))),
    );
  };
})();
