import type { Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { Writer } from '../writer.ts';

export function createSet(writer: Writer): Handlers<typeof indexContract>['set'] {
  return (input) => writer.set(input);
}
