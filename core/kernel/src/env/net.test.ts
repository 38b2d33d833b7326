import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createRealNet } from '../real/net.ts';
import { createSimEnv } from '../sim/world.ts';
import type { Duplex, Net, NetAddress } from './net.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-net-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
let sockets = 0;

const anyPort = (): NetAddress => ({ kind: 'tcp', host: '127.0.0.1', port: 0 });
const anyPath = (): NetAddress => ({ kind: 'unix', path: path.join(folder, 'sockets', `${sockets++}`) });

/** Everything that one end heard, and a way to wait for it. */
class Heard {
  text = '';
  drains = 0;
  closes: (Error | undefined)[] = [];
  #wake: (() => void) | undefined;
  readonly duplex: Duplex;

  constructor(duplex: Duplex) {
    this.duplex = duplex;
    duplex.start({
      data: (bytes) => this.#changed(() => (this.text += new TextDecoder().decode(bytes))),
      drain: () => this.#changed(() => this.drains++),
      close: (reason) => this.#changed(() => this.closes.push(reason)),
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #changed(change: () => void): void {
    change();
    this.#wake?.();
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe.each<[string, () => Net, () => NetAddress]>([
  ['real TCP', createRealNet, anyPort],
  ['real Unix', createRealNet, anyPath],
  ['simulated TCP', () => createSimEnv({ seed: 1 }).net, anyPort],
  ['simulated Unix', () => createSimEnv({ seed: 1 }).net, anyPath],
])('%s', (_name, makeNet, makeAddress) => {
  async function pair() {
    const net = makeNet();
    const accepted = Promise.withResolvers<Duplex>();
    const listener = await net.listen(makeAddress(), accepted.resolve);
    const here = await net.dial(listener.address, 1000);
    const there = await accepted.promise;
    return { net, listener, here, there };
  }

  test('bytes travel both ways in order, then both sides see one orderly end', async () => {
    const { listener, here, there } = await pair();
    const a = new Heard(here);
    const b = new Heard(there);
    here.write([bytes('one '), bytes('two ')]);
    here.write([bytes('three')]);
    there.write([bytes('back')]);
    await b.until(() => b.text === 'one two three');
    await a.until(() => a.text === 'back');
    here.write([bytes('!')]);
    here.close();
    here.close();
    await b.until(() => b.closes.length > 0);
    await a.until(() => a.closes.length > 0);
    expect(b.text).toBe('one two three!');
    expect([a.closes, b.closes]).toEqual([[undefined], [undefined]]);
    await listener.close(0);
  });

  test('bytes sent before the other side starts are kept', async () => {
    const { listener, here, there } = await pair();
    here.write([bytes('early')]);
    const b = new Heard(there);
    await b.until(() => b.text === 'early');
    here.destroy();
    await listener.close(0);
  });

  test('a reader that pauses makes the writer pause, and drains when it goes on', async () => {
    const { listener, here, there } = await pair();
    const a = new Heard(here);
    const b = new Heard(there);
    there.setReading(false);
    const piece = new Uint8Array(64 * 1024).fill(120);
    let written = 0;
    while (here.write([piece])) written += piece.byteLength;
    written += piece.byteLength;
    expect(written).toBeLessThan(64 * 1024 * 1024);
    const heardPaused = b.text.length;
    expect(heardPaused).toBeLessThan(written);
    there.setReading(true);
    await b.until(() => b.text.length === written);
    await a.until(() => a.drains > 0);
    here.destroy();
    await listener.close(0);
  });

  test('destroy ends the other side too', async () => {
    const { listener, here, there } = await pair();
    const a = new Heard(here);
    const b = new Heard(there);
    here.destroy();
    await b.until(() => b.closes.length === 1);
    await a.until(() => a.closes.length === 1);
    expect(there.write([bytes('into the void')])).toBe(true);
    await listener.close(0);
  });

  test('nobody listens: refused; a closed listener: refused', async () => {
    const { net, listener, here } = await pair();
    here.destroy();
    await listener.close(0);
    await expect(net.dial(listener.address, 1000)).rejects.toMatchObject({ code: /ECONNREFUSED|ENOENT/ });
  });

  test('an address in use is refused', async () => {
    const { net, listener, here } = await pair();
    await expect(net.listen(listener.address, () => undefined)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    here.destroy();
    await listener.close(0);
  });
});
