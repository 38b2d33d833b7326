import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRealEnv } from '@ron/kernel/real';
import { createRamEngine, openDiskEngine } from '@ron/svc-storage/service';
import { afterAll } from 'vitest';
import { blobEngineSuite } from './blob-engine-suite.ts';

const events = {
  onCorrupt: (address: string, detail: string) => {
    throw new Error(`${address} is damaged: ${detail}`);
  },
};

blobEngineSuite('ram', async (config) => createRamEngine({ env: createRealEnv(), config, events }));

const root = await mkdtemp(join(tmpdir(), 'ron-blobs-'));
const env = createRealEnv({ root });
let folders = 0;
afterAll(() => rm(root, { recursive: true, force: true }));

blobEngineSuite('disk', (config) => {
  folders += 1;
  // The reserve of the file system is the disk engine's own matter, tested beside it.
  return openDiskEngine({ env, folder: `blobs-${folders}`, config: { ...config, reserveBytes: 0 }, events });
});
