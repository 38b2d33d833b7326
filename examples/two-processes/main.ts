import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSliceVerifier } from '@ron/b3';
import { createRealEnv } from '@ron/kernel/real';
import { hashFromAddress, parseAddress } from '@ron/naming';
import { indexContract } from '@ron/proto/names';
import { storageContract } from '@ron/proto/storage';
import { OapLink } from '@ron/service';

/**
 * Two processes and one Unix socket. The other one runs the index and the storage; this one follows a name to an
 * address, fetches what it stands for over OAP, and checks every byte against that address.
 */
const folder = mkdtempSync(join(tmpdir(), 'ron-two-'));
const socket = join(folder, 'data.sock');
const child = spawn(process.execPath, [fileURLToPath(new URL('data-process.ts', import.meta.url)), socket], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
try {
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  assert.ok(!first.done, 'the data process ended before it was ready');
  const { reader, writer } = JSON.parse(first.value) as { reader: string; writer: string };
  await exchange(reader, writer);
} finally {
  // The end of its input is its sign to stop.
  child.stdin.end();
  assert.equal(await ended, 0);
  rmSync(folder, { recursive: true, force: true });
}

async function exchange(reader: string, writer: string): Promise<void> {
  const env = createRealEnv();
  const open = (capability: string) => {
    const bytes = new TextEncoder().encode(capability);
    return new OapLink({ env, address: { kind: 'unix', path: socket }, capability: () => bytes });
  };
  await using writing = open(writer);
  const content = env.random.bytes(65_536).subarray(0, 65_000);
  const put = await writing.peer(storageContract).put({}, { body: repeat(content, 40) });
  await writing.peer(indexContract).set({ name: 'demo/large', address: put.address });
  console.log(`process ${process.pid} stored ${put.size} bytes in process ${child.pid}`);

  await using reading = open(reader);
  const { address } = await reading.peer(indexContract).resolve({ name: 'demo/large' });
  const { output, body } = await reading.peer(storageContract).slice({ address, start: 0, length: put.size });
  const verifier = createSliceVerifier({ root: hashFromAddress(parseAddress(address)), start: 0, length: output.size });
  let verifiedBytes = 0;
  for await (const piece of body) for (const bytes of verifier.push(piece)) verifiedBytes += bytes.byteLength;
  verifier.finish();
  assert.equal(verifiedBytes, 40 * 65_000);
  console.log(`demo/large → ${address}: ${verifiedBytes} bytes over OAP, each verified`);

  const refused = reading.peer(indexContract).set({ name: 'demo/large', address });
  await assert.rejects(refused, { code: 'forbidden' });
  console.log('the reader may not write: forbidden');
}

async function* repeat(bytes: Uint8Array, times: number): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < times; count += 1) yield bytes;
}
