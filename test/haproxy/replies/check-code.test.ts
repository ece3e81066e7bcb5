import { expect, test } from '@jest/globals';
import { parseStats } from '../../../agent/haproxy/replies/show-stat.ts';
import { replied } from '../transcripts.ts';

test.each([
  ['L7OK', 'L7OK'],
  ['* L7OK', 'L7OK'],
  ['* INI', 'INI'],
  ['', ''],
  ['**', '**'],
])(
  'show %j where the last answer of a check was %j: a star says that another check is under way',
  (cell, code) => {
    const [row] = parseStats(`# pxname,svname,agent_status,\napp,app1,${cell},`, replied(''));
    expect([row?.checkCode('agent_status'), row?.checkCode('check_status')]).toEqual([code, '']);
  },
);
