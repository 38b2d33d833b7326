import { edgeContract } from '@ron/proto/edge';
import type { Dispatcher, Incoming } from '@ron/service';
import { expect, test } from 'vitest';
import { publicEdge } from './public-edge.ts';

test('on the Public Plane the edge has what people do with it; reading is the gateway’s', async () => {
  const asked: string[] = [];
  const edge = {
    dispatch: async ({ operation }: Incoming) => {
      asked.push(operation);
    },
  } as unknown as Dispatcher;
  const operations = Object.keys(edgeContract.operations);
  for (const operation of operations) await publicEdge(edge).dispatch({ operation } as Incoming);
  const passed = operations.filter((operation, place) => asked[place] === operation);
  expect(passed).toEqual(['purge', 'warm', 'usage', 'pack_export', 'pack_import']);
  expect(asked.filter((name) => name in edgeContract.operations)).toEqual(passed);
});
