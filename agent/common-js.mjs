// The second half of bundle.mjs: makes CommonJS of what esbuild has split into parts, which it can do for ES modules only.
// Node reads its loader of ES modules at each start that needs it, and gives such a module every export of a module of its
// own at once: `import { open } from 'node:fs'` loads streams and promises, too. That was a fifth of what `lastcall status`
// takes beyond `node -e 0` (agent/ARCHITECTURE.md).
import { transform } from '@swc/core';

/** @param names variables that keep their names */
const optionsOf = (names) => ({
  configFile: false,
  swcrc: false,
  isModule: true,
  minify: true,
  jsc: {
    target: 'es2023',
    parser: { syntax: 'ecmascript' },
    // Parameters and variables inside of functions get short names: V8 reads a fifth less at each start.
    minify: {
      compress: false,
      mangle: { toplevel: false, keep_fnames: true, keep_classnames: true, reserved: names },
    },
    // One character beyond Latin-1, and V8 keeps the whole text with two bytes for each.
    output: { charset: 'ascii' },
  },
  // `lazy`: a module of Node's own is loaded where it is used first.
  module: { type: 'commonjs', lazy: true, ignoreDynamic: false },
});
/** A variable that is a function: a stack trace shows its name, so it keeps it. */
const FUNCTION_VARIABLE = /([\w$]+)=(?:async ?)?(?:\([^()]*\)=>|[\w$]+=>|function\b)/g;
const PATH_OF_PART = /(["'])(\.{1,2}\/[\w/-]+)\.mjs\1/g;

/** The name of the CommonJS file of an ES module. */
export const commonJsName = (name) => name.replace(/\.mjs$/, '.cjs');

/**
 * Makes one part of the bundle CommonJS.
 * @param text esbuild's output; its paths of other parts end in .mjs
 */
export async function toCommonJs(text) {
  const names = new Set([...text.matchAll(FUNCTION_VARIABLE)].map(([, name]) => name));
  const { code } = await transform(
    text.replaceAll(PATH_OF_PART, (_, quote, path) => `${quote}${path}.cjs${quote}`),
    optionsOf([...names]),
  );
  return code;
}
