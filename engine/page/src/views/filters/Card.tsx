// A card of the filters, which counts only while it is near the window.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { clearFilter, filtersSet } from "../../state/filters.ts";
import { shorten } from "../../format.ts";

interface CardProps {
  title: string;
  /** What the title says where it holds definitions. */
  heading?: ComponentChildren;
  unit?: string;
  /** The names in `filtersSet` that the card sets. */
  filters: string[];
  /** Called when the card comes near the window. */
  onSeen?: () => void;
  /** Not called before the card has come near the window; told whether it is there. */
  children: (isNear: boolean) => ComponentChildren;
}

export const Card = ({ title, heading, unit = "", filters, onSeen, children }: CardProps): JSX.Element => {
  const element = useRef<HTMLElement>(null);
  const [isNear, setNear] = useState<boolean | null>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((seen) => {
      const isNow = seen[seen.length - 1].isIntersecting;
      setNear((before) => (isNow || before !== null ? isNow : null));
      if (isNow) onSeen?.();
    }, { rootMargin: "200px" });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  const set = filters.filter((name) => filtersSet.value.includes(name));
  return (
    <section ref={element} class={set.length ? "filter-card set" : "filter-card"} aria-label={shorten(title)}>
      <div class="filter-card-head">
        <h3><bdi>{heading ?? title}</bdi>{unit && <span class="quiet"> in {unit}</span>}</h3>
        {set.length > 0 && <button type="button" class="link" aria-label={`Clear ${shorten(title)}`} onClick={() => set.forEach(clearFilter)}>Clear</button>}
      </div>
      {isNear === null ? <p class="filter-wait" /> : <Body isNear={isNear}>{children}</Body>}
    </section>);
};

// A component of its own, so that what it reads does not draw the card's head again.
const Body = ({ isNear, children }: { isNear: boolean; children: CardProps["children"] }): JSX.Element => <>{children(isNear)}</>;
