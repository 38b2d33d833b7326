import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Message } from '@ron/app-sdk';
import { expect, it } from 'vitest';
import { bodyAsText, messageAsJson, messageNote, printMessage } from './message-text.ts';
import { Output } from './output.ts';

function message(body: string | Uint8Array | undefined, more: Partial<Message> = {}): Message {
  const text = () => String(body);
  const bytes = () => (typeof body === 'string' ? new TextEncoder().encode(body) : body!);
  return { id: 'ID', body, text, bytes, headers: {}, attempt: 1, priority: 0, sentAt: 0, ...more };
}

async function printed(given: Message, options: { json?: boolean; isTTY?: boolean } = {}): Promise<Buffer> {
  const stdout = Object.assign(new PassThrough(), { isTTY: options.isTTY === true });
  const whole = buffer(stdout);
  const output = new Output(options.json === true, stdout, new PassThrough());
  await printMessage(output, given);
  stdout.end();
  return whole;
}

const clear = '\u001b[2J';
const binary = Uint8Array.of(0, 255, 27);

it('gives a pipe the bytes as they are, and a terminal nothing that moves its cursor', async () => {
  expect(await printed(message(binary))).toEqual(Buffer.from([0, 255, 27, 10]));
  expect(await printed(message(`a${clear}`))).toEqual(Buffer.from(`a${clear}\n`));
  expect(String(await printed(message(`a${clear}`), { isTTY: true }))).toBe('a\\u001b[2J\n');
  expect(String(await printed(message(binary), { isTTY: true }))).toBe('(3 B, not text)\n');
  expect(String(await printed(message(new TextEncoder().encode('grün')), { isTTY: true }))).toBe('grün\n');
});

it('is one line of JSON with the names of the wire, whatever the body holds', async () => {
  const text = String(await printed(message('two\nlines'), { json: true }));
  expect(text.split('\n')).toHaveLength(2);
  expect(JSON.parse(text)).toEqual({ id: 'ID', body: 'two\nlines', headers: {}, priority: 0, sent_at: 0, attempt: 1 });
  const leased = { ...message(binary), lease: 'L', fence: 2, leaseMs: 5 };
  expect(messageAsJson(leased)).toMatchObject({ body_base64: 'AP8b', lease: 'L', fence: 2, lease_ms: 5 });
});

it('shows the address of an object, and that a dead letter was damaged', () => {
  expect(bodyAsText(message(undefined, { address: 'b3:0' }))).toBe('b3:0');
  expect(bodyAsText(message(undefined))).toBe('(damaged beyond reading)');
});

it('notes what belongs to a message', () => {
  const full = { ...message('x', { group: 'g', priority: 2, headers: { a: 'b' } }), lease: 'L', fence: 1, leaseMs: 5 };
  expect(messageNote(full)).toBe('ID, sent 1970-01-01T00:00:00Z, attempt 1, group g, priority 2, a=b, lease L');
});
