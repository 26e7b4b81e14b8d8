// The user's columns: which go with the gap, and which of their values are wanted more.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { PairCauses } from "../data/causes.ts";
import { loadCauses } from "../data/causes.ts";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { fail, pair } from "../state/state.ts";
import { CauseList } from "./causes/CauseList.tsx";
import { WantedList } from "./causes/WantedList.tsx";
import { Directions } from "./Directions.tsx";
import { Tag } from "./Picture.tsx";
import { useNear } from "./useNear.ts";
import { Word } from "./Word.tsx";

const useCauses = (isNear: boolean): PairCauses[] | null => {
  const [causes, setCauses] = useState<PairCauses[] | null>(null);
  useEffect(() => {
    if (isNear) loadCauses().then(setCauses).catch(fail);
  }, [isNear]);
  return causes;
};

const Causes = (): JSX.Element => {
  const [element, isNear] = useNear<HTMLElement>();
  const causes = useCauses(isNear);
  const [query, reference] = facts.pairs[pair.value];
  return (
    <section ref={element} id="causes" aria-labelledby="causes-title" tabIndex={-1}>
      <div class="section-head"><h2 id="causes-title">Columns as causes</h2><Directions name="causes" /></div>
      <p class="quiet">
        How much of what <bdi>{datasetName(reference)}</bdi> lacks goes with each column of <Tag dataset={query} />: a <Word id="cause">cause</Word> is
        named where that is beyond chance. Open a column to see the <Word id="class-gap">gap</Word> by value; a click on a value selects its images.
      </p>
      {!facts.causes[pair.value] ? <p class="quiet none-found"><bdi>{datasetName(query)}</bdi> has no columns.</p>
        : causes ? <CauseList causes={causes[pair.value].causes} /> : <p class="classes-wait" />}
    </section>);
};

const Wanted = (): JSX.Element => {
  const [element, isNear] = useNear<HTMLElement>();
  const causes = useCauses(isNear);
  const [query, reference] = facts.pairs[pair.value];
  return (
    <section ref={element} id="wanted" aria-labelledby="wanted-title" tabIndex={-1}>
      <div class="section-head"><h2 id="wanted-title">What to render more of</h2><Directions name="wanted" /></div>
      <p class="quiet">
        For each column of <Tag dataset={reference} />: how its values are spread today, and how they would be if they were as <Tag dataset={query} />
        {" "}asks for them, by <Word id="wanted">importance weights</Word>. A click on a value selects its images.
      </p>
      {!facts.wanted[pair.value] ? <p class="quiet none-found"><bdi>{datasetName(reference)}</bdi> has no columns.</p>
        : causes ? <WantedList columns={causes[pair.value].wanted} /> : <p class="classes-wait" />}
    </section>);
};

const hasAny = (counts: readonly number[]): boolean => bothWays(pair.value).some((own) => counts[own] > 0);

/** Nothing where neither of the shown datasets has columns. */
export const Columns = (): JSX.Element => (
  <>
    {hasAny(facts.wanted) ? <Wanted /> : null}
    {hasAny(facts.causes) ? <Causes /> : null}
  </>);
