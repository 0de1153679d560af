/** Requests to the server that this page came from, with the token where it wants one. */

const TOKEN_KEY = 'sidetrack-token';

/** The server wants a token, or another than it got. */
export class NeedsToken extends Error {}

/** The server's own words, for people. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export class Access {
  /** Called when a request was turned away for want of a token. */
  onNeeded: () => void = () => {};
  readonly #waiting = new Set<() => void>();

  /** For this tab only, and gone with it. Where storage is switched off, until the page is loaded anew. */
  #token = read();

  get hasToken(): boolean {
    return this.#token !== '';
  }

  /**
   * Asks with this token, and keeps it where it is taken.
   * @throws NeedsToken where it is refused, and the browser's TypeError when there is no answer.
   */
  async enter(token: string): Promise<void> {
    const headers = authorization(token);
    const { status } = await fetch('state.json', { method: 'HEAD', cache: 'no-store', headers });
    if (status === 401) throw new NeedsToken('the server refuses this token');
    this.#token = token;
    write(token);
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  /** Resolves when another token is given. */
  given(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  /**
   * @param path relative, so that the page works below any prefix of a reverse proxy.
   * @throws NeedsToken, Refused, or the browser's TypeError when there is no answer.
   */
  async request(path: string, options: RequestInit = {}): Promise<Response> {
    const token = this.#token;
    const headers = authorization(token, options.headers);
    const response = await fetch(path, { cache: 'no-store', ...options, headers });
    if (response.status === 401) {
      await response.body?.cancel();
      // It was under way when another token was given.
      if (token !== this.#token) return this.request(path, options);
      this.onNeeded();
      throw new NeedsToken('a token is needed');
    }
    if (!response.ok) throw new Refused(await wordsOf(response), response.status);
    return response;
  }

  async json(path: string, options: RequestInit = {}): Promise<unknown> {
    return (await this.request(path, options)).json();
  }

  post(path: string, body: object): Promise<unknown> {
    return this.json(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
}

function authorization(token: string, others?: HeadersInit): Headers {
  const headers = new Headers(others);
  if (token !== '') headers.set('authorization', `Bearer ${token}`);
  return headers;
}

/** An answer may be longer than a page has room for. */
const WORDS_MOST = 300;

async function wordsOf(response: Response): Promise<string> {
  const text = (await response.text()).slice(0, 4096);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed)
      return String(parsed.error).slice(0, WORDS_MOST);
  } catch {
    // Plain text, then.
  }
  return text.trim().slice(0, WORDS_MOST) || `HTTP status ${response.status}`;
}

function read(): string {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? '';
  } catch {
    return '';
  }
}

function write(token: string): void {
  try {
    sessionStorage.setItem(TOKEN_KEY, token);
  } catch {
    // It is kept in memory.
  }
}
