// The glossary: every term that the page uses, with how to read it.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";

const isOpen = signal(false);

/** Opens the glossary at a word. */
export const showWord = (id: string): void => {
  isOpen.value = true;
  // The list is there once the page has been drawn again.
  requestAnimationFrame(() => {
    const entry = document.getElementById(`word-${id}`);
    entry?.scrollIntoView({ block: "center" });
    entry?.focus({ preventScroll: true });
  });
};

export const Words = (): JSX.Element | null => {
  if (!facts.words.length) return null;
  const words = facts.words.toSorted((a, b) => a.term.localeCompare(b.term, "en"));
  return (
    <section id="words" aria-labelledby="words-title">
      <h2 id="words-title">Words</h2>
      <p class="quiet">What the terms of this page mean, how to read them, and where they come from.</p>
      <details open={isOpen.value} onToggle={(event) => { isOpen.value = event.currentTarget.open; }}>
        <summary>All {words.length} words</summary>
        <dl class="words">
          {words.map(({ id, term, also, short, long }) => (
            <div key={id} id={`word-${id}`} tabIndex={-1}>
              <dt>{term}{also.length ? <span class="quiet">, {also.join(", ")}</span> : null}</dt>
              <dd><p>{short}</p>{long ? <p class="quiet">{long}</p> : null}</dd>
            </div>))}
        </dl>
      </details>
    </section>);
};
