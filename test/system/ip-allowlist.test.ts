import { expect, test } from '@jest/globals';
import { ipAllowlist } from '../../agent/system/ip-allowlist.ts';

test.each([
  ['10.0.0.14', '10.0.0.14', true],
  ['10.0.0.14', '10.0.0.15', false],
  ['10.0.0.0/24', '10.0.0.255', true],
  ['10.0.0.0/24', '10.0.1.0', false],
  ['10.0.0.0/24', '::ffff:10.0.0.7', true],
  ['0.0.0.0/0', '192.0.2.1', true],
  ['fd00::/64', 'fd00::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['fd00::/64', '10.0.0.1', false],
  ['10.0.0.0/8', '', false],
])('The list [%s] with the address "%s" in it: %s', (entry, address, inside) => {
  expect(ipAllowlist([entry])(address)).toBe(inside);
});

test.each(['', 'lb1', '10.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', 'fd00::/129', '1.2.3.4/8/8'])(
  'The entry "%s" is refused by name',
  (entry) => {
    expect(() => ipAllowlist([entry])).toThrow(expect.objectContaining({ code: 'config', target: entry }));
  },
);
