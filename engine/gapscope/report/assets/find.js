"use strict";
// The search box, which finds images on the page by a part of their name.
(() => {
  const g = gapscope;
  const MAX_MATCHES = 12;
  let lowerCaseNames = null;

  const findMatches = (words) => {
    lowerCaseNames ??= Array.from(g.image.dataset, (_, image) => g.image.name(image).toLowerCase());
    const matches = [];
    lowerCaseNames.forEach((name, image) => {
      if (words.every((word) => name.includes(word))) matches.push(image);
    });
    return matches;
  };

  // What the reading that is shown says of an image, at the level that is shown.
  const standing = (image) => {
    const entries = g.levelShown().entries.get(image) ?? [];
    return entries.length ? g.make("span", { class: "quiet" }, `outlier, rank ${g.formatCount(Math.min(...entries.map(({ rank }) => rank)))}`) : null;
  };

  g.startSearch = () => {
    const [box, list] = [g.byId("find"), g.byId("matches")];
    let matches = [];
    const close = () => {
      list.hidden = true;
    };
    const pin = (image) => {
      close();
      g.pinFromList(image);
    };
    const search = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      list.hidden = !words.length;
      if (list.hidden) return;
      matches = findMatches(words);
      const onPage = g.data.placed > g.image.dataset.length ? ` Of ${g.formatImages(g.data.placed)}, ${g.formatCount(g.image.dataset.length)} are on this page.` : "";
      const note = !matches.length ? `No image on this page has a name like this.${onPage}`
        : matches.length > MAX_MATCHES ? `The first ${MAX_MATCHES} of ${g.formatCount(matches.length)}.${onPage}` : `${g.formatImages(matches.length)}.${onPage}`;
      list.replaceChildren(g.make("p", { class: "quiet" }, note), ...matches.slice(0, MAX_MATCHES).map((image) => g.make("button", {
        type: "button", class: "match", onclick: () => pin(image),
      }, g.boxedThumbnail(image, 40, { eager: true }), g.make("span", { class: "file" }, g.make("bdi", {}, g.image.name(image))),
      g.make("span", { class: "match-about" }, g.tag(g.image.dataset[image]), standing(image)))));
    };
    g.refreshSearch = () => {
      if (!list.hidden) search();
    };
    box.addEventListener("input", search);
    box.addEventListener("focus", search);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && matches.length && !list.hidden) pin(matches[0]);
      if (event.key === "ArrowDown" && !list.hidden) {
        event.preventDefault();
        list.querySelector("button")?.focus();
      }
    });
    list.addEventListener("keydown", (event) => {
      const sibling = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (!sibling) return;
      event.preventDefault();
      const next = document.activeElement[sibling];
      (next?.matches("button") ? next : sibling === "previousElementSibling" ? box : document.activeElement).focus();
    });
    const container = box.closest(".finder");
    container.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || list.hidden) return;
      event.preventDefault();
      close();
      box.focus();
      // The focus has opened the list again.
      close();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!container.contains(event.target)) close();
    });
    container.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !container.contains(event.relatedTarget)) close();
    });
  };
})();
