// A term with its definition on hover and focus.
import { autoUpdate, computePosition, flip, offset, shift } from "@floating-ui/dom";
import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Word as WordFacts } from "../data/facts.ts";
import { facts } from "../data/facts.ts";
import { showWord } from "./Words.tsx";

/** So long a pointer rests on a term before its definition is shown, in milliseconds. */
const REST = 160;
/** So long a definition stays while the pointer goes from the term to it. */
const LEAVE = 240;

const shown = signal<{ word: WordFacts; anchor: HTMLElement } | null>(null);
let timer = 0;

const later = (delay: number, change: typeof shown.value): void => {
  clearTimeout(timer);
  timer = window.setTimeout(() => { shown.value = change; }, delay);
};
const now = (change: typeof shown.value): void => {
  clearTimeout(timer);
  shown.value = change;
};

interface WordProps {
  /** Id of the word in `facts.words`; without such a word, the text stands as it is. */
  id: string;
  children: ComponentChildren;
}

/** A term in a text, whose definition is shown on hover and focus; not for use inside a button or a label. */
export const Word = ({ id, children }: WordProps): JSX.Element => {
  const word = facts.words.find((own) => own.id === id);
  if (!word) return <>{children}</>;
  const isShown = shown.value?.word === word;
  const open = (event: Event): typeof shown.value => ({ word, anchor: event.currentTarget as HTMLElement });
  return (
    <button
      type="button" class="word" aria-describedby={isShown ? "definition" : undefined}
      onPointerEnter={(event) => event.pointerType === "mouse" && later(REST, open(event))} onPointerLeave={() => later(LEAVE, null)}
      onFocus={(event) => now(open(event))} onBlur={() => later(LEAVE, null)} onClick={(event) => now(open(event))}
    >{children}</button>);
};

/** The definition of the term that the pointer or the focus is on. */
export const Definition = (): JSX.Element | null => {
  const box = useRef<HTMLDivElement>(null);
  const own = shown.value;
  useEffect(() => {
    if (!own || !box.current) return;
    const element = box.current;
    const place = async (): Promise<void> => {
      const { x, y } = await computePosition(own.anchor, element, {
        strategy: "fixed", placement: "top-start", middleware: [offset(8), flip({ padding: 8 }), shift({ padding: 8 })],
      });
      Object.assign(element.style, { left: `${x}px`, top: `${y}px`, visibility: "visible" });
    };
    const close = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      now(null);
    };
    document.addEventListener("keydown", close, true);
    const stop = autoUpdate(own.anchor, element, () => void place());
    return () => {
      document.removeEventListener("keydown", close, true);
      stop();
    };
  }, [own]);
  if (!own) return null;
  const { word } = own;
  return (
    <div
      ref={box} id="definition" role="note" style={{ visibility: "hidden" }}
      onPointerEnter={() => clearTimeout(timer)} onPointerLeave={() => later(LEAVE, null)}
      onFocusCapture={() => clearTimeout(timer)} onBlurCapture={() => later(LEAVE, null)}
    >
      <p><strong>{word.term}</strong> {word.short}</p>
      <p>
        <button
          type="button" class="link" onClick={() => {
            now(null);
            showWord(word.id);
          }}
        >More about it</button>
      </p>
    </div>);
};
