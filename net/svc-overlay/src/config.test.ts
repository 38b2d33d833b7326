import { createConfig } from '@ron/kernel';
import { expect, test } from 'vitest';
import { OverlayConfig } from './config.ts';

test('each field takes effect without a restart', () => {
  const config = createConfig({ overlay: OverlayConfig }, {});
  const table = config.table('overlay');
  const fields: Readonly<Record<string, object>> = OverlayConfig.properties;
  const least = Object.entries(fields).map(([name, field]) => [name, (field as { minimum: number }).minimum] as const);
  const result = config.reload(`[overlay]\n${least.map(([name, value]) => `${name} = ${value}`).join('\n')}`);
  expect(result).toMatchObject({ ok: true, ignored: [] });
  expect(table.current()).toEqual(Object.fromEntries(least));
});
