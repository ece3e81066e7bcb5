import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openStock, type Stock } from './stock.ts';

const SESSIONS = '/var/lib/php/sessions';
let stock: Stock;
beforeAll(async () => {
  stock = await openStock(
    'app1',
    `  - files: { path: "${SESSIONS}/sess_*", youngerThan: 24m }
  - files: { path: "/tmp/sess_*", youngerThan: 24m }
  - files: { path: "/home/app/sess_*", youngerThan: 24m }
`,
  );
  // Three users of PHP itself, each by its own session; and what another application keeps elsewhere.
  await stock.box.sh(`for user in 1 2 3; do
      setpriv --reuid=www-data --regid=www-data --clear-groups php -r 'session_save_path("${SESSIONS}"); session_start(); $_SESSION["user"] = 1;'
    done
    touch /tmp/sess_1 /tmp/sess_2 && mkdir -p /home/app && touch /home/app/sess_1`);
}, 120_000);
afterAll(() => stock?.box.close());

/** The count of each source of files. */
const sources = async (): Promise<
  readonly { readonly count: number | null; readonly error: string | null }[]
> => {
  const { sessions } = await stock.untilStatus('every source was asked', (status) =>
    status.sessions.sources.every(({ count, error }) => count !== null || error !== null),
  );
  return sessions.sources.slice(1);
};

test('What the sandbox of the unit hides is unknown, with the reason', async () => {
  expect(await stock.box.sh(`stat -c %a ${SESSIONS}`)).toBe('1733');
  expect(await sources()).toEqual(
    [
      { count: null, error: expect.stringContaining('EACCES') },
      { count: null, error: expect.stringContaining('PrivateTmp=') },
      { count: null, error: expect.stringContaining('ProtectHome=') },
    ].map((one) => expect.objectContaining(one)),
  );
});

test('PHP’s own directory is counted with the capability of the sample, and /tmp without its PrivateTmp', async () => {
  await stock.box.sh(`mkdir -p /etc/systemd/system/lastcall.service.d
    { cat /run/in/checkout/deploy/samples/php-fpm.conf; echo PrivateTmp=no; } >/etc/systemd/system/lastcall.service.d/php.conf
    systemctl daemon-reload && systemctl restart lastcall`);
  expect(await sources()).toEqual([
    expect.objectContaining({ count: 3, error: null }),
    expect.objectContaining({ count: 2, error: null }),
    // The capability opens the directory that covers /home; it is no answer.
    expect.objectContaining({ count: null, error: expect.stringContaining('ProtectHome=') }),
  ]);
});
