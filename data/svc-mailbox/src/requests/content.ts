import { RonError } from '@ron/proto/errors';
import { mailboxLimits as limits } from '@ron/proto/mailbox';
import type { Body, Content, MessageHeaders } from '../state/body.ts';
import { refusal } from './box-key.ts';

interface ContentFields {
  readonly body?: string;
  readonly body_base64?: string;
  readonly address?: string;
  readonly headers?: MessageHeaders;
  readonly group?: string;
}

export interface MeasuredContent {
  readonly content: Content;
  readonly sizeBytes: number;
  readonly jsonBytes: number;
}

const headerName = /^[a-z0-9_.-]{1,64}$/;

/** Throws `bad_request` or `payload_too_large`. */
export function parseContent({
  body: text,
  body_base64,
  address,
  headers,
  group = '',
}: ContentFields): MeasuredContent {
  const given = [text, body_base64, address].filter((value) => value !== undefined);
  if (given.length !== 1) throw refusal('body', 'exactly one of "body", "body_base64" and "address" is needed');
  const body = parseBody(text, body_base64, address);
  const { headerBytes, headerJsonBytes } = measureHeaders(headers);
  const bodyBytes = bytesOf(body);
  const bodyJsonBytes = body.kind === 'text' ? jsonBytesOf(body.text) : Math.ceil(bodyBytes / 3) * 4 + 2;
  if (bodyBytes > limits.bodyBytesMax) throw tooLarge(limits.bodyBytesMax);
  if (bodyJsonBytes > limits.bodyJsonBytesMax) throw tooLarge(limits.bodyJsonBytesMax, ' as JSON');
  return {
    content: { body, headers: headerBytes === 0 ? undefined : headers },
    // A group costs memory and disk as a header does.
    sizeBytes: bodyBytes + headerBytes + Buffer.byteLength(group),
    jsonBytes: bodyJsonBytes + headerJsonBytes,
  };
}

function parseBody(text: string | undefined, base64: string | undefined, address: string | undefined): Body {
  if (address !== undefined) return { kind: 'address', address };
  if (base64 !== undefined) return { kind: 'bytes', bytes: parseBase64(base64) };
  if (text?.isWellFormed() !== true) throw refusal('body', 'the body is not well-formed Unicode: send bytes as base64');
  return { kind: 'text', text };
}

function parseBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // Node passes over what it does not know; base64 of the same bytes is the same text only when there was nothing such.
  if (bytes.toString('base64') !== text) throw refusal('body_base64', 'body_base64 is not padded base64');
  return bytes;
}

function bytesOf(body: Body): number {
  if (body.kind === 'text') return Buffer.byteLength(body.text);
  return body.kind === 'bytes' ? body.bytes.byteLength : body.address.length;
}

/** Of a text as a JSON string, quotes included. */
function jsonBytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

function measureHeaders(headers: MessageHeaders | undefined): { headerBytes: number; headerJsonBytes: number } {
  let headerBytes = 0;
  let headerJsonBytes = 0;
  for (const [name, value] of Object.entries(headers ?? {})) {
    // The schema checks the values of names of this form, and lets other names pass.
    if (!headerName.test(name)) throw refusal('headers', 'a header has a name of 1 to 64 of a-z 0-9 _ . -');
    if (!value.isWellFormed()) throw refusal('headers', `the header "${name}" is not well-formed Unicode`);
    headerBytes += name.length + Buffer.byteLength(value);
    headerJsonBytes += name.length + 4 + jsonBytesOf(value);
  }
  if (headerBytes > limits.headersBytesMax) {
    throw refusal('headers', `the headers have ${headerBytes} bytes; at most ${limits.headersBytesMax} are allowed`);
  }
  return { headerBytes, headerJsonBytes };
}

function tooLarge(limit: number, as = ''): RonError {
  return new RonError(
    'payload_too_large',
    `the body has more than ${limit} bytes${as}: store it and send its address`,
    {
      details: { limit },
    },
  );
}
