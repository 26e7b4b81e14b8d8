"use strict";
// The search box: images on the page by a part of their name.
(() => {
  const g = gapscope;
  const SHOWN = 12;
  let names = null;

  const matching = (words) => {
    names ??= Array.from(g.image.dataset, (_, image) => g.image.name(image).toLowerCase());
    const found = [];
    names.forEach((name, image) => {
      if (words.every((word) => name.includes(word))) found.push(image);
    });
    return found;
  };

  g.startFinding = () => {
    const [box, list] = [g.byId("find"), g.byId("found")];
    let found = [];
    const close = () => {
      list.hidden = true;
    };
    const pin = (image) => {
      close();
      g.pinFromList(image);
    };
    const look = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      list.hidden = !words.length;
      if (list.hidden) return;
      found = matching(words);
      const more = g.facts.placed > g.image.dataset.length ? ` Of ${g.images(g.facts.placed)}, ${g.count(g.image.dataset.length)} are on this page.` : "";
      const note = !found.length ? `No image on this page has that in its name.${more}`
        : found.length > SHOWN ? `The first ${SHOWN} of ${g.count(found.length)}.${more}` : `${g.images(found.length)}.${more}`;
      list.replaceChildren(g.make("p", { class: "quiet" }, note), ...found.slice(0, SHOWN).map((image) => g.make("button", {
        type: "button", class: "match", onclick: () => pin(image),
      }, g.boxed(image, 40, { eager: true }), g.make("span", { class: "file" }, g.make("bdi", {}, g.image.name(image))), g.tag(g.image.dataset[image]))));
    };
    box.addEventListener("input", look);
    box.addEventListener("focus", look);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && found.length && !list.hidden) pin(found[0]);
      if (event.key === "ArrowDown" && !list.hidden) {
        event.preventDefault();
        list.querySelector("button")?.focus();
      }
    });
    list.addEventListener("keydown", (event) => {
      const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (!to) return;
      event.preventDefault();
      const next = document.activeElement[to];
      (next?.matches("button") ? next : to === "previousElementSibling" ? box : document.activeElement).focus();
    });
    const finder = box.closest(".finder");
    finder.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || list.hidden) return;
      event.preventDefault();
      close();
      box.focus();
      close();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!finder.contains(event.target)) close();
    });
    finder.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !finder.contains(event.relatedTarget)) close();
    });
  };
})();
