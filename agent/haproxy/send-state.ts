import { parseCount } from './replies/columns.ts';

/** The longest header that is read: HAProxy's own has about 120 characters and three names. */
const MAX_CHARS = 2_048;

/** HAProxy's report of the server it checks, in `X-Haproxy-Server-State` (`http-check send-state`). */
export interface SendState {
  /** HAProxy has it in rotation, or signed out by a 404 (NOLB): only from there does a 404 sign it out. */
  readonly usable: boolean;
  /** `UP`, `UP 2/3`, `NOLB`, `DOWN 1/2`..., as written. An administrative DRAIN does not show here. */
  readonly text: string;
  /** `backend/server`. */
  readonly name: string;
  /** HAProxy's own name (`node` in its global section, the host name by default). */
  readonly node: string;
  /** Connections of this server being served (scur) and waiting for it (qcur); null = not reported. */
  readonly connections: number | null;
  readonly queued: number | null;
}

/**
 * Reads the header, such as `UP 1/3; address=10.0.0.1; port=80; name=app/app1; node=lb1; weight=1/2; scur=0/0; qcur=0`
 * (measured on 2.6; `scur` is own/backend). Of one worker only: the old ones of a reload do not check.
 * @returns null for a text that is not this header, or has one field twice
 */
export function parseSendState(header: string): SendState | null {
  if (header.length > MAX_CHARS) return null;
  const [text = '', ...pairs] = header.split(';').map((part) => part.trim());
  const fields = new Map(pairs.map((pair) => splitOnce(pair)));
  if (fields.size < pairs.length) return null;
  const name = fields.get('name') ?? '';
  if (!/^[A-Z]+( \d+\/\d+)?$/.test(text) || !name.includes('/')) return null;
  return {
    usable: /^(UP|NOLB)\b/.test(text),
    text,
    name,
    node: fields.get('node') ?? '',
    connections: ownOf(fields.get('scur') ?? ''),
    queued: parseCount(fields.get('qcur')),
  };
}

function splitOnce(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
}

/** The server's part of `own/backend`, which is no more than the whole. */
function ownOf(scur: string): number | null {
  const [own = null, all = null, ...more] = scur.split('/').map(parseCount);
  return own !== null && all !== null && own <= all && more.length === 0 ? own : null;
}
