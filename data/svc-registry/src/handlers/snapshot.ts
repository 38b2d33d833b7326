import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import type { Registry } from '../registry.ts';
import type { RegistryHandler } from './handler.ts';

const encoder = new TextEncoder();

/** Also of an expired one: it is a link of the chain, and whoever acts on it looks at its expiry. */
export function createSnapshot(registry: Registry): RegistryHandler<'snapshot'> {
  return async ({ version }) => {
    const [text, id] = [registry.textOf(version), registry.idOfVersion(version)];
    if (text === undefined || id === undefined) throw new RonError('not_found', 'there is no such snapshot here');
    const output = { content_type: 'application/json', id, version } as const;
    return { output, body: new ResidentBody(encoder.encode(text)) };
  };
}
