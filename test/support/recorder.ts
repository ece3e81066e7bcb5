import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { ask, converse, type Conversation } from './haproxy.ts';

/** One line and HAProxy's whole answer to it. */
export interface Exchange {
  readonly by: 'sidecar' | 'operator';
  readonly line: string;
  readonly answer: string;
  /** When the answer was whole, in monotonic milliseconds. */
  readonly at: number;
  /** What the test wanted to know at that moment (`note`). */
  readonly note: string | null;
}

/**
 * Stands between a sidecar and the Runtime API of a HAProxy, and writes down what passes. One exchange at a time, an
 * operator's too, so that the order here is the order in which HAProxy did it.
 */
export interface Recorder {
  /** Where the sidecar connects. */
  readonly socket: string;
  readonly exchanges: readonly Exchange[];
  /** An operator's line; the answer. */
  operate(line: string): Promise<string>;
  /** Called with each line of the sidecar before HAProxy gets it; `drop` = it never does. Replaces the one before. */
  before(gate: (line: string) => Promise<'drop' | undefined> | 'drop' | undefined): void;
  /** Called with each line of the sidecar that was carried out, before the sidecar hears the answer. */
  after(gate: (line: string) => Promise<void> | undefined): void;
  /** Takes both gates away, and drops the exchanges so far: a campaign of hours would hold them all. */
  clear(): void;
  /** Nothing of the sidecar's passes until `resume`. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/**
 * @param target HAProxy's admin socket
 * @param socket where to listen
 * @param note asked after each exchange
 */
export async function startRecorder(
  target: string,
  socket: string,
  note: () => string | null = () => null,
): Promise<Recorder> {
  const exchanges: Exchange[] = [];
  const open = new Set<Socket>();
  let last: Promise<unknown> = Promise.resolve();
  let passing: Promise<void> = Promise.resolve();
  let resume = (): void => undefined;
  let before: Parameters<Recorder['before']>[0] = () => undefined;
  let after: Parameters<Recorder['after']>[0] = () => undefined;

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    // The failure is reported; the next one has its turn all the same.
    last = turn.catch(() => undefined);
    return turn;
  };
  const exchange = async (
    by: Exchange['by'],
    line: string,
    carryOut = (one: string): Promise<string> => ask(target, one),
  ): Promise<string> => {
    const answer = await carryOut(line);
    exchanges.push({ by, line, answer, at: performance.now(), note: note() });
    return answer;
  };
  const pass = async (
    client: Socket,
    line: string,
    carryOut?: Conversation['ask'],
  ): Promise<string | null> => {
    await passing;
    if ((await before(line)) === 'drop' || client.destroyed) return null;
    const answer = await inTurn(() => exchange('sidecar', line, carryOut));
    await after(line);
    return answer;
  };
  /** What comes after `prompt` goes to one worker, whatever happens meanwhile. */
  const serveAtLength = async (client: Socket, lines: AsyncIterator<string>): Promise<void> => {
    const haproxy = await converse(target);
    try {
      client.write('\n> ');
      for (let line = await lines.next(); !line.done; line = await lines.next()) {
        const answer = await pass(client, line.value, (one) => haproxy.ask(one));
        if (answer === null) return;
        client.write(prompted(answer));
      }
    } finally {
      haproxy.end();
    }
  };
  const serve = async (client: Socket): Promise<void> => {
    const lines = createInterface({ input: client })[Symbol.asyncIterator]();
    const line = await lines.next();
    if (line.done) return;
    if (line.value === 'prompt') return serveAtLength(client, lines);
    const answer = await pass(client, line.value);
    if (answer !== null) client.end(answer);
  };

  const server = createServer((client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    // A sidecar that is killed resets its connections.
    client.on('error', () => client.destroy());
    // A HAProxy that is gone does not answer: the connection ends without a byte.
    serve(client).then(
      () => client.writableEnded || client.destroy(),
      () => client.destroy(),
    );
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    socket,
    exchanges,
    operate: (line) => inTurn(() => exchange('operator', line)),
    before: (gate) => void (before = gate),
    after: (gate) => void (after = gate),
    clear() {
      exchanges.length = 0;
      before = () => undefined;
      after = () => undefined;
    },
    pause() {
      passing = new Promise((resolve) => (resume = resolve));
    },
    resume: () => resume(),
    async close() {
      resume();
      for (const client of open) client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An answer as an interactive HAProxy gives it: with a prompt after each part. */
function prompted(answer: string): string {
  return answer.replaceAll(/(?<=^|\n)\n/g, '\n> ');
}

/**
 * Meets the first line of the sidecar that `isIt` picks, and holds it until `act` is over: `before` HAProxy gets it
 * (`drop` = it never does), or `after` it was carried out and before the sidecar hears the answer.
 */
export function meet(
  recorder: Recorder,
  when: 'before' | 'after',
  isIt: (line: string) => boolean,
  act: () => Promise<'drop' | void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const gate = async (line: string): Promise<'drop' | undefined> => {
      if (isOver || !isIt(line)) return undefined;
      isOver = true;
      const acted = act();
      acted.then(() => resolve(), reject);
      return (await acted) ?? undefined;
    };
    if (when === 'before') recorder.before(gate);
    else recorder.after(async (line) => void (await gate(line)));
  });
}
