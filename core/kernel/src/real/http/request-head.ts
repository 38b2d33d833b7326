import { authorityOf, type HttpClientRequest, type HttpOrigin } from '../../env/http-client.ts';
import { SystemError } from '../../env/system-error.ts';
import { fieldValue, token } from './response-fields.ts';

/** How a request's content is told from the next request. */
export interface RequestHead {
  readonly text: string;
  /** Of the content; undefined = chunked. 0 where there is none. */
  readonly length: number | undefined;
  readonly expectsContinue: boolean;
}

/** Methods whose requests have no content unless they say so. RFC 9110, 8.6. */
const lengthless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);
const target = /^[\x21-\x7e\x80-\xff]+$/;

/** The head as it goes out. Throws `EINVAL` for what would be read as something else than it is. */
export function composeHead(request: HttpClientRequest, origin: HttpOrigin): RequestHead {
  const { method, fieldLines, body } = request;
  if (!token.test(method) || !target.test(request.target)) throw new SystemError('EINVAL', 'no request line');
  let fields = '';
  let hasHost = false;
  let length: number | undefined;
  let expectsContinue = false;
  for (let i = 0; i < fieldLines.length; i += 2) {
    const name = fieldLines[i] as string;
    const value = fieldLines[i + 1] as string;
    if (!token.test(name) || !fieldValue.test(value)) throw new SystemError('EINVAL', 'no field of a request');
    fields += `${name}: ${value}\r\n`;
    switch (name.length) {
      case 4:
        hasHost ||= name.toLowerCase() === 'host';
        break;
      case 6:
        expectsContinue ||= name.toLowerCase() === 'expect' && value.toLowerCase() === '100-continue';
        break;
      case 14:
        if (name.toLowerCase() === 'content-length') length = lengthOf(value, length);
        break;
      case 17:
        // How the content is framed is said here alone.
        if (name.toLowerCase() === 'transfer-encoding') throw new SystemError('EINVAL', 'a coding of its own');
        break;
    }
  }
  const start = `${method} ${request.target} HTTP/1.1\r\n${hasHost ? '' : `host: ${authorityOf(origin)}\r\n`}`;
  let framing = '';
  if (length === undefined && body !== undefined) framing = 'transfer-encoding: chunked\r\n';
  else if (length === undefined && !lengthless.has(method)) framing = 'content-length: 0\r\n';
  if (body === undefined && (length ?? 0) > 0) throw new SystemError('EINVAL', 'a length and no content');
  const text = `${start}${fields}${framing}Connection: keep-alive\r\n\r\n`;
  return { text, length: body === undefined ? 0 : length, expectsContinue: expectsContinue && body !== undefined };
}

function lengthOf(value: string, earlier: number | undefined): number {
  if (earlier !== undefined || !/^\d{1,15}$/.test(value)) throw new SystemError('EINVAL', 'no length');
  return Number(value);
}
