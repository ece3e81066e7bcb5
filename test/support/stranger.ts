import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const PROGRAM = `
$| = 1;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die $!;
print "on\\n";
while (my $client = $server->accept) {
  sysread $client, my $request, 4096;
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok";
  close $client;
}
`;

/** A program of another kind than the application (Perl), which answers every request at a port with 200. */
export interface Stranger {
  readonly pid: number;
  end(): Promise<void>;
}

/** @throws Error where the port is taken */
export async function startStranger(port: number): Promise<Stranger> {
  const words = ['-MIO::Socket::INET', '-e', PROGRAM, String(port)];
  const child: ChildProcess = spawn('perl', words, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(child.stdout ?? child, 'data'), ended.then(() => null)]);
  if (first === null) throw new Error(`perl does not listen at ${port}`);
  return {
    pid: child.pid ?? 0,
    async end() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
