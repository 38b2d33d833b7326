import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { Writer } from '../writer.ts';

/** Answers the version that was removed; the next `set` makes the one after it. */
export function createRemove(writer: Writer): Handlers<typeof indexContract>['remove'] {
  return async ({ name, if_version }) => {
    const { version } = await writer.remove(name, if_version);
    return { name, version };
  };
}
