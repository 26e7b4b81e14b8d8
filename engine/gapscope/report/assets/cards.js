"use strict";
// The card that follows the pointer, and the pinned image beside its nearest reference images.
(() => {
  const g = gapscope;

  // The images that a level lists as outliers, against one dataset or against any (-1).
  g.marked = (level, against) => {
    const marked = new Set();
    for (const list of level.lists) {
      if (against === -1 || g.facts.pairs[list.pair][1] === against) list.image.forEach((image) => marked.add(image));
    }
    return marked;
  };

  const status = (entry) => g.make("p", { class: "status" },
    g.make("strong", {}, "Outlier"), " against ", g.tag(g.facts.pairs[entry.pair][1]),
    g.make("span", { class: "quiet" }, ` rank ${g.count(entry.rank)} · q ${g.small(entry.q)} · ${entry.kind}`));

  const statuses = (level, image, levelName) => {
    const entries = level.entries.get(image) ?? [];
    if (entries.length) return entries.map(status);
    return [g.make("p", { class: "status quiet" }, `Not listed as an outlier at ${levelName}`)];
  };

  const said = (image) => {
    const text = g.said(image);
    return text === null ? null : g.make("p", { class: "quiet" }, g.make("bdi", {}, text));
  };

  g.hoverCard = (level, levelName, image, pointer) => {
    const card = g.byId("hover");
    card.hidden = image === null;
    if (image === null) return;
    card.dataset.image = image;
    card.replaceChildren(
      g.boxed(image, 132, { eager: true }),
      g.make("div", { class: "about" },
        g.tag(g.image.dataset[image]),
        g.make("p", { class: "file" }, g.make("bdi", {}, g.image.name(image))),
        said(image),
        ...statuses(level, image, levelName).slice(0, 4)),
    );
    const gap = 18;
    const { width, height } = card.getBoundingClientRect();
    const left = pointer.x + gap + width > innerWidth ? pointer.x - gap - width : pointer.x + gap;
    const top = Math.min(pointer.y + gap, innerHeight - height - 8);
    card.style.left = `${Math.max(8, left)}px`;
    card.style.top = `${Math.max(8, top)}px`;
  };

  const nearest = (near, pair, image, entry) => {
    const reference = g.facts.pairs[pair][1];
    const here = g.nearest(near, pair, image);
    const row = g.make("div", { class: "neighbours" });
    for (const found of here) {
      row.append(g.make("button", {
        type: "button", class: "neighbour", title: g.image.name(found),
        "aria-label": `Pin ${g.image.name(found)}`, onclick: () => g.update({ pinned: found }),
      }, g.boxed(found, 64)));
    }
    return g.make("div", { class: "nearest" },
      entry ? status(entry) : g.make("p", { class: "status quiet" }, "Not listed against ", g.tag(reference)),
      g.make("p", { class: "quiet" }, "Nearest in ", g.tag(reference),
        entry && Number.isFinite(entry.nearest) ? `, the first at distance ${g.small(entry.nearest)}` : ""),
      here.length ? row : g.make("p", { class: "quiet" }, "None of its nearest images is among those on this page."));
  };

  g.pinnedCard = (level, levelName, image, near) => {
    const box = g.byId("pinned");
    box.classList.toggle("filled", image !== null);
    if (image === null) {
      box.replaceChildren(g.make("p", { class: "hint quiet" },
        "Point at the map to see an image. Click one to keep it here, beside the nearest images of the other dataset."));
      return;
    }
    const entries = level.entries.get(image) ?? [];
    const entry = (pair) => entries.find((found) => found.pair === pair);
    // The datasets that the image is an outlier against come first, surest first.
    const pairs = g.asking(image).sort((a, b) => (entry(a)?.q ?? 2) - (entry(b)?.q ?? 2) || a - b);
    const cluster = level.clusters[image];
    box.replaceChildren(
      g.make("div", { class: "pinned-head" },
        g.tag(g.image.dataset[image]),
        g.make("button", { type: "button", class: "plain", onclick: () => g.update({ pinned: null }) }, "Unpin")),
      g.boxed(image, 224, { eager: true }),
      g.make("p", { class: "file", title: g.image.uri(image) }, g.make("bdi", {}, g.image.name(image))),
      ...[said(image)].filter(Boolean),
      g.make("p", { class: "quiet" }, cluster < 0 ? `In no cluster at ${levelName}` : `In cluster ${cluster} at ${levelName}`),
      ...pairs.map((pair) => nearest(near, pair, image, entry(pair))),
    );
  };
})();
