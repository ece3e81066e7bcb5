import { createLocalClient } from './local-client.ts';
import { printableClient } from './view/printable.ts';
import type { OperationClient } from './wait-for-result.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { CliPorts, Context, DirectService } from './ports.ts';
import { loadReader, readSidecarConfig } from './run.ts';

/** This process in the place of a sidecar that does not come back. */
export interface SidecarSubstitute {
  /** Loads all that `open` needs; `open` throws the error of a failed load. */
  readonly load: () => Promise<void>;
  /** @throws LastcallError why this process cannot take the sidecar's place */
  readonly open: () => Promise<OperationClient>;
  readonly isOpen: boolean;
  /** Leaves everything as it is, for the next sidecar to go on with. */
  close(): Promise<void>;
}

/** The engines that may run in this process: that of direct mode, or the one that takes the sidecar's place. */
export interface LocalEngines {
  readonly direct?: DirectService;
  readonly substitute?: SidecarSubstitute;
}

/** @returns none yet; its configuration is read when it is opened */
export function createSubstitute(context: Context): SidecarSubstitute {
  let service: DirectService | null = null;
  let loading: Promise<Awaited<ReturnType<CliPorts['loadSubstitute']>>> | null = null;
  const loaded = (): NonNullable<typeof loading> => (loading ??= loadAll(context));
  return {
    async load() {
      await loaded().catch(() => undefined);
    },
    async open() {
      const start = await loaded();
      const { config } = await readSidecarConfig(context, null);
      service = await start(config);
      return printableClient(createLocalClient(service), context.globals);
    },
    get isOpen() {
      return service !== null;
    },
    async close() {
      await service?.close();
    },
  };
}

/** @throws LastcallError `failed` when the package was replaced or removed while this process began */
async function loadAll({ ports }: Context): ReturnType<CliPorts['loadSubstitute']> {
  try {
    const [start] = await Promise.all([ports.loadSubstitute(), loadReader()]);
    return start;
  } catch (error) {
    throw new LastcallError('failed', `the rest of the program cannot be loaded: ${messageOf(error)}`, {
      next: 'was the package replaced in this moment? call lastcall again',
      cause: error,
    });
  }
}
