import type { HttpHeaders } from '../../env/http.ts';
import { HeadBytes } from './head-bytes.ts';
import { broken, readFieldLines } from './response-fields.ts';

/** What is told of a message, in its order. */
export interface ResponseEvents {
  /** 1xx but 101. */
  informed(status: number, headers: HttpHeaders): void;
  answered(head: ResponseHead): void;
  /** `bytes` are the reader's for the length of the call only. */
  content(bytes: Buffer): void;
  over(trailers: HttpHeaders): void;
}

export interface ResponseHead {
  readonly status: number;
  /** `1.0` or `1.1`. */
  readonly version: string;
  readonly headers: HttpHeaders;
  /** Of the content, 0 where there is none; undefined when only its end will tell. */
  readonly length: number | undefined;
  /** Whether another message may follow on the connection. */
  readonly persists: boolean;
}

type State = 'head' | 'length' | 'close' | 'size' | 'chunk' | 'chunk-end' | 'trailers' | 'over';

const none: HttpHeaders = Object.freeze(Object.create(null)) as HttpHeaders;
/** A chunk's size with its extensions, in bytes. */
const sizeLineMax = 1024;
/** Of the extensions of all chunks together: nobody reads them. */
const extensionBytesMax = 16 * 1024;
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const chunkSize = /^([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

/**
 * Reads one response of HTTP/1.x (RFC 9112) from bytes in pieces of any size. Strict: what two readers could take for two
 * different messages is an error (`EPROTO`) and never repaired, since whoever shares a connection would pay for it.
 */
export class ResponseParser {
  readonly #events: ResponseEvents;
  readonly #withoutContent: boolean;
  readonly #head: HeadBytes;
  #state: State = 'head';
  #left = 0;
  #extensionBytes = 0;

  /** `headBytesMax`: of all heads of the message, interim ones included, and again of its trailers. */
  constructor(method: string, headBytesMax: number, events: ResponseEvents) {
    this.#events = events;
    this.#withoutContent = method === 'HEAD';
    this.#head = new HeadBytes(headBytesMax);
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** How many bytes of `chunk` belong to the message; fewer than it has only when that is over. */
  take(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.byteLength && this.#state !== 'over') at = this.#step(chunk, at);
    return at;
  }

  /** The connection ended. False when the message is not whole. */
  close(): boolean {
    if (this.#state === 'close') this.#end(none);
    return this.#state === 'over';
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#block(chunk, at, (text) => this.#readHead(text));
      case 'trailers':
        return this.#block(chunk, at, (text) => this.#end(readFieldLines(text, 0)));
      case 'length':
      case 'chunk':
        return this.#counted(chunk, at);
      case 'close':
        this.#events.content(at === 0 ? chunk : chunk.subarray(at));
        return chunk.byteLength;
      case 'size':
        return this.#line(chunk, at, sizeLineMax, (text) => this.#readSize(text));
      case 'chunk-end':
        return this.#line(chunk, at, 2, (text) => this.#afterChunk(text));
      default:
        return at;
    }
  }

  /** Up to an empty line. Trailers may be that line alone. */
  #block(chunk: Buffer, at: number, read: (text: string) => void): number {
    const end = this.#head.takeBlock(chunk, at, this.#state === 'trailers');
    const { text } = this.#head;
    if (text !== undefined) read(text);
    return end;
  }

  #line(chunk: Buffer, at: number, bytesMax: number, read: (text: string) => void): number {
    const end = this.#head.takeLine(chunk, at, bytesMax);
    const { text } = this.#head;
    if (text !== undefined) read(text);
    return end;
  }

  #counted(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.byteLength, at + this.#left);
    this.#left -= end - at;
    this.#events.content(at === 0 && end === chunk.byteLength ? chunk : chunk.subarray(at, end));
    if (this.#left > 0) return end;
    if (this.#state === 'length') this.#end(none);
    else this.#state = 'chunk-end';
    return end;
  }

  #readHead(text: string): void {
    const lineEnd = text.indexOf('\r\n');
    const line = statusLine.exec(lineEnd === -1 ? text : text.slice(0, lineEnd));
    if (line === null) throw broken('the status line');
    const status = Number(line[2]);
    const headers = readFieldLines(text, lineEnd === -1 ? text.length : lineEnd + 2);
    if (status < 200) {
      // Nothing was asked that a change of protocols could answer.
      if (status === 101) throw broken('a change of protocols');
      this.#events.informed(status, headers);
      return;
    }
    this.#begin(status, `1.${line[1]}`, headers);
  }

  /** Where the content ends. RFC 9112, 6.3. */
  #begin(status: number, version: string, headers: HttpHeaders): void {
    const length = lengthOf(headers);
    const chunked = isChunked(headers, version, length);
    const options = optionsOf(headers);
    let persists = version === '1.1' ? !options.includes('close') : options.includes('keep-alive');
    let known: number | undefined = length;
    if (this.#withoutContent || status === 204 || status === 304) known = 0;
    else if (chunked) this.#state = 'size';
    else if (length === undefined) {
      this.#state = 'close';
      persists = false;
    } else this.#state = 'length';
    this.#left = known ?? 0;
    this.#events.answered({ status, version, headers, length: known, persists });
    if (known === 0) this.#end(none);
  }

  #readSize(text: string): void {
    const size = chunkSize.exec(text);
    if (size === null) throw broken('the size of a chunk');
    this.#extensionBytes += text.length - (size[1] as string).length;
    if (this.#extensionBytes > extensionBytesMax) throw broken('so much beside the chunks');
    this.#left = Number.parseInt(size[1] as string, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    if (this.#left === 0) this.#head.restart();
  }

  #afterChunk(text: string): void {
    if (text !== '') throw broken('the end of a chunk');
    this.#state = 'size';
  }

  #end(trailers: HttpHeaders): void {
    this.#state = 'over';
    this.#events.over(trailers);
  }
}

function lengthOf(headers: HttpHeaders): number | undefined {
  const length = headers['content-length'];
  if (length === undefined) return undefined;
  // Also a repeated one, be it the same: RFC 9112, 6.3 allows to refuse it.
  if (typeof length !== 'string' || !/^\d{1,15}$/.test(length)) throw broken('the length');
  return Number(length);
}

/**
 * `chunked` alone, never in 1.0, never beside a length (RFC 9112, 6.1). A coding that nobody asked for lasts until the
 * connection ends (6.3); with `chunked` somewhere in it, its end is what servers disagree about.
 */
function isChunked(headers: HttpHeaders, version: string, length: number | undefined): boolean {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return false;
  const name = typeof coding === 'string' ? coding.toLowerCase() : 'chunked, chunked';
  const unclear = name !== 'chunked' && name.includes('chunked');
  if (unclear || version === '1.0' || length !== undefined) throw broken('the transfer coding');
  return name === 'chunked';
}

function optionsOf(headers: HttpHeaders): readonly string[] {
  const connection = headers['connection'];
  if (connection === undefined) return [];
  return String(connection)
    .toLowerCase()
    .split(',')
    .map((option) => option.trim());
}
