import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashTree } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { walkFolder } from './folder-walk.ts';
import { lazyFile } from './lazy-file.ts';
import { PartFile, partPath } from './part-file.ts';

const groupBytes = 65_536;
const never = new AbortController().signal;

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ron-files-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function content(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) % 251);
}

async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 50_000) yield bytes.subarray(at, at + 50_000);
}

describe('part files', () => {
  it('keep exactly the whole groups before the first wrong byte, and end as the object', async () => {
    const whole = content(3 * groupBytes + 1_000);
    const { root, outboard } = hashTree(whole);
    const address = addressFromHash(root);
    const folder = await temporaryFolder();
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: whole.byteLength }),
        fc.option(fc.nat({ max: whole.byteLength - 1 })),
        async (leftBytes, wrongAt) => {
          const destination = join(folder, 'out');
          const left = whole.slice(0, leftBytes);
          const wrong = wrongAt !== null && wrongAt < leftBytes ? wrongAt : undefined;
          if (wrong !== undefined) left[wrong]! ^= 1;
          await writeFile(partPath(destination, address), left);
          {
            await using part = await PartFile.open(destination, address);
            await part.keepProven(address, outboard, never);
            const groups = Math.floor((wrong ?? leftBytes) / groupBytes);
            const all = wrong === undefined && leftBytes === whole.byteLength;
            expect(part.provenBytes).toBe(all ? whole.byteLength : groups * groupBytes);
            await part.append(streamOf(whole.subarray(part.provenBytes)));
            await part.finish();
          }
          expect(Buffer.compare(await readFile(destination), whole)).toBe(0);
          expect(await readdir(folder)).toEqual(['out']);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('leave nothing when nothing was proven, and what was written when something was', async () => {
    const folder = await temporaryFolder();
    const address = addressFromHash(new Uint8Array(32));
    const destination = join(folder, 'out');
    {
      await using _part = await PartFile.open(destination, address);
    }
    expect(await readdir(folder)).toEqual([]);
    async function* breaking() {
      yield content(10);
      throw new Error('the connection broke');
    }
    {
      await using part = await PartFile.open(destination, address);
      await expect(part.append(breaking())).rejects.toThrow('the connection broke');
      expect(part.provenBytes).toBe(10);
    }
    expect(await readdir(folder)).toEqual([`out.${'0'.repeat(16)}.part`]);
  });

  it('have names that a file system can hold', () => {
    const path = partPath(`/x/${'ä'.repeat(127)}`, `b3:${'0'.repeat(64)}`);
    expect(Buffer.byteLength(path.slice('/x/'.length))).toBeLessThanOrEqual(255);
  });
});

describe('folders', () => {
  it('are walked in the order of manifests, without following links', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'a', 'deep'), { recursive: true });
    for (const path of ['a/deep/x', 'a.txt', 'a/y', 'é'.normalize('NFD')]) await writeFile(join(folder, path), path);
    await symlink('/', join(folder, 'out'));
    const walk = await walkFolder(folder, never);
    expect(walk.files.map(({ entryPath }) => entryPath)).toEqual(['a.txt', 'a/deep/x', 'a/y', 'é'.normalize('NFC')]);
    expect(walk.skipped).toEqual([{ path: 'out', what: 'symbolic link' }]);
    expect(walk.totalBytes).toBe(walk.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  });

  it('with a name that no bundle can hold are refused by that name', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'back\\slash'), '');
    await expect(walkFolder(folder, never)).rejects.toThrow(/back\\slash/);
  });
});

it('a file that changed its length is refused instead of sent', async () => {
  const path = join(await temporaryFolder(), 'f');
  await writeFile(path, 'longer than before');
  const read = async () => {
    for await (const _piece of lazyFile(path, 3).read(0, 3)) expect.unreachable();
  };
  await expect(read()).rejects.toThrow(/changed while it was read/);
});
