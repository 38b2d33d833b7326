import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import type { TlsIdentity } from '@ron/kernel';
import { createTestIdentity } from '@ron/kernel/test-identity';
import { startOmnigate } from '@ron/macronode/omnigate';
import { afterEach, expect, test } from 'vitest';

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const [old, next] = [createTestIdentity('old.test'), createTestIdentity('new.test')];

/** A front with TLS and files of its own. */
async function secureFront() {
  const folder = mkdtempSync(join(tmpdir(), 'ron-omnigate-tls-'));
  opened.push(() => rmSync(folder, { recursive: true }));
  const [chain, key, configFile] = ['chain.pem', 'key.pem', 'front.toml'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const put = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  const store = ({ certificateChainPem, keyPem }: Partial<TlsIdentity>): void => {
    if (certificateChainPem !== undefined) put(chain, certificateChainPem);
    if (keyPem !== undefined) put(key, keyPem);
  };
  store(old);
  const front = [
    'listen = "127.0.0.1:0"',
    `tls_cert = "${chain}"`,
    `tls_key = "${key}"`,
    'backends = ["127.0.0.1:1"]',
    'log_level = "silent"',
  ];
  const configure = (waitMs: number): void =>
    put(configFile, `[front]\n${front.join('\n')}\n[omnigate]\nqueue_wait_ms = ${waitMs}\n`);
  configure(1_000);
  const running = await startOmnigate({ configFile });
  opened.push(() => running.close());
  return { running, store, configure, port: (running.http as { port: number }).port };
}

async function connected(port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(socket: tls.TLSSocket, path: string): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  return text(socket);
}

const answerOf = async (port: number, path: string) => ask(await connected(port), path);

/** The name in the certificate that a new connection is shown. */
async function shownBy(port: number): Promise<string> {
  const socket = await connected(port);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

test('at SIGHUP new connections get the certificate that is there now, and those that are open stay', async () => {
  const { store, port } = await secureFront();
  const open = await connected(port);
  expect(await shownBy(port)).toBe('old.test');
  store(next);
  process.emit('SIGHUP');
  let shown = await shownBy(port);
  while (shown === 'old.test') shown = await shownBy(port);
  expect(shown).toBe('new.test');
  expect(await ask(open, '/healthz')).toMatch(/^HTTP\/1\.1 200/);
});

test('changed files are enough: without a signal the new pair is taken once both are there', async () => {
  const { store, port } = await secureFront();
  store({ certificateChainPem: next.certificateChainPem });
  expect(await shownBy(port)).toBe('old.test');
  store({ keyPem: next.keyPem });
  let shown = await shownBy(port);
  while (shown === 'old.test') shown = await shownBy(port);
  expect(shown).toBe('new.test');
});

test('at SIGHUP the configuration file is read again too', async () => {
  const { running, configure, port } = await secureFront();
  expect(await answerOf(port, '/version')).toMatch(/"config_version":1\b/);
  configure(2_000);
  await running.reload();
  expect(await answerOf(port, '/version')).toMatch(/"config_version":2\b/);
});

test('what is no pair changes nothing, and neither does a closed front listen to signals', async () => {
  const listening = process.listenerCount('SIGHUP');
  const { running, store, port } = await secureFront();
  expect(process.listenerCount('SIGHUP')).toBe(listening + 1);
  store({ keyPem: next.keyPem });
  await running.reload();
  expect(await shownBy(port)).toBe('old.test');
  store({ certificateChainPem: 'nothing' });
  await running.reload();
  expect(await shownBy(port)).toBe('old.test');
  store(next);
  await running.reload();
  expect(await shownBy(port)).toBe('new.test');
  await running.close();
  expect(process.listenerCount('SIGHUP')).toBe(listening);
});
