import { registryLimits } from '@ron/proto/registry';
import { readWhole } from '@ron/service';
import { parseSignedSnapshot, refuseSnapshot } from '@ron/signed';
import type { Divergence } from '../divergence.ts';
import type { Meters } from '../meters.ts';
import type { Registry } from '../registry.ts';
import type { RegistryHandler } from './handler.ts';

export function createPublish(
  registry: Registry,
  divergence: Divergence,
  { refused }: Meters,
): RegistryHandler<'publish'> {
  return async (_input, { body }) => {
    const bytes = await readWhole(body, registryLimits.signedBytesMax);
    try {
      const signed = parseSignedSnapshot(textOf(bytes));
      const head = await registry.advance(() => ({ signed }));
      await divergence.review();
      return head;
    } catch (error) {
      return refused(error);
    }
  };
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuseSnapshot('malformed', 'a signed snapshot is JSON in UTF-8');
  }
}
