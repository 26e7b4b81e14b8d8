// The classes: whether training on one dataset serves on the other, and how large the gap of every class is.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ClassRow, Classes as ClassesOnPage } from "../data/classes.ts";
import { loadClassRows, loadClasses } from "../data/classes.ts";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { readingSuffix } from "../data/numbers.ts";
import { counted } from "../format.ts";
import { fail, levelNumber, pair, reading } from "../state/state.ts";
import { ClassTable } from "./classes/ClassTable.tsx";
import { Probes } from "./classes/Probes.tsx";
import { Directions } from "./Directions.tsx";
import { useNear } from "./useNear.ts";
import { Word } from "./Word.tsx";

interface Loaded {
  of: string;
  classes: ClassesOnPage;
  rows: ClassRow[][];
}

const Table = (): JSX.Element => {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [level, own] = [levelNumber.value, reading.value];
  useEffect(() => {
    let isWanted = true;
    Promise.all([loadClasses(), loadClassRows(level, own)]).then(([classes, rows]) => {
      if (isWanted) setLoaded({ of: `${level} ${own}`, classes, rows });
    }).catch(fail);
    return () => { isWanted = false; };
  }, [level, own]);
  if (!loaded) return <p class="classes-wait" />;
  const rows = loaded.rows[pair.value];
  const [query] = facts.pairs[pair.value];
  if (!rows.length) return <p class="quiet"><bdi>{datasetName(query)}</bdi> has no classes.</p>;
  return <ClassTable classes={loaded.classes} rows={rows} isStale={loaded.of !== `${level} ${own}`} />;
};

/** Nothing where the run has no classes. */
export const Classes = (): JSX.Element | null => {
  const [element, isNear] = useNear<HTMLElement>();
  return (
    <section ref={element} id="classes" aria-labelledby="classes-title" tabIndex={-1}>
      <h2 id="classes-title">Classes</h2>
      {bothWays(pair.value).some((own) => facts.probes[own]) ? <Probes /> : null}
      <div class="section-head">
        <h3 class="section-sub">{counted(facts.classes!, "class", "classes")} at {facts.levels[levelNumber.value].name}{readingSuffix(reading.value)}</h3>
        <Directions name="classes" ways={bothWays(pair.value)} shown={pair.value} />
      </div>
      <p class="quiet">
        How large the <Word id="class-gap">gap</Word> of every <Word id="class">class</Word> is, with its 95% <Word id="interval">interval</Word>. A
        click on a class selects its images.
      </p>
      {isNear ? <Table /> : <p class="classes-wait" />}
    </section>);
};
