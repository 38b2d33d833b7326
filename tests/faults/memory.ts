import http from 'node:http';
import { createInlineWork } from '@ron/kernel/real';
import { type NodeProcess, residentBytes, startNodeProcess } from '../support/node-process.ts';
import { call, jsonOf, put } from './client.ts';
import { contentOf } from './contents.ts';
import { countsOf, must, type Scenario, temporaryFolder } from './scenario.ts';

const MiB = 1_048_576;
const growthMax = 64 * MiB;

export const memory: Scenario = {
  name: 'memory',
  summary: 'a 3 GB file in and out on disk; the budget of the RAM engine',
  async run({ quick }) {
    const bytes = quick ? 512 * MiB : 3_000_000_000;
    const onDisk = await largeFile(bytes);
    return `${onDisk}; RAM engine: ${await ramBudget()}`;
  },
};

async function largeFile(bytes: number): Promise<string> {
  using folder = temporaryFolder('memory');
  await using node = await startNodeProcess({ args: ['--persist', folder.path] });
  // Compilers, buffers and caches reach their size before the measurement, on work of the same kind.
  for (const seed of [1, 2, 3]) await call(node, 'GET', `/o/${await put(node, contentOf(seed, 8 * MiB))}`);
  const peak = peakOf(node.pid);
  const from = performance.now();
  const sent = await upload(node, bytes);
  const middle = performance.now();
  const inGrowth = peak.growth();
  const received = await download(node, sent.address);
  const end = performance.now();
  const growth = peak.stop();
  must(sent.address === `b3:${sent.hash}`, 'the node computes the address that the client computes');
  must(received.hash === sent.hash && received.bytes === bytes, 'the file comes back byte for byte');
  must(growth < growthMax, `RSS grew by ${Math.round(growth / MiB)} MiB (in: ${Math.round(inGrowth / MiB)})`);
  return countsOf({
    'bytes in and out': bytes,
    'MiB RSS growth in': Math.round(inGrowth / MiB),
    'MiB RSS growth in all (under 64)': Math.round(growth / MiB),
    'MB/s in': Math.round(bytes / 1_000 / (middle - from)),
    'MB/s out': Math.round(bytes / 1_000 / (end - middle)),
  });
}

function peakOf(pid: number) {
  const before = residentBytes(pid);
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid));
  }, 100);
  const growth = () => peak - before;
  return {
    growth,
    stop: () => {
      clearInterval(timer);
      return growth();
    },
  };
}

function upload(node: NodeProcess, bytes: number): Promise<{ address: string; hash: string }> {
  const piece = contentOf(99, MiB);
  const hasher = createInlineWork().blake3Stream();
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${node.capability}`, 'content-length': bytes };
    const request = http.request(
      { host: '127.0.0.1', port: node.port, method: 'PUT', path: '/put', headers },
      (reply) => {
        const pieces: Buffer[] = [];
        reply.on('data', (part: Buffer) => pieces.push(part));
        reply.on('end', () => {
          const text = Buffer.concat(pieces).toString();
          if (reply.statusCode !== 201) reject(new Error(`${reply.statusCode} ${text}`));
          else resolve({ address: (JSON.parse(text) as { address: string }).address, hash: hexOf(hasher.digest()) });
        });
      },
    );
    request.once('error', reject);
    let sent = 0;
    const more = () => {
      while (sent < bytes) {
        const part = piece.subarray(0, Math.min(MiB, bytes - sent));
        // Otherwise every megabyte would be the same, and the tree's nodes with it.
        part.writeUInt32LE(sent % 4_294_967_296, 0);
        hasher.update(part);
        sent += part.length;
        if (!request.write(Buffer.from(part))) {
          request.once('drain', more);
          return;
        }
      }
      request.end();
    };
    more();
  });
}

function download(node: NodeProcess, address: string): Promise<{ hash: string; bytes: number }> {
  const hasher = createInlineWork().blake3Stream();
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${node.capability}` };
    const request = http.request({ host: '127.0.0.1', port: node.port, path: `/o/${address}`, headers }, (reply) => {
      let bytes = 0;
      reply.on('data', (piece: Buffer) => {
        hasher.update(piece);
        bytes += piece.length;
      });
      reply.once('error', reject);
      reply.once('end', () => resolve({ hash: hexOf(hasher.digest()), bytes }));
    });
    request.once('error', reject);
    request.end();
  });
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

async function ramBudget(): Promise<string> {
  const budget = 64 * MiB;
  await using node = await startNodeProcess({ args: ['--set', `memory.blob_bytes_max=${budget}`] });
  const first = await put(node, contentOf(1, MiB));
  const before = residentBytes(node.pid);
  let [stored, refused] = [1, 0];
  for (let seed = 2; seed < 200; seed++) {
    const reply = await call(node, 'PUT', '/put', contentOf(seed, MiB));
    if (reply.status === 201) stored++;
    else {
      must(reply.status === 507, `${reply.status} ${reply.body}`);
      must(jsonOf(reply)['code'] === 'insufficient_storage', 'the code says why');
      refused++;
    }
  }
  must(node.alive && (await call(node, 'GET', `/o/${first}`)).status === 200, 'the node lives and reads');
  must(stored * MiB <= budget && refused > 100, `${stored} stored, ${refused} refused`);
  return countsOf({
    'MiB stored of a budget of 64': stored,
    'refused with 507': refused,
    'MiB RSS growth': Math.round((residentBytes(node.pid) - before) / MiB),
  });
}
