import { nodeNameProblem } from '../config/validators.ts';
import type { UnlockRequest } from '../engine/unlock.ts';
import { problem, text } from './parse-request.ts';

/** The keys of `POST /v1/unlock`. */
export const UNLOCK_KEYS: readonly string[] = ['node', 'reason', 'by'];

/**
 * Checks the body of `POST /v1/unlock`.
 * @throws LastcallError `usage`, naming the key
 */
export function parseUnlock(body: unknown): UnlockRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw problem('a JSON object is expected');
  const words = body as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(words).find((key) => !UNLOCK_KEYS.includes(key));
  if (unknown !== undefined) throw problem(`a key is unknown, the keys are: ${UNLOCK_KEYS.join(', ')}`);
  const [node, reason, by] = [
    text(words['node'], 'node'),
    text(words['reason'], 'reason'),
    text(words['by'], 'by'),
  ];
  if (node === null) throw problem('`node` is missing');
  const wrong = nodeNameProblem(node);
  if (wrong !== undefined) throw problem(`\`node\`: ${wrong}`);
  if (reason === null) throw problem('`unlock` needs a `reason`');
  return { node, reason, by: by ?? 'control' };
}
