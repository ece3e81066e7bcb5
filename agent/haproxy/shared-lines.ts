import { setImmediate as turn } from 'node:timers/promises';
import { batch, partsOf, type Command } from './command.ts';
import type { Reply } from './reply.ts';
import type { SendCommand } from './server-reader.ts';

/**
 * The questions that are asked at one time about many servers, several in one line: a node in 300 backends would cost 300
 * connections otherwise, one after another.
 */

/** HAProxy takes a line as long as its buffer (`tune.bufsize`, 16 kB by default, and hardly ever below 4 kB). */
const MOST_LINE_BYTES = 2_000;
/** A row of statistics has 3 kB with its header: such a line has an answer of 200 kB. */
const MOST_PARTS = 64;

interface QueuedCommand {
  readonly command: Command;
  readonly answer: (reply: Reply) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Reads each item, all at one time.
 * @param ask one exchange for each call
 * @param read asks with what it is given
 * @throws what the first item that failed threw, once all are done
 */
export async function readEach<Item, Found>(
  ask: SendCommand,
  items: Iterable<Item>,
  read: (ask: SendCommand, item: Item) => Promise<Found>,
): Promise<Found[]> {
  const shared = createSharedLines(ask);
  const all = await Promise.allSettled([...items].map((item) => read(shared, item)));
  return all.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/**
 * A way to ask that puts into one line what is asked before the event loop turns; a command that is in it twice (`show
 * info`) is sent once. Lines follow one another, so that one of HAProxy's ten connections is in use.
 * @param ask one exchange for each call
 */
function createSharedLines(ask: SendCommand): SendCommand {
  let open: QueuedCommand[] = [];
  let last: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await turn();
    const lines = linesOf(open);
    open = [];
    for (const line of lines) {
      const before = last;
      last = before.then(() => askLine(ask, line));
    }
  };
  return (command) =>
    new Promise((answer, fail) => {
      open.push({ command, answer, fail });
      if (open.length === 1) void flush();
    });
}

interface Line {
  readonly questions: QueuedCommand[];
  /** Its commands by their text, each once. */
  readonly parts: Map<string, Command>;
  bytes: number;
}

/** The questions, in as few lines as their length allows. */
function linesOf(questions: readonly QueuedCommand[]): readonly Line[] {
  const lines: Line[] = [];
  for (const question of questions) {
    const parts = partsOf(question.command);
    let line = lines.at(-1);
    const more = parts.filter((part) => line?.parts.has(part.line) !== true);
    const bytes = more.reduce((sum, part) => sum + part.line.length + 1, 0);
    if (!line || line.bytes + bytes > MOST_LINE_BYTES || line.parts.size + more.length > MOST_PARTS) {
      line = { questions: [], parts: new Map(), bytes: 0 };
      lines.push(line);
    }
    for (const part of parts) if (!line.parts.has(part.line)) line.bytes += part.line.length + 1;
    for (const part of parts) line.parts.set(part.line, part);
    line.questions.push(question);
  }
  return lines;
}

async function askLine(ask: SendCommand, { questions, parts }: Line): Promise<void> {
  try {
    const shared = questions.length === 1 ? null : await together(ask, parts);
    // Each alone where it cannot be seen which answer is whose.
    for (const { command, answer } of questions) answer(shared?.(command) ?? (await ask(command)));
  } catch (error) {
    for (const { fail } of questions) fail(error);
  }
}

/** @returns the reply to each command of the line; null where the answers cannot be told apart: some messages have no blank line after them */
async function together(
  ask: SendCommand,
  parts: ReadonlyMap<string, Command>,
): Promise<((command: Command) => Reply) | null> {
  const whole = await ask(batch(...parts.values()));
  const answers = whole.text.split('\n\n');
  if (answers.pop() !== '' || answers.length !== parts.size) return null;
  const byPart = new Map([...parts.keys()].map((line, at) => [line, answers[at] ?? '']));
  return (command) => {
    const own = partsOf(command).map(({ line }) => `${byPart.get(line) ?? ''}\n\n`);
    return { ...whole, command, text: own.join('') };
  };
}
