import { RonError } from '@ron/proto/errors';
import { isPurgeUrl, type PurgeSelection } from '../handlers/purge.ts';
import { warmUrlsMax } from '../handlers/warm.ts';

/** Of one URL. A request line that a server takes is shorter. */
export const urlCharsMax = 8192;

/** `{"url": …}`, `{"prefix": …}` or `{"all": true}`: exactly one of them. */
export function parsePurge(json: unknown): PurgeSelection {
  const [name, value] = onlyField(json);
  if (name === 'all' && value === true) return { all: true };
  if (name === 'url') return { url: parseUrl(value) };
  if (name === 'prefix') return { prefix: parseUrl(value) };
  throw new RonError('bad_request', 'send one of {"url": …}, {"prefix": …} or {"all": true}');
}

export interface WarmRequest {
  readonly urls: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** `{"urls": […], "headers": {…}}`: at most 1,000 URLs; the headers are those by which variants are chosen. */
export function parseWarm(json: unknown): WarmRequest {
  const { urls, headers = {}, ...others } = fieldsOf(json);
  const [other] = Object.keys(others);
  if (other !== undefined) throw new RonError('bad_request', `there is no field ${JSON.stringify(other)}`);
  if (!Array.isArray(urls) || urls.length === 0 || urls.length > warmUrlsMax) {
    throw new RonError('bad_request', `urls holds 1 to ${warmUrlsMax} URLs`, { details: { urls_max: warmUrlsMax } });
  }
  return { urls: urls.map(parseUrl), headers: parseSelecting(headers) };
}

const selecting = new Set(['accept', 'accept-encoding', 'accept-language']);

function parseSelecting(value: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, text] of Object.entries(fieldsOf(value))) {
    const lower = name.toLowerCase();
    if (!selecting.has(lower) || typeof text !== 'string' || !/^[\x20-\x7e]{1,1024}$/.test(text)) {
      throw new RonError('bad_request', `headers may hold ${[...selecting].join(', ')}`);
    }
    headers[lower] = text;
  }
  return headers;
}

function parseUrl(value: unknown): string {
  if (typeof value === 'string' && value.length <= urlCharsMax && isPurgeUrl(value) && /^[\x21-\x7e]+$/.test(value)) {
    return value;
  }
  throw new RonError('bad_request', 'a URL is absolute, http or https, or a path that begins with /');
}

function onlyField(json: unknown): readonly [string, unknown] {
  const [field, ...others] = Object.entries(fieldsOf(json));
  if (field === undefined || others.length > 0) throw new RonError('bad_request', 'send exactly one field');
  return field;
}

function fieldsOf(json: unknown): Record<string, unknown> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new RonError('bad_request', 'a JSON object is expected');
}
