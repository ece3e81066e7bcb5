// Makes dist/bundle: the program with all of its packages in a few files that need nothing but Node. The npm package
// ships it, and the tests start it. Why a few files and not one: agent/ARCHITECTURE.md.
import { build } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commonJsName, toCommonJs } from './common-js.mjs';
import { withoutStubs } from './without-stubs.mjs';
import { withoutUnused } from './without-unused.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const OUT = join(ROOT, 'dist', 'bundle');
const MAIN = 'agent/main.ts';
/** The module that every command loads: `status` of a sidecar needs no more. */
const FIRST = 'agent/cli/program.ts';
/** The module that every command loads next, but those that `cli/plain-line.ts` reads. */
const SECOND = 'agent/cli/parse.ts';
/** What `check` loads in place of the second part. */
const WITHOUT_SECOND = ['agent/cli/check.ts', 'agent/config/load.ts'];
/**
 * What later parts share and is smaller than this, in bytes, is in the second part, or in the first where it is needed
 * without the second: a file of its own costs more.
 */
const SMALL = 4_000;
/** The import of a part of which no name is used. */
const NOTHING_IMPORTED = /import"\.{1,2}\/(?:code\/)?([\w-]+\.mjs)";/g;

/**
 * Lets each part that is loaded later import what commands have loaded by then. Without it esbuild writes one more file
 * for each set of parts that share a module: twice as many.
 * @param small modules of agent/: the first and the second part have them and what they import
 */
const twoCommonParts = (small) => ({
  name: 'two-common-parts',
  setup({ onResolve, onLoad }) {
    const [main, first, second] = [MAIN, FIRST, SECOND].map((module) => join(ROOT, module));
    const withImports = new Set([main, first, second]);
    const importsOf = (path) => {
      if (path === main) return [FIRST];
      if (path === first) return small.first;
      if (path === second) return [FIRST, ...small.second];
      return WITHOUT_SECOND.some((one) => path === join(ROOT, one)) ? [FIRST] : [FIRST, SECOND];
    };
    onResolve({ filter: /^\.\.?\// }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined;
      const file = resolve(resolveDir, path);
      withImports.add(file);
      return { path: file };
    });
    onLoad({ filter: /\/agent\/.*\.ts$/ }, ({ path }) => {
      if (!withImports.has(path)) return undefined;
      const more = importsOf(path).map((module) => `import ${JSON.stringify(join(ROOT, module))};`);
      return { contents: [readFileSync(path, 'utf8'), ...more, ''].join('\n'), loader: 'ts' };
    });
  },
});

const { version } = readJson(join(ROOT, 'package.json'));
const { outputFiles, metafile } = await bundle(smallOnes((await bundle({ first: [], second: [] })).metafile));
const helpers = partsWithoutModule(metafile);
const needed = withoutStubs(outputFiles.filter(({ text }) => text.trim() !== ''));
const parts = await Promise.all(
  needed.map(async ({ path, text }) => ({
    name: commonJsName(path.slice(OUT.length + 1)),
    contents: await toCommonJs(
      text.replaceAll(NOTHING_IMPORTED, (all, name) => (helpers.has(name) ? '' : all)),
    ),
  })),
);
install([...parts, { name: 'THIRD-PARTY.txt', contents: notices(Object.keys(metafile.inputs)) }]);
// What is loaded when, for test/package.test.ts; not shipped.
const { inputs, outputs } = metafile;
const files = Object.entries(outputs)
  .filter(([name]) => needed.some(({ path }) => path === join(ROOT, name)))
  .map(([name, output]) => [commonJsName(name), output]);
writeFileSync(
  join(ROOT, 'dist', 'bundle.json'),
  JSON.stringify({ inputs, outputs: Object.fromEntries(files) }),
);

function bundle(small) {
  return build({
    absWorkingDir: ROOT,
    entryPoints: [{ in: MAIN, out: 'lastcall' }],
    outdir: OUT,
    outExtension: { '.js': '.mjs' },
    // Named by their content, and sorted before lastcall.cjs: dpkg puts that one in place when all that it loads is there.
    chunkNames: 'code/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // Names of functions stay, so that a stack trace names what the sources name; common-js.mjs shortens the others. esbuild
    // shortens all, with `keepNames` to give each function its name back as it is loaded: 10 ms more at each start.
    minifyWhitespace: true,
    minifySyntax: true,
    // They stand in THIRD-PARTY.txt, whole.
    legalComments: 'none',
    define: { LASTCALL_VERSION: JSON.stringify(version) },
    plugins: [twoCommonParts(small), withoutUnused],
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
}

/** The modules of ours in small files that are there only because several parts share them, by the part that gets them. */
function smallOnes({ outputs }) {
  const needing = Object.values(outputs).filter(({ entryPoint }) =>
    [MAIN, ...WITHOUT_SECOND].includes(entryPoint),
  );
  const early = new Set(needing.flatMap(({ imports }) => imports.map(({ path }) => path)));
  const small = Object.entries(outputs).filter(
    ([, { bytes, entryPoint }]) => entryPoint === undefined && bytes < SMALL,
  );
  const modulesOf = (isEarly) =>
    small
      .filter(([name]) => early.has(name) === isEarly)
      .flatMap(([, { inputs }]) => Object.keys(inputs))
      .filter((input) => input.startsWith('agent/'));
  return { first: modulesOf(true), second: modulesOf(false) };
}

/** The file names of the parts that hold esbuild's own functions alone: to load one has no effect. */
function partsWithoutModule({ outputs }) {
  const found = Object.entries(outputs).filter(
    ([, { inputs, entryPoint }]) => entryPoint === undefined && Object.keys(inputs).length === 0,
  );
  return new Set(found.map(([name]) => basename(name)));
}

/** Puts a whole directory in place, so that no file of an older build is left and a build that fails changes nothing. */
function install(files) {
  const [made, old] = [`${OUT}.new`, `${OUT}.old`];
  for (const path of [made, old]) rmSync(path, { recursive: true, force: true });
  mkdirSync(join(made, 'code'), { recursive: true });
  for (const { name, contents } of files) {
    writeFileSync(join(made, name), contents, { mode: name === 'lastcall.cjs' ? 0o755 : 0o644 });
  }
  try {
    renameSync(OUT, old);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  renameSync(made, OUT);
  rmSync(old, { recursive: true, force: true });
}

/**
 * The licence of each package of which the bundle has a part.
 * @throws Error for a package that shows none
 */
function notices(inputs) {
  const packages = inputs.map((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  const texts = [...new Set(packages)].filter((folder) => folder !== undefined).map(notice);
  return `lastcall contains parts of these packages.\n\n${texts.toSorted().join('\n')}`;
}

function notice(folder) {
  const { name, version: itsVersion } = readJson(join(ROOT, folder, 'package.json'));
  const files = readdirSync(join(ROOT, folder)).filter((entry) => /^(licen[cs]e|notice)/i.test(entry));
  const texts = files.map((file) => readFileSync(join(ROOT, folder, file), 'utf8').trim());
  // Some have it at the end of their README only.
  if (texts.length === 0) {
    texts.push(
      /^#* ?licen[cs]e\b.*/ims.exec(readFileSync(join(ROOT, folder, 'README.md'), 'utf8'))?.[0].trim(),
    );
  }
  if (texts[0] === undefined) throw new Error(`${folder} shows no licence`);
  return `${'='.repeat(80)}\n${name} ${itsVersion}\n\n${texts.join('\n\n')}\n`;
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}
