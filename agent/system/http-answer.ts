/** What is asked of a server over HTTP, and what it answers (http.ts). */

/** More than any health page or counter needs; what a server sends beyond it is not read. */
export const MAX_BODY_BYTES = 64 * 1024;

/** How a request may differ from the usual one, a GET. */
export interface HttpOptions {
  readonly method?: 'GET' | 'POST';
  /** The body, as JSON: the request is a POST. */
  readonly json?: object;
  /** A unix socket, to which it goes in place of the URL's host. */
  readonly socketPath?: string;
  /** The value of the header, and a secret: it is in no error. */
  readonly authorization?: string;
  /** Header fields of the user's own: they come over ours, and their values are secrets as well. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The value of the header. Default: axios' own, which prefers JSON. */
  readonly accept?: string;
  /** Default: MAX_BODY_BYTES. */
  readonly maxBodyBytes?: number;
  /** The URL's name in errors, where its path is a secret. Default: all but user, password and query. */
  readonly shown?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** The beginning of the body as it came, at most `maxBodyBytes`, read as UTF-8. */
  readonly body: string;
  /** True when the body goes on after that. */
  readonly truncated: boolean;
  /** How the body is packed (`Content-Encoding`, `Transfer-Encoding`); null = it is not. It is never unpacked: a part of it may look whole. */
  readonly packed: string | null;
  /**
   * True when the answer itself has a marked end. Otherwise the end of the connection is its end, also in its
   * middle.
   */
  readonly delimited: boolean;
  /** True when the answer carries Set-Cookie: this request may have made a session. */
  readonly setsCookie: boolean;
  /** The values of Set-Cookie, which are secrets. */
  readonly setCookies: readonly string[];
}
