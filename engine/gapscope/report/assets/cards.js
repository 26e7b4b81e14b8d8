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

  g.REASONS = {
    outside: "unlike anything there",
    "under-represented": "too few of its kind there",
    both: "unlike anything there, and too few of its kind",
  };

  const status = (entry) => g.make("p", { class: "status" },
    g.make("strong", {}, "Outlier"), " against ", g.tag(g.facts.pairs[entry.pair][1]),
    g.make("span", { class: "quiet" }, ` rank ${g.count(entry.rank)} · q ${g.small(entry.q)} · ${g.REASONS[entry.reason]}`));

  const ordinal = (number) => `${number}${["th", "st", "nd", "rd"][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] ?? "th"}`;
  const distance = (level, pair, image) => {
    const reference = g.facts.pairs[pair][1];
    const score = g.score(level, pair, image);
    if (!Number.isFinite(score)) return null;
    return g.make("p", { class: "quiet" }, `Distance to the ${ordinal(g.facts.k[reference])} nearest in `, g.tag(reference), `: ${g.small(score)}`);
  };

  const statuses = (level, image, levelName) => {
    const entries = level.entries.get(image) ?? [];
    if (entries.length) return entries.map(status);
    return [g.make("p", { class: "status quiet" }, `Not listed as an outlier at ${levelName}`)];
  };

  const said = (image) => {
    const text = g.said(image);
    return text === null ? null : g.make("p", { class: "quiet said" }, g.make("bdi", {}, text));
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
        ...statuses(level, image, levelName).slice(0, 3),
        ...g.asking(image).slice(0, 2).map((pair) => distance(level, pair, image)).filter(Boolean)),
    );
    const gap = 18;
    const { width, height } = card.getBoundingClientRect();
    const left = pointer.x + gap + width > innerWidth ? pointer.x - gap - width : pointer.x + gap;
    const top = Math.min(pointer.y + gap, innerHeight - height - 8);
    card.style.left = `${Math.max(8, left)}px`;
    card.style.top = `${Math.max(8, top)}px`;
  };

  const nearest = (level, near, pair, image, entry) => {
    const reference = g.facts.pairs[pair][1];
    const here = g.nearest(near, pair, image);
    const row = g.make("div", { class: "neighbors" });
    for (const found of here) {
      row.append(g.make("button", {
        type: "button", class: "neighbor", title: g.image.name(found.image),
        "aria-label": `Pin ${g.image.name(found.image)}, at distance ${g.small(found.distance)}`,
        onclick: () => g.update({ pinned: found.image }),
      }, g.boxed(found.image, 64), g.make("span", { class: "quiet" }, g.small(found.distance))));
    }
    return g.make("div", { class: "nearest" },
      entry ? status(entry) : g.make("p", { class: "status quiet" }, "Not listed against ", g.tag(reference)),
      distance(level, pair, image),
      g.make("p", { class: "quiet" }, "Nearest in ", g.tag(reference), ", and their distances:"),
      here.length ? row : g.make("p", { class: "quiet" }, "None of its nearest images is among those on this page."));
  };

  // The image itself where the page is served, else its thumbnail.
  const large = (image) => {
    const box = g.boxed(image, 224, { eager: true });
    const url = g.fullImage(image);
    if (!url) return box;
    const full = g.make("img", { class: "full", src: url, alt: g.alt(image) });
    full.addEventListener("load", () => box.replaceChildren(
      g.make("a", { href: url, target: "_blank", rel: "noopener", title: "Open the image in a tab of its own" }, full)), { once: true });
    return box;
  };

  g.pinnedCard = (level, levelName, state) => {
    const box = g.byId("pinned");
    const { pinned: image, near } = state;
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
    const chosen = state.selected.has(image);
    box.replaceChildren(
      g.make("div", { class: "pinned-head" },
        g.tag(g.image.dataset[image]),
        g.make("span", { class: "buttons" },
          g.make("button", { type: "button", class: "plain", "aria-pressed": String(chosen), onclick: () => g.select([image], chosen ? "remove" : "add") }, chosen ? "Selected" : "Select"),
          g.make("button", { type: "button", class: "plain", onclick: () => g.update({ pinned: null }) }, "Unpin"))),
      large(image),
      g.make("p", { class: "file", title: g.image.uri(image) }, g.make("bdi", {}, g.image.name(image))),
      ...[said(image)].filter(Boolean),
      g.make("p", { class: "quiet" }, cluster < 0 ? `In no cluster at ${levelName}` : `In cluster ${cluster} at ${levelName}`),
      ...pairs.map((pair) => nearest(level, near, pair, image, entry(pair))),
    );
  };
})();
