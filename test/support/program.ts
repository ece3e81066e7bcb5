import type { CliPorts, DirectOptions, RunOptions } from '../../agent/cli/ports.ts';
import { runCli } from '../../agent/cli/program.ts';
import { realClock } from '../../agent/system/clock.ts';
import { createScriptedService } from './scripted-service.ts';

/** What one command line has done. */
export interface ProgramOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly direct: readonly DirectOptions[];
  readonly runs: readonly RunOptions[];
}

/** The command line in this process: its engine refuses everything as done, and what it was given is kept. */
export async function cli(...argv: string[]): Promise<ProgramOutcome> {
  const written = { stdout: '', stderr: '' };
  const direct: DirectOptions[] = [];
  const runs: RunOptions[] = [];
  const ports: CliPorts = {
    argv,
    env: {},
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    signals: { on: () => undefined, off: () => undefined },
    clock: realClock,
    by: () => 'cli test@here',
    hostname: () => 'here',
    version: () => '1.2.3',
    run: async (options) => {
      runs.push(options);
      return 0;
    },
    loadSubstitute: () => Promise.reject(new Error('no sidecar is away here')),
    doctor: () => Promise.reject(new Error('no sidecar is away here')),
    direct: async (options) => {
      direct.push(options);
      const service = createScriptedService();
      service.refuseNext('done', '');
      return service;
    },
  };
  return { code: await runCli(ports), ...written, direct, runs };
}

export const LB = ['--haproxy', '/run/haproxy/admin.sock'] as const;
export const DIRECT = [...LB, '--server', 'app/app1'] as const;
