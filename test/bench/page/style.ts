/** The page's only style sheet: light, and dark where the reader's system is. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --page: #ffffff; --line: #d0d7de; --own: #1f6fd6;
  --peer: #a9b4c0; --limit: #b42318; --pass: #14713f; --noisy: #8a5a00; --c1: #c2410c; --c2: #0f8a5f; --c3: #8b3fc7; --c4: #8a6d00; --c5: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --page: #12161b; --line: #313a44; --own: #5ea4ff;
  --peer: #55616e; --limit: #ff7b6b; --pass: #4ac57f; --noisy: #e3b04b; --c1: #ff9a5c; --c2: #45c99a; --c3: #c48bff; --c4: #d9bd4f; --c5: #9aa5b1; } }
body { margin: 0 auto; max-width: 1120px; padding: 24px; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--page); }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 2px; } h3 { font-size: 14px; margin: 18px 0 2px; }
p { margin: 4px 0; } .soft, .how { color: var(--soft); font-size: 13px; } .how { display: block; overflow-wrap: anywhere; }
code { font: 13px/1.4 ui-monospace, monospace; } .warning { color: var(--noisy); font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 12px; } td, th { padding: 6px 10px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; } .verdict { font-weight: 600; white-space: nowrap; }
.pass { color: var(--pass); } .FAIL { color: var(--limit); } .noisy, .missing { color: var(--noisy); }
svg { max-width: 100%; height: auto; display: block; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); paint-order: stroke; stroke: var(--page); stroke-width: 3px; stroke-linejoin: round; }
.own { fill: var(--own); } .peer { fill: var(--peer); } .limit { stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 4 3; }
.spread { stroke: var(--ink); stroke-width: 1.2; fill: none; } .grid { stroke: var(--line); }
.line { fill: none; stroke-width: 2; } .c0 { stroke: var(--own); } .c1 { stroke: var(--c1); stroke-dasharray: 7 3; } .c2 { stroke: var(--c2); stroke-dasharray: 2 3; }
.c3 { stroke: var(--c3); stroke-dasharray: 10 3 2 3; } .c4 { stroke: var(--c4); stroke-dasharray: 5 5; } .c5 { stroke: var(--c5); }
`;
