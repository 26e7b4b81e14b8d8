// The command that takes a kind or a list out of the run, to copy.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { facts } from "../data/facts.ts";

/** A word of a command as a shell reads it. */
export const shellWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Such a command; `what` names the list, such as `--kind K1`. */
export const exportCommand = (what: string): string => `gapscope export ${shellWord(facts.run)} --to coco ${what} --pick 50`;

export const ExportCommand = ({ what, of }: { what: string; of: string }): JSX.Element => {
  const [answer, setAnswer] = useState("");
  const command = exportCommand(what);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(command);
      setAnswer("Copied");
    } catch {
      setAnswer("Copy it by hand: this browser gives a page no clipboard.");
    }
  };
  return (
    <details class="export-command">
      <summary>How to get these out<span class="visually-hidden">: {of}</span></summary>
      <p class="quiet">A varied 50 of them as COCO, to label or to render next. Other forms: yolo, cvat, label-studio, fiftyone.</p>
      <p class="command"><code>{command}</code> <button type="button" class="plain" onClick={() => void copy()}>Copy</button> <span class="quiet" role="status">{answer}</span></p>
    </details>);
};
