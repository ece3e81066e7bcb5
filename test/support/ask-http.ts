import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

export interface HttpQuestion {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The address it comes from: all of 127.0.0.0/8 is this machine's. */
  readonly from?: string;
}

/** One request, one answer; rejects when the connection ends without one. */
export async function askHttp(port: number, question: HttpQuestion = {}): Promise<HttpAnswer> {
  const { path = '/', method = 'GET', headers = {}, from = '127.0.0.1' } = question;
  const to = { host: '127.0.0.1', port, localAddress: from, agent: false } as const;
  const outgoing = request({ ...to, path, method, headers });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response), headers: response.headers };
}
