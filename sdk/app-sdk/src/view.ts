import { parseAddress, parseName } from '@ron/naming';
import type { Caller } from './caller.ts';
import type { CallOptions, View, ViewItems } from './client.ts';

export async function viewOf(caller: Caller, items: ViewItems, options?: CallOptions): Promise<View> {
  const { names = [], objects = [], boxes = [] } = items;
  const input = { names: names.map(parseName), objects: objects.map(parseAddress), boxes };
  return (await caller.call('hydrate', input, options)).output as Record<keyof View, never>;
}
