import { installed } from '../processes.ts';
import { startNats } from './nats.ts';
import { binaryFolder, startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import type { Entry } from './standings.ts';

/** Each in every way that was seen to be its best somewhere. */
const variants = {
  redis: redisVariants([1, 4]),
  'redis-unshared': redisVariants([0]),
  postgres: [
    { commitDelayUs: 0, lanes: 1 },
    { commitDelayUs: 100, lanes: 16 },
    { commitDelayUs: 1_000, lanes: 16 },
  ].map((variant) => (folder: string) => startPostgres(folder, variant)),
  nats: [true, false].map((shared) => (folder: string) => startNats(folder, { shared })),
};

/** Those that are installed. */
export async function installedPeers(): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  if (await installed('redis-server')) {
    for (const id of ['redis', 'redis-unshared'] as const) entries.push({ id, variants: variants[id] });
  }
  const postgres = await binaryFolder().catch(() => undefined);
  if (postgres !== undefined) entries.push({ id: 'postgres', variants: variants.postgres });
  if (await installed('nats-server')) entries.push({ id: 'nats', variants: variants.nats });
  return entries;
}

function redisVariants(connections: readonly number[]): Entry['variants'] {
  return [1, 2].flatMap((ioThreads) =>
    connections.map((count) => (folder: string) => startRedis(folder, { ioThreads, connections: count })),
  );
}
