/** Headers that are part of what a node answers; the others are about a connection, a moment, or a quota. */
const comparedHeaders = [
  'content-type',
  'content-length',
  'content-range',
  'accept-ranges',
  'etag',
  'cache-control',
  'location',
  'vary',
  'allow',
  'www-authenticate',
];
/** Fields whose values are ids, times, secrets or keys of one node. */
const ownFields = new Set([
  'capability',
  'capability_id',
  'corr_id',
  'expires_at',
  'refresh_expires_at',
  'family',
  'fingerprint',
  'freshness_ms',
  'id',
  'issued_at',
  'kid',
  'lease',
  'oldest_age_ms',
  'owner',
  'public_key_base64',
  'refresh_token',
  'sent_at',
  'signature',
  'signature_base64',
  'stored_at',
  'created_at',
  'updated_at',
  'x',
]);

export interface Step {
  readonly name: string;
  readonly method?: string;
  readonly path: string | ((seen: Seen) => string);
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: object | ((seen: Seen) => object);
  readonly body?: string | Uint8Array;
  /** The owner's by default; empty: none. */
  readonly capability?: (seen: Seen) => string;
}

/** Answers so far, by the name of their step. */
export type Seen = Readonly<Record<string, Record<string, unknown>>>;

/** What a node answers to each step, without what no two nodes have in common. Throws when one does not answer. */
export async function transcriptOf(url: string, owner: string, steps: readonly Step[]): Promise<readonly string[]> {
  const seen: Record<string, Record<string, unknown>> = {};
  const lines: string[] = [];
  for (const { name, method = 'GET', path, headers = {}, json, body, capability } of steps) {
    const token = capability === undefined ? owner : capability(seen);
    const sent = typeof json === 'function' ? json(seen) : json;
    const response = await fetch(url + (typeof path === 'string' ? path : path(seen)), {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(60_000),
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
      ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    if (isJson) seen[name] = JSON.parse(text) as Record<string, unknown>;
    const shown = comparedHeaders
      // Of JSON with ids and numbers in it the length is a node's own.
      .filter((header) => !(isJson && header === 'content-length'))
      .flatMap((header) => (response.headers.has(header) ? [`${header}: ${response.headers.get(header)}`] : []));
    const answer = isJson ? JSON.stringify(common(seen[name])) : text;
    lines.push(`${name}: ${response.status}\n  ${shown.join('\n  ')}\n  ${answer}`);
  }
  return lines;
}

function common(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(common);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, ownFields.has(key) ? '…' : common(each)]));
}
