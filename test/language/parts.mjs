// What language.mjs reads of a file: its comments, its names, its texts, the prose of a page. Each with its line.

const COMMENT = String.raw`\/\*[\s\S]*?\*\/|\/\/.*$`;
const QUOTED = String.raw`'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"`;
const TEMPLATE = String.raw`\`(?:[^\`\\]|\\[\s\S])*\``;

/** The comment lines of a script or of a sample. */
export function commentsOf(text, file) {
  const isScript = /\.(?:ts|mjs)$/.test(file);
  return text
    .split('\n')
    .map((line, index) => [index + 1, line.trim()])
    .filter(([at, line]) => (isScript ? /^(?:\/\/|\/?\*)/.test(line) : at > 1 && line.startsWith('#')))
    .map(([at, line]) => [at, line.replace(/^(?:\/\*\*?|\*\/|\/\/|\*|#)\s*/, '').replace(/\s*\*\/$/, '')]);
}

/** The names in the code of a script, without its comments and texts. */
export function namesOf(text) {
  const code = text.replaceAll(new RegExp(`${COMMENT}|${QUOTED}`, 'gm'), '');
  return new Set(code.match(/[A-Za-z_$][\w$]*/g));
}

/** The string literals of a script, without what a template takes in and what stands in backticks. */
export function textsOf(text) {
  const parts = text.matchAll(new RegExp(`${COMMENT}|${QUOTED}|${TEMPLATE}`, 'gm'));
  return [...parts]
    .filter(([part]) => !part.startsWith('/'))
    .map(({ 0: part, index }) => [
      text.slice(0, index).split('\n').length,
      part
        .slice(1, -1)
        .replaceAll(/\$\{[^}]*\}/g, '')
        .replaceAll(/\\?`[^`]*`/g, ''),
    ]);
}

/** The lines of a page, without its blocks of code, what stands in backticks, and where its links lead. */
export function proseOf(text) {
  let isCode = false;
  return text.split('\n').flatMap((line, index) => {
    const isFence = /^\s*(?:```|~~~)/.test(line);
    if (isFence) isCode = !isCode;
    if (isFence || isCode) return [];
    const plain = line.replaceAll(/`[^`]*`/g, '').replaceAll(/\]\([^)]*\)/g, ']');
    return [[index + 1, plain.replaceAll(/https?:\S+/g, '')]];
  });
}
