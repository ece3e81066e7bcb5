import { createLocalClient } from './local-client.ts';
import { printableClient } from './view/printable.ts';
import type { OperationClient } from './wait-for-result.ts';
import type { Context, DirectService } from './ports.ts';
import { readSidecarConfig } from './run.ts';

/** This process in the place of a sidecar that does not come back. */
export interface StandIn {
  /** @throws LastcallError why it cannot be */
  readonly open: () => Promise<OperationClient>;
  readonly isOpen: boolean;
  /** Leaves everything as it is, for the next sidecar to go on with. */
  close(): Promise<void>;
}

/** What is beside the client: in direct mode the engine in this process, else what may take the sidecar's place. */
export interface LocalEngines {
  readonly direct?: DirectService;
  readonly standIn?: StandIn;
}

/** @returns none yet; its configuration is read when it is opened */
export function createStandIn(context: Context): StandIn {
  let service: DirectService | null = null;
  return {
    async open() {
      const { config } = await readSidecarConfig(context, null);
      service = await context.ports.standIn(config);
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
