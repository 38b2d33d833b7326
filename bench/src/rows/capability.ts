import { createAuthority } from '@ron/auth';
import { createRealEnv } from '@ron/kernel/real';
import { createRamKms } from '@ron/kms';
import type { Measured, Row } from '../row.ts';

const hits = 1_000_000;
const misses = 5_000;

async function measure(kind: 'hit' | 'miss', rounds: number): Promise<Measured> {
  const env = createRealEnv();
  await using kms = createRamKms(env);
  const authority = await createAuthority({ kms, env, audience: 'bench' });
  const mint = (subject: string) =>
    authority.mint({
      subject,
      rights: [{ methods: ['read'], prefix: 'o/' }],
      expiresMs: env.clock.wallMs() + 3_600_000,
    });
  const ours: number[] = [];
  let allowed = 0;
  for (let round = 0; round < rounds; round += 1) {
    const tokens =
      kind === 'hit' ? [mint('a')] : Array.from({ length: misses }, (_, index) => mint(`${round}-${index}`));
    if (kind === 'hit') authority.verify(tokens[0]!, { remote: '127.0.0.1' });
    const count = kind === 'hit' ? hits : misses;
    const began = performance.now();
    for (let index = 0; index < count; index += 1) {
      const principal = authority.verify(tokens[kind === 'hit' ? 0 : index]!, { remote: '127.0.0.1' });
      // HMAC chains are checked at once: waiting would be measured too.
      if (principal instanceof Promise) throw new Error('the verdict is not there at once');
      if (principal.allows('read', 'o/')) allowed += 1;
    }
    ours.push(((performance.now() - began) * 1_000) / count);
  }
  return { unit: 'µs', ours, anchor: [], higherIsBetter: false, evidence: `${allowed} decisions, all allowed` };
}

export const capabilityRows: readonly Row[] = [
  {
    id: 'cap-hit',
    job: 'capability verify, known token (bar < 2 µs)',
    anchor: '',
    bar: undefined,
    needs: [],
    run: ({ rounds }) => measure('hit', rounds),
  },
  {
    id: 'cap-miss',
    job: 'capability verify, new token (bar < 60 µs)',
    anchor: '',
    bar: undefined,
    needs: [],
    run: ({ rounds }) => measure('miss', rounds),
  },
];
