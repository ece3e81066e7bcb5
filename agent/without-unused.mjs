// What bundle.mjs leaves out of packages: they load it at once, and lastcall never asks for it. Each byte of it would be parsed, and
// would count towards the size of the package.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(import.meta.url);
const NOTHING = 'module.exports = {};';
const NO_DEBUG = 'module.exports = () => () => undefined;';

/** By the package that asks: what it asks for, and what it is given. */
const UNUSED = {
  // A form as the body, whose table of media types is a tenth of the program, a proxy, other adapters than `http`, HTTP/2.
  axios: {
    'form-data': `export default class FormData { constructor() { throw new Error('lastcall sends no forms'); } }`,
    'https-proxy-agent': `export default class HttpsProxyAgent { constructor() { throw new Error('lastcall uses no proxy'); } }`,
    './fetch.js': 'export const getFetch = () => null;',
    './xhr.js': 'export default null;',
    http2: 'export default {};',
  },
  // It writes nothing where it finds none.
  'follow-redirects': { debug: 'module.exports = () => undefined;' },
  // For commands that are programs of their own; to load it costs 2 ms.
  commander: { 'node:child_process': NOTHING },
  // Traces of its own, with a table of all colours.
  winston: {
    '@dabh/diagnostics': NO_DEBUG,
    // Node's own streams, as that package gives them with READABLE_STREAM=disable.
    'readable-stream': `const Stream = require('node:stream');
      module.exports = { ...Stream, Stream };`,
  },
  'winston-transport': {
    'readable-stream/lib/_stream_writable.js': `module.exports = require('node:stream').Writable;`,
  },
  // For the measures of the process, which lastcall does not show.
  'prom-client': { '@opentelemetry/api': NOTHING },
};

/** The mere look at this global makes Node load its whole fetch: 20 ms of processor time in each process. */
const LOOKS_AT_FORMS = "typeof G.FormData !== 'undefined' ? G.FormData : undefined";

/** A plugin of esbuild. */
export const withoutUnused = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^/]|^\.\/(fetch|xhr)\.js$/ }, ({ path, importer, kind }) => {
      if (kind === 'entry-point') return undefined;
      const asker = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(importer)?.[1] ?? '';
      const contents = UNUSED[asker]?.[path];
      return contents === undefined
        ? undefined
        : { path: `${asker} ${path}`, namespace: 'unused', pluginData: contents };
    });
    onLoad({ filter: /.*/, namespace: 'unused' }, ({ pluginData }) => ({ contents: pluginData }));
    // As ES modules, of which the bundle has only what is used. The same code, but for traces that a variable turns on.
    onResolve({ filter: /^yaml$/ }, () => ({
      path: require.resolve('yaml').replace(/dist\/index\.js$/, 'browser/dist/index.js'),
    }));
    onLoad({ filter: /\/node_modules\/axios\/lib\/utils\.js$/ }, ({ path }) => {
      const parts = readFileSync(path, 'utf8').split(LOOKS_AT_FORMS);
      if (parts.length !== 2)
        throw new Error(`${path} looks at FormData in another way than without-unused.mjs knows`);
      return { contents: parts.join('undefined'), loader: 'js' };
    });
  },
};
