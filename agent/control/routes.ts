import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Service } from '../engine/service.ts';
import { isLastcallError, messageOf } from '../system/error.ts';
import { randomId } from '../system/random-id.ts';
import type { ApiProblem } from './protocol.ts';
import { parseRequest } from './parse-request.ts';
import { parseUnlock } from './parse-unlock.ts';
import { readBody } from './read-body.ts';

/** What the control socket answers (API.md#control-socket). */

/** What a route needs. `stream` turns the answer into a stream of events. */
export interface RoutePorts {
  readonly service: Service;
  /** Resolves once the running operations are known: one that is being resumed is not unknown. */
  readonly ready: Promise<void>;
  readonly stream: (response: ServerResponse) => void;
}

interface RouteAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** One exchange with its path taken apart. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
}

/** Answers, or has taken the response over and answers nothing (null). */
type Handler = (ports: RoutePorts, exchange: Exchange) => Promise<RouteAnswer> | RouteAnswer | null;

interface Route {
  /** `ID` is replaced by the id of an operation. */
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
}

const ROUTES: readonly Route[] = [
  { path: '/v1/status', methods: { GET: ({ service }) => ({ status: 200, body: service.status() }) } },
  {
    path: '/v1/holders',
    methods: { GET: async ({ service }) => ({ status: 200, body: await service.holders() }) },
  },
  {
    path: '/v1/pool',
    methods: { GET: async ({ service }) => ({ status: 200, body: await service.pool() }) },
  },
  { path: '/v1/operations', methods: { POST: submit } },
  { path: '/v1/unlock', methods: { POST: unlock } },
  { path: '/v1/operations/ID', methods: { GET: operation, DELETE: cancel } },
  {
    path: '/v1/events',
    methods: {
      GET: ({ stream }, { response }) => {
        stream(response);
        return null;
      },
    },
  },
];

/** Every method and path that is answered, such as `GET /v1/status`: the list that API.md describes. */
export const ENDPOINTS: readonly string[] = ROUTES.flatMap(({ path, methods }) =>
  Object.keys(methods).map((method) => `${method} ${path}`),
);

const PATTERNS = ROUTES.map(({ path, methods }) => ({
  pattern: new RegExp(`^${path.replace('/ID', '/(?<id>[\\w.:-]{1,128})')}$`),
  methods,
}));

/** Answers one request; never throws, an error of the service is a 500 that names it. */
export async function route(
  ports: RoutePorts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const answer = await dispatch(ports, request, response);
    if (answer !== null) reply(response, answer);
  } catch (error) {
    reply(response, { status: 500, body: problemOf(error) });
  }
}

async function dispatch(
  ports: RoutePorts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<RouteAnswer | null> {
  const url = request.url ?? '';
  const [path = ''] = url.split('?', 1);
  for (const { pattern, methods } of PATTERNS) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const handler = Object.hasOwn(methods, request.method ?? '') ? methods[request.method ?? ''] : undefined;
    // A `dryRun` that was put there would be left out in silence.
    if (handler !== undefined && path !== url)
      return problem(400, 'no query is read here: the body has what is asked for');
    if (handler !== undefined) return handler(ports, { request, response, id: match.groups?.['id'] ?? '' });
    response.setHeader('allow', Object.keys(methods).join(', '));
    return problem(405, `${request.method} is not possible here`);
  }
  return problem(404, `no such path; there are ${ROUTES.map(({ path: known }) => known).join(', ')}`);
}

async function submit({ service }: RoutePorts, { request }: Exchange): Promise<RouteAnswer> {
  const read = await readBody(request, (body) => parseRequest(body, randomId()));
  if (!read.ok) return problem(read.status, read.message);
  const submitted = await service.submit(read.value);
  if (submitted.accepted) {
    const { accepted: _accepted, ...answer } = submitted;
    return { status: 202, body: answer };
  }
  return { status: submitted.result.ok ? 200 : 409, body: submitted.result };
}

async function unlock({ service }: RoutePorts, { request }: Exchange): Promise<RouteAnswer> {
  const read = await readBody(request, parseUnlock);
  if (!read.ok) return problem(read.status, read.message);
  const freed = await service.unlock(read.value);
  return { status: freed.ok ? 200 : 409, body: freed };
}

async function operation({ service, ready }: RoutePorts, { id }: Exchange): Promise<RouteAnswer> {
  await ready;
  const result = service.result(id);
  if (result === undefined) return problem(404, `operation ${id} is unknown (or ended too long ago)`);
  return { status: 200, body: result === 'running' ? { state: 'running' } : { state: 'ended', result } };
}

async function cancel({ service, ready }: RoutePorts, { id }: Exchange): Promise<RouteAnswer> {
  await ready;
  const answer = service.cancel(id, 'control');
  switch (answer) {
    case 'cancelling':
      return { status: 202, body: { id } };
    case 'unknown':
      return problem(404, `operation ${id} is not running`);
    case 'too-late':
      return problem(409, `operation ${id} cannot be cancelled any more: the stop has been issued`, 'busy');
  }
}

function problem(status: number, message: string, code = 'usage'): RouteAnswer {
  return { status, body: { code, message } satisfies ApiProblem };
}

function problemOf(error: unknown): ApiProblem {
  return { code: isLastcallError(error) ? error.code : 'failed', message: messageOf(error) };
}

/** Sends an answer; a caller who has left in the meantime gets none. */
function reply(response: ServerResponse, { status, body }: RouteAnswer): void {
  if (response.headersSent || response.destroyed) return;
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
