import { parseRequest } from '../control/parse-request.ts';
import type { RequestBody } from '../control/protocol.ts';
import type { OperationKind } from '../lifecycle/model/api.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';
import type { VerbOptions } from './options.ts';

/** From the command line's options to the request body that the control socket takes. */

type Key = Exclude<keyof RequestBody, 'operation' | 'by'>;

interface OptionOf<K extends Key> {
  readonly flag: string;
  /** undefined = not given */
  readonly value: (options: VerbOptions) => RequestBody[K] | undefined;
}

/** Each key of the body by its option. */
const OPTIONS: { readonly [K in Key]-?: OptionOf<K> } = {
  reason: { flag: '--reason', value: ({ reason }) => reason },
  timeout: { flag: '--timeout', value: ({ timeout }) => timeout },
  onTimeout: { flag: '--on-timeout', value: ({ onTimeout }) => onTimeout },
  expires: { flag: '--expires', value: ({ expires }) => expires },
  force: { flag: '--force', value: ({ force }) => force },
  fence: { flag: '--no-fence', value: ({ fence }) => fence },
  dryRun: { flag: '--dry-run', value: ({ dryRun }) => dryRun },
  noRefuse: { flag: '--no-refuse', value: ({ refuse }) => (refuse === false ? true : undefined) },
  waitForSlot: { flag: '--wait-for-slot', value: ({ waitForSlot }) => waitForSlot },
  ignoreServers: { flag: '--ignore-server', value: ({ ignoreServer }) => ignoreServer },
  holdIn: { flag: '--maint', value: ({ maint }) => (maint === true ? 'maint' : undefined) },
};

export function toRequestBody(operation: OperationKind, options: VerbOptions, by: string): RequestBody {
  const given = Object.entries(OPTIONS)
    .map(([key, { value }]) => [key, value(options)] as const)
    .filter(([, value]) => value !== undefined);
  return { operation, by, ...(Object.fromEntries(given) as Partial<RequestBody>) };
}

/** @throws LastcallError `usage` that names the flag */
export function checkBody(body: RequestBody): void {
  try {
    parseRequest(body, 'unsent');
  } catch (error) {
    if (!isLastcallError(error)) throw error;
    const message = error.message.replaceAll(/`(\w+)`/g, (whole, key: string) =>
      Object.hasOwn(OPTIONS, key) ? OPTIONS[key as Key].flag : whole,
    );
    throw new LastcallError(error.code, message, { next: `see \`lastcall ${body.operation} --help\`` });
  }
}
