"""The one style sheet of these pages, which look like the report: light and dark as the system is."""

from gapscope.report.palette import DARK, LIGHT

_LIGHT = (
    "--ground:#fafaf8;--surface:#fff;--inset:#f1f2f0;--text:#15181c;--quiet:#59626c;--rule:#dfe2e4;--focus:#0072b2;"
    "--bad:#a33c00;--good:#006b4c"
)
_DARK = (
    "--ground:#0e1114;--surface:#15191e;--inset:#1c2127;--text:#e9ecef;--quiet:#9aa5b0;--rule:#2a3037;--focus:#6cb8ee;"
    "--bad:#f09460;--good:#3fcf9f"
)


def _palette(colors: tuple[str, ...]) -> str:
    return ";".join(f"--dataset-{number}:{color}" for number, color in enumerate(colors))


_DATASETS = "\n".join(f".dataset-{number} {{ --color: var(--dataset-{number}); }}" for number in range(len(LIGHT)))

STYLE = f"""
:root {{ color-scheme: light dark; {_LIGHT};{_palette(LIGHT)}; }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK};{_palette(DARK)}; }} }}
{_DATASETS}
*, *::before, *::after {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; }}
body {{
  margin: 0; background: var(--ground); color: var(--text); font-variant-numeric: tabular-nums;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}}
main {{ padding: 22px clamp(16px, 2.6vw, 48px) 48px; max-width: 1640px; margin: 0 auto; overflow-wrap: anywhere; }}
h1, h2, h3, p, dl, dd, figure {{ margin: 0; padding: 0; }}
h1 {{ font-size: clamp(26px, 3vw, 40px); line-height: 1.15; font-weight: 650; letter-spacing: -0.022em; }}
h2 {{ font-size: 20px; line-height: 1.3; font-weight: 620; letter-spacing: -0.012em; }}
h3 {{ font-size: 16px; line-height: 1.35; font-weight: 620; }}
section {{ margin-top: 44px; }}
section section {{ margin-top: 24px; }}
.lead {{ margin-top: 12px; max-width: 84ch; font-size: clamp(17px, 1.35vw, 20px); line-height: 1.45; }}
.lead + .lead {{ margin-top: 6px; }}
.quiet {{ color: var(--quiet); font-weight: 400; }}
.caption {{ margin-top: 4px; max-width: 90ch; font-size: 14px; color: var(--quiet); }}
.notes {{ margin: 14px 0 0; padding: 10px 14px 10px 30px; max-width: 100ch; font-size: 14px; }}
.notes {{ border: 1px solid var(--rule); border-radius: 8px; background: var(--surface); }}
.worse {{ color: var(--bad); font-weight: 620; }}
.better {{ color: var(--good); font-weight: 620; }}
.tag {{ display: inline-flex; align-items: baseline; gap: 0.4em; max-width: 100%; }}
.swatch {{ flex: none; align-self: center; width: 0.72em; height: 0.72em; fill: var(--color); }}
.sides {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 16px 20px; }}
.sides > * {{ min-width: 0; }}

.scroller {{ overflow-x: auto; margin-top: 12px; border: 1px solid var(--rule); border-radius: 10px; }}
.scroller {{ background: var(--surface); overflow-wrap: normal; }}
.scroller:focus-visible, summary:focus-visible {{ outline: 2px solid var(--focus); outline-offset: 2px; }}
.newest-first {{ direction: rtl; }}
.newest-first > * {{ direction: ltr; }}
table {{ width: 100%; border-collapse: separate; border-spacing: 0; font-size: 13px; line-height: 1.4; }}
caption {{ padding: 10px 12px 6px; text-align: left; font-size: 14px; font-weight: 620; }}
th, td {{ padding: 7px 8px; text-align: left; vertical-align: middle; border-bottom: 1px solid var(--rule); }}
th {{ font-weight: 400; }}
thead th {{ color: var(--quiet); vertical-align: bottom; }}
tbody th {{ font-weight: 560; }}
tr > th:first-child {{ position: sticky; left: 0; z-index: 1; background: var(--surface); min-width: 44px; }}
tbody:last-child tr:last-child > * {{ border-bottom: 0; }}
.number {{ text-align: right; white-space: nowrap; }}
.words {{ min-width: 72px; }}
td .interval {{ color: var(--quiet); font-size: 12px; }}

svg.chart {{ display: block; overflow: visible; }}
.spark {{ width: 150px; height: 36px; }}
.dumbbell {{ width: 208px; height: 34px; }}
.chart .base {{ stroke: var(--rule); stroke-width: 1; }}
.chart .band {{ fill: var(--color); fill-opacity: 0.2; stroke: none; }}
.chart .line {{ fill: none; stroke: var(--color); stroke-width: 1.6; stroke-linejoin: round; }}
.chart .whisker {{ stroke: var(--color); stroke-width: 1.6; opacity: 0.65; }}
.chart .dot {{ fill: var(--color); }}
.chart .hollow {{ fill: var(--surface); stroke: var(--color); stroke-width: 1.8; }}
.chart .hit {{ fill: var(--text); fill-opacity: 0; }}
.chart g:hover > .hit {{ fill-opacity: 0.08; }}

.cards {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 600px), 1fr)); gap: 14px; }}
.cards {{ margin-top: 14px; align-items: start; }}
.card {{ display: grid; gap: 10px; padding: 14px 16px; border: 1px solid var(--rule); border-radius: 10px; }}
.card {{ background: var(--surface); min-width: 0; }}
.card h3 {{ font-size: 20px; font-weight: 640; letter-spacing: -0.012em; }}
.card-head {{ display: grid; gap: 1px; font-size: 14px; line-height: 1.4; }}
.verdict {{ display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; }}
.before-after {{ display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }}
.before-after > * {{ display: grid; gap: 6px; align-content: start; min-width: 0; }}
.side-title {{ font-size: 13px; font-weight: 620; }}
.share {{ font-size: 24px; line-height: 1.1; font-weight: 650; letter-spacing: -0.02em; }}
.small {{ font-size: 12px; color: var(--quiet); }}
.strip {{ display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 5px; }}
.picture {{ display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; }}
.picture {{ background: var(--inset); }}
.no-picture {{ display: grid; place-items: center; aspect-ratio: 1; padding: 2px; border: 1px dashed var(--quiet); }}
.no-picture {{ border-radius: 6px; font-size: 11px; line-height: 1.2; text-align: center; color: var(--quiet); }}
.advice {{ font-size: 14px; line-height: 1.45; }}
details {{ margin-top: 14px; }}
summary {{ cursor: pointer; font-weight: 560; }}

.visually-hidden {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
.visually-hidden {{ white-space: nowrap; padding: 0; }}
.key {{ min-width: 112px; }}
.once {{ white-space: nowrap; }}
th .small {{ font-weight: 400; }}
.timeline {{ width: auto; min-width: 100%; }}
.timeline thead th.version {{ padding: 8px 2px; vertical-align: bottom; text-align: center; }}
.timeline .version span {{
  display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 130px; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis; font-size: 12px;
}}
.timeline tbody th {{ vertical-align: top; }}
.timeline td {{ vertical-align: top; padding: 10px 2px 6px; min-width: 56px; text-align: center; }}
.timeline td {{ font-size: 11px; line-height: 1.25; }}
.timeline td.fill, .timeline thead th.fill {{ width: 100%; min-width: 0; padding: 0; }}
.timeline .cell {{ display: grid; justify-items: center; gap: 2px; }}
.timeline .box {{ display: grid; place-items: center; width: 26px; height: 26px; }}
.timeline .square {{
  width: calc(26px * var(--side)); height: calc(26px * var(--side)); background: var(--color); border-radius: 2px;
}}
.timeline .event {{ font-weight: 620; font-size: 10.5px; }}
.timeline.many td {{ min-width: 23px; padding: 10px 1px 6px; font-size: 10px; letter-spacing: -0.02em; }}
.timeline.many .box {{ width: 21px; height: 21px; }}
.timeline.many .square {{ width: calc(21px * var(--side)); height: calc(21px * var(--side)); }}
.timeline.many .event {{ writing-mode: vertical-rl; transform: rotate(180deg); letter-spacing: 0; }}
.kind-row {{ display: grid; grid-template-columns: 48px minmax(0, 1fr); gap: 10px; align-items: center; width: 250px; }}
.many .kind-row {{ width: 180px; }}
.kind-row .name {{ font-size: 14px; line-height: 1.3; }}
.kind-row .picture, .kind-row .no-picture {{ width: 48px; }}

@media (max-width: 700px) {{
  section {{ margin-top: 34px; }}
  .before-after {{ grid-template-columns: minmax(0, 1fr); }}
  .kind-row, .many .kind-row {{ width: 126px; grid-template-columns: 36px minmax(0, 1fr); gap: 7px; }}
  .kind-row .picture, .kind-row .no-picture {{ width: 36px; }}
  .kind-row .no-picture {{ font-size: 0; }}
  th, td {{ padding: 6px 8px; }}
}}
@media print {{ .scroller {{ overflow: visible; }} .card {{ break-inside: avoid; }} }}
"""
"""The style sheet. `.dataset-N` sets `--color` to the color of dataset number N."""
