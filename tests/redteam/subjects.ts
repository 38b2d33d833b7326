import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createTestIdentity } from '@ron/kernel/test-identity';
import { startNodeProcess } from '../support/node-process.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';
import type { Setting, Subject } from './attack.ts';
import { behindFront, startFront } from './front-process.ts';
import { pageOf, startOrigin } from './origin.ts';
import { ask } from './raw-http.ts';

/** Size of what the good client reads. */
const contentBytes = 1_024;
const program = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export interface StartedSubject extends Subject, AsyncDisposable {}

/** Starts what is attacked, and gives it something to serve to a good client. */
export async function startSubject(setting: Setting): Promise<StartedSubject> {
  switch (setting.kind) {
    case 'micronode':
      return await startMicronode(setting);
    case 'misbehaving':
      return await startMisbehaving(setting);
    case 'edge':
      return await startEdge();
    case 'omnigate':
    case 'omnigate-tls':
      return await startOmnigate(setting);
  }
}

async function startMicronode({ options = {} }: Setting): Promise<StartedSubject> {
  const { args = [], ...others } = options;
  const common = ['--set', 'server.log_level=info', '--oap', '127.0.0.1:0'];
  const process = await startNodeProcess({ ...others, args: [...common, ...args], observed: true, sheds: true });
  const headers = { Authorization: `Bearer ${process.capability}` };
  const content = 'g'.repeat(contentBytes);
  const stored = await ask(process.port, { method: 'PUT', target: '/put', headers, body: content });
  const { address } = JSON.parse(stored.body.toString()) as { address: string };
  return {
    process,
    path: `/o/${address}`,
    content,
    headers,
    countsPort: process.port,
    logs: true,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

/** A service with bad handlers behind the pipeline and the HTTP binding of every service. */
async function startMisbehaving({ options = {} }: Setting): Promise<StartedSubject> {
  const process = await startNodeProcess({ ...options, program: [program('./misbehaving.ts')], observed: true });
  return {
    process,
    path: '/fine',
    content: '{"fine":true}',
    headers: { Authorization: `Bearer ${process.capability}` },
    countsPort: process.port,
    logs: true,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

const ron = program('../../apps/ron/bin/ron.js');
/** `ron edge` has no owner. */
const noCapability = 'none-of-this-process';

/** An HTTP cache in front of an origin of this process. */
async function startEdge(): Promise<StartedSubject> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await startOrigin());
  const args = ['edge', '--origin', `http://127.0.0.1:${origin.port}`, '--listen', '127.0.0.1:0'];
  const process = stack.use(
    await startNodeProcess({ program: [ron, ...args], capability: noCapability, observed: true }),
  );
  const running = stack.move();
  const path = '/good';
  return {
    process,
    path,
    content: pageOf(path),
    headers: {},
    countsPort: undefined,
    logs: false,
    behind: [origin],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** A node behind a front, which speaks OAP/1 to it. */
async function startOmnigate({ kind, options = {} }: Setting): Promise<StartedSubject> {
  await using stack = new AsyncDisposableStack();
  const secure = kind === 'omnigate-tls';
  const tls = secure ? selfSigned(stack.use(tempFolder())) : [];
  const { front, node, path, headers } = stack.use(await startFront([], [...tls, ...(options.args ?? [])]));
  const running = stack.move();
  return {
    process: front,
    path,
    content: behindFront,
    headers,
    countsPort: secure ? undefined : front.port,
    logs: true,
    behind: [{ port: node.port, process: node, [Symbol.asyncDispose]: () => node.stop() }],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function selfSigned(folder: TempFolder): readonly string[] {
  const [cert, key] = [folder.join('cert.pem'), folder.join('key.pem')];
  const { certificateChainPem, keyPem } = createTestIdentity();
  writeFileSync(cert, certificateChainPem);
  writeFileSync(key, keyPem, { mode: 0o600 });
  return ['--tls-cert', cert, '--tls-key', key];
}
