import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type PutResult, resumableBytesMin, type TransferOptions } from '@ron/app-sdk';
import { expect, it, onTestFinished } from 'vitest';
import { Output } from '../output/output.ts';
import { Progress } from '../output/progress.ts';
import type { Session } from '../session.ts';
import { runPut } from './put.ts';

const address = `b3:${'0'.repeat(64)}`;

/** What `ron put` of a file of so many bytes says when the client does this with them. */
async function saidBy(
  sizeBytes: number,
  put: (options: TransferOptions, stop: () => void) => PutResult,
): Promise<{ readonly stderr: string; readonly failed: boolean }> {
  const folder = await mkdtemp(join(tmpdir(), 'ron-put-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'file');
  await writeFile(path, '');
  await truncate(path, sizeBytes);
  const stderr = new PassThrough();
  const controller = new AbortController();
  const blobs = {
    address: async () => address,
    put: async (_source: unknown, options: TransferOptions) => put(options, () => controller.abort('interrupted')),
  };
  const session = {
    client: { blobs },
    output: new Output(false, new PassThrough(), stderr),
    signal: controller.signal,
    progress: () => new Progress(stderr, 'put', false),
  } as unknown as Session;
  const failed = await runPut(session, [path], {}).then(
    () => false,
    () => true,
  );
  return { stderr: stderr.read()?.toString() ?? '', failed };
}

function interruptedAt(doneBytes: number) {
  return ({ onProgress }: TransferOptions, stop: () => void): never => {
    onProgress?.({ doneBytes, totalBytes: undefined });
    stop();
    throw new Error('aborted');
  };
}

it('says after Ctrl-C that repeating goes on, once the node has a part of an upload that can', async () => {
  const hint = 'the node keeps what arrived: repeat the command to go on from there\n';
  expect(await saidBy(resumableBytesMin, interruptedAt(1))).toEqual({ stderr: hint, failed: true });
  expect(await saidBy(resumableBytesMin, interruptedAt(0))).toEqual({ stderr: '', failed: true });
  expect(await saidBy(resumableBytesMin - 1, interruptedAt(1))).toEqual({ stderr: '', failed: true });
});

it('says nothing of going on when the upload failed by itself', async () => {
  const broken = await saidBy(resumableBytesMin, ({ onProgress }) => {
    onProgress?.({ doneBytes: 5, totalBytes: undefined });
    throw new Error('refused');
  });
  expect(broken).toEqual({ stderr: '', failed: true });
});

it('says where a big file is kept', async () => {
  const size = resumableBytesMin;
  const stored = () => ({ address, size, stored: true, durability: 'fsync' as const, sentBytes: size });
  expect(await saidBy(size, stored)).toEqual({ stderr: 'stored 64.0 MiB, on disk\n', failed: false });
});
