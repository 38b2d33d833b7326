import type { Clock } from '@ron/kernel';
import { headStream } from '../head-stream.ts';
import type { Registry } from '../registry.ts';
import type { RegistryHandler } from './handler.ts';

const output = { content_type: 'text/event-stream', cache_control: 'no-store' } as const;

/** The pipeline bounds how many wait. */
export function createStream(registry: Registry, clock: Clock): RegistryHandler<'stream'> {
  return async ({ cursor = '0' }, { context }) => ({
    output,
    body: headStream(registry, clock, Number(cursor), context.signal),
  });
}
