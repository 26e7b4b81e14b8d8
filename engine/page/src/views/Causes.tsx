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
import { SelectedHint } from "./SelectedHint.tsx";
import { useNear } from "./useNear.ts";
import { Word } from "./Word.tsx";

const useCauses = (isNear: boolean): PairCauses[] | null => {
  const [causes, setCauses] = useState<PairCauses[] | null>(null);
  useEffect(() => {
    if (isNear) loadCauses().then(setCauses).catch(fail);
  }, [isNear]);
  return causes;
};

/** Of the ways round of the shown pair, those that have any; and the one to show, as the page does where that has any. */
const waysOf = (counts: readonly number[]): { ways: number[]; shown: number } => {
  const ways = bothWays(pair.value).filter((own) => counts[own] > 0);
  return { ways, shown: ways.includes(pair.value) ? pair.value : ways[0] };
};

const Causes = (): JSX.Element => {
  const [element, isNear] = useNear<HTMLElement>();
  const causes = useCauses(isNear);
  const { ways, shown } = waysOf(facts.causes);
  const [query, reference] = facts.pairs[shown];
  return (
    <section ref={element} id="causes" aria-labelledby="causes-title" tabIndex={-1}>
      <div class="section-head"><h2 id="causes-title">Columns as causes</h2><Directions name="causes" ways={ways} shown={shown} /></div>
      <p class="quiet">
        How much of what <bdi>{datasetName(reference)}</bdi> lacks goes with each column of <Tag dataset={query} />: a <Word id="cause">cause</Word> is
        named where that is beyond chance. Open a column to see the <Word id="class-gap">gap</Word> by value; a click on a value selects its images.
      </p>
      <SelectedHint />
      {causes ? <CauseList causes={causes[shown].causes} query={query} /> : <p class="classes-wait" />}
    </section>);
};

const Wanted = (): JSX.Element => {
  const [element, isNear] = useNear<HTMLElement>();
  const causes = useCauses(isNear);
  const { ways, shown } = waysOf(facts.wanted);
  const [query, reference] = facts.pairs[shown];
  return (
    <section ref={element} id="wanted" aria-labelledby="wanted-title" tabIndex={-1}>
      <div class="section-head"><h2 id="wanted-title">What to render more of</h2><Directions name="wanted" ways={ways} shown={shown} /></div>
      <p class="quiet">
        For each column of <Tag dataset={reference} />: how its values are spread today, and how they would be if they were as <Tag dataset={query} />
        {" "}asks for them, by <Word id="wanted">importance weights</Word>. A click on a value selects its images.
      </p>
      <SelectedHint />
      {causes ? <WantedList columns={causes[shown].wanted} pair={shown} /> : <p class="classes-wait" />}
    </section>);
};

/** Nothing where neither of the shown datasets has columns. */
export const Columns = (): JSX.Element => (
  <>
    {waysOf(facts.wanted).ways.length ? <Wanted /> : null}
    {waysOf(facts.causes).ways.length ? <Causes /> : null}
  </>);
