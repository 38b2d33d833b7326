import { expect, test } from 'vitest';
import { recordHead } from './history.ts';
import { idKey, idsKeptMax } from './rows.ts';
import { genesisOf } from './testing/test-bed.ts';

test('ids go one by one once there are 100,000, and never that of the first, which readers pin', () => {
  const dropped = (version: number) => {
    const signed = { document: { ...genesisOf(0), version }, signatures: [] };
    const { changes } = recordHead({ size: 0, get: () => undefined, entries: () => [] }, 'b3:', signed, 2);
    return changes.filter(([, row]) => row === undefined).map(([key]) => key);
  };
  expect([0, 1, 2, 3].map((more) => dropped(idsKeptMax + more))).toEqual([[], [], [idKey(2)], [idKey(3)]]);
});
