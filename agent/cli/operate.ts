import type { RequestBody } from '../control/protocol.ts';
import type { OperationKind } from '../lifecycle/model/api.ts';
import { createLocalClient } from './local-client.ts';
import { readDirect } from './direct-options.ts';
import { printableClient } from './view/printable.ts';
import {
  isRebootBegun,
  type OperationClient,
  type ProgressListener,
  waitForResult,
} from './wait-for-result.ts';
import { listenForInterrupts } from './interrupt.ts';
import { interrupted, type KnownSoFar } from './view/interrupted.ts';
import type { VerbOptions } from './options.ts';
import { askUntilDone } from './ask-until-done.ts';
import type { Context } from './ports.ts';
import { createSubstitute, type LocalEngines } from './open-substitute.ts';
import { createProgress } from './view/progress.ts';
import { reportResult, unfinished } from './view/result.ts';
import { findSidecar } from './find-sidecar.ts';
import { checkBody, toRequestBody } from './request-body.ts';

/**
 * drain, stop, ready, restart, reboot: by the sidecar, or in this process with `--haproxy`.
 * @returns the exit code
 * @throws LastcallError whatever ends it before there is a result
 */
export async function operate(
  operation: OperationKind,
  options: VerbOptions,
  context: Context,
): Promise<number> {
  const direct = readDirect(operation, options, context.globals);
  const body = toRequestBody(operation, options, context.ports.by());
  // A usage error is reported as one (64) whether or not a sidecar answers.
  checkBody(body);
  if (direct !== null) {
    const service = await context.ports.direct(direct);
    try {
      return await wait(context, body, printableClient(createLocalClient(service), context.globals), {
        direct: service,
      });
    } finally {
      await service.close();
    }
  }
  const client = await findSidecar(context);
  if (!options.wait) return submitOnly(context, body, client);
  const substitute = createSubstitute(context);
  // Before it asks for anything: the wait lasts as long as the users stay, and a package may be upgraded or removed meanwhile.
  if (body.noRefuse === true) await substitute.load();
  try {
    return await wait(context, body, client, { substitute });
  } finally {
    await substitute.close();
  }
}

/** `--no-wait`: returns once the sidecar has accepted the request. */
async function submitOnly(context: Context, body: RequestBody, client: OperationClient): Promise<number> {
  const { ports, globals } = context;
  const interrupts = listenForInterrupts(ports, null);
  try {
    const submitted = await client.submit(body, interrupts.signal);
    if (!submitted.accepted) return reportResult(context, submitted.result, false);
    const { id, joined, joins } = submitted;
    if (globals.json === true) {
      const into = joins === undefined ? { joined } : { joined, joins };
      const answer = { ok: true, code: 'accepted', ...unfinished(body, id, null), ...into };
      ports.stdout.write(`${JSON.stringify(answer)}\n`);
    } else if (globals.quiet !== true) {
      ports.stdout.write(`${body.operation} ${joined ? 'joined' : 'accepted'}\n`);
    }
    return 0;
  } catch (error) {
    if (interrupts.first === null || !interrupts.signal.aborted) throw error;
    return interrupted(context, body, interrupts, { id: null, status: null, result: null }, {});
  } finally {
    interrupts.end();
  }
}

async function wait(
  context: Context,
  body: RequestBody,
  client: OperationClient,
  beside: LocalEngines,
): Promise<number> {
  const { direct, substitute } = beside;
  const { ports } = context;
  const progress = createProgress(context, body.operation);
  let known: KnownSoFar = { id: null, status: null, result: null };
  const giveUp = (id: string | null): boolean =>
    id === null || direct?.cancel(id, body.by ?? 'cli') === 'cancelling';
  const interrupts = listenForInterrupts(ports, direct ? () => giveUp(known.id) : null);
  const listener: ProgressListener = {
    ...progress,
    accepted(id, joined) {
      known = { ...known, id };
      // Interrupted before there was anything to cancel.
      if (direct && interrupts.first !== null) giveUp(id);
      progress.accepted(id, joined);
    },
    status(status) {
      known = { ...known, status };
      progress.status(status);
    },
  };
  try {
    const { clock } = ports;
    const isStubborn = body.noRefuse === true && body.dryRun !== true;
    const result = isStubborn
      ? await askUntilDone(
          client,
          body,
          listener,
          { clock, substitute: substitute?.open ?? null },
          interrupts.signal,
        )
      : await waitForResult(client, body, listener, clock, interrupts.signal);
    progress.end();
    if (interrupts.first === null) return reportResult(context, result, known.id !== null);
    return interrupted(context, body, interrupts, { ...known, result }, beside);
  } catch (error) {
    progress.end();
    if (interrupts.first !== null && interrupts.signal.aborted)
      return interrupted(context, body, interrupts, known, beside);
    if (isRebootBegun(known.status)) return interrupted(context, body, { first: 'SIGTERM' }, known, beside);
    throw error;
  } finally {
    interrupts.end();
  }
}
