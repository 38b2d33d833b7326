import { expect, test } from 'vitest';
import { type BannerFacts, banner } from './banner.ts';

const alone: BannerFacts = {
  url: 'http://127.0.0.1:1',
  capability: 'ron1_AA',
  capabilityDays: 7,
  folder: undefined,
  startedInMs: 1,
  oap: undefined,
  contact: undefined,
  bootstrapSecret: undefined,
};

test('a node that others can join says how, on a line of its own', () => {
  const contact = `${'0'.repeat(64)}@127.0.0.1:2`;
  expect(banner({ ...alone, contact }).split('\n')).toContain(`Network contact: ${contact}`);
  expect(banner(alone)).not.toContain('contact');
});
