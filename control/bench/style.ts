/** How the report looks: light and dark by the reader's system, from a phone to a wide screen, and on paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1b252d; --faint: #5a6872; --line: #d5dde2; --card: #f5f8f9;
  --better: #0a6b41; --worse: #a3201c; --same: #4a5862;
  --bar0: #8fa6b2; --bar1: #12877f; --bar2: #6b62c9; --bar3: #b4680f; --bar4: #9d3f80; --dot: #1b252d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12181d; --text: #e4ebef; --faint: #9aaab4; --line: #2f3b44; --card: #1a2329;
    --better: #5fd39b; --worse: #ff8f86; --same: #b3c1ca;
    --bar0: #5f7683; --bar1: #1f9c93; --bar2: #8079dd; --bar3: #c67c24; --bar4: #bb5a9c; --dot: #f2f6f8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 66rem; padding: 1.5rem 1rem 4rem;
  background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, "DejaVu Sans", Verdana, sans-serif;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; }
ul { margin: .4rem 0; padding-left: 1.25rem; }
li { overflow-wrap: anywhere; }
.faint { color: var(--faint); }
.verdicts { list-style: none; padding: 0; }
.verdicts li { padding: .5rem .75rem; margin: .35rem 0; background: var(--card); border-radius: 6px; }
.mark { font-weight: 600; border: 1px solid currentColor; border-radius: 4px; padding: 0 .4rem; white-space: nowrap; }
.better { color: var(--better); }
.worse { color: var(--worse); }
.same { color: var(--same); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1.25rem; margin: 1rem 0 1.5rem; }
.chart { width: 100%; height: auto; background: var(--card); border-radius: 6px; padding: .6rem .75rem; }
.chart text { fill: var(--text); font: 12px system-ui, "DejaVu Sans", Verdana, sans-serif; }
.chart .title { font-weight: 600; font-size: 13px; }
.chart .faint { fill: var(--faint); }
.bar0 { fill: var(--bar0); } .bar1 { fill: var(--bar1); } .bar2 { fill: var(--bar2); }
.bar3 { fill: var(--bar3); } .bar4 { fill: var(--bar4); }
.range { stroke: var(--dot); stroke-width: 1.2; }
.dot { fill: var(--dot); fill-opacity: .65; stroke: var(--back); stroke-width: .8; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--bar1); }
table { border-collapse: collapse; font-size: 13.5px; margin: .25rem 0; }
th, td { text-align: left; padding: .22rem .7rem .22rem 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
th { color: var(--faint); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; padding: .2rem 0; }
@media print { .chart, .verdicts li { break-inside: avoid; } }
`;
