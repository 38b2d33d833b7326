import { createSimEnv } from '@ron/kernel/sim';
import { loadCompiler } from '@ron/service';
import { openDiskEngine } from '@ron/svc-storage/service';

/** Code that is loaded on first use comes through real files: virtual time cannot wait for it, so it is loaded before. */
export async function warmUp(): Promise<void> {
  await loadCompiler();
  const env = createSimEnv({ seed: 'warm-up' });
  const config = { bytesMax: 2 ** 20, objectsMax: 1 };
  await using _engine = await openDiskEngine({ env, folder: 'blobs', config, events: { onCorrupt: () => undefined } });
}
