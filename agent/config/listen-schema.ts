import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, orNull } from './fields.ts';
import * as z from 'zod';

/** `listen`: the ports and sockets. The control socket's path stays null until load.ts has the node's name. */

const agentCheck = mapping({ address: field.endpoint, allow: z.array(field.network).default([]) }).transform(
  ({ address, allow }) => ({ ...address, allow }),
);

const answerOr = ({ status, body }: { readonly status: number; readonly body: string }) =>
  mapping({
    status: field.finalStatus.default(status),
    body: field.nonEmpty.default(body),
  }).prefault({});

const health = z
  .preprocess(
    (written) => (typeof written === 'string' ? { address: written } : written),
    mapping(
      {
        address: field.endpoint,
        allow: z.array(field.network).default([]),
        up: answerOr(defaults.HEALTH_ANSWERS.up),
        drain: answerOr(defaults.HEALTH_ANSWERS.drain),
        down: answerOr(defaults.HEALTH_ANSWERS.down),
      },
      'expected host:port, or a mapping of address, allow, up, drain and down',
    ).transform(({ address, allow, ...answers }) => ({ ...address, allow, answers })),
  )
  .meta({ alsoWritten: 'string' });

const control = z
  .preprocess(
    (written) => (typeof written === 'string' ? { path: written } : written),
    mapping(
      {
        path: orNull(field.socketPath),
        mode: field.fileMode.default(defaults.CONTROL_MODE),
        group: orNull(field.group),
      },
      'expected a path, or a mapping of path, mode and group',
    ),
  )
  .meta({ alsoWritten: 'string' });

const hooks = mapping({
  address: field.endpoint,
  tokenFile: orNull(field.path),
  allow: z.array(field.network).default([]),
}).transform(({ address, ...others }) => ({ ...address, ...others }));

export const listen = mapping({
  agentCheck: orNull(agentCheck),
  health: orNull(health),
  metrics: orNull(field.endpoint),
  control: control.prefault({}),
  hooks: orNull(hooks),
});
