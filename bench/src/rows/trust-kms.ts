import { createRealEnv } from '@ron/kernel/real';
import { createRamKms, type Kms } from '@ron/kms';
import { cpuUs } from '../own-time.ts';
import { type Row, spread } from '../row.ts';

const bytes = new Uint8Array(256).fill(7);
const nobody = { tenant: 'bench', purpose: 'bench' } as const;

interface KmsCase {
  readonly id: string;
  readonly job: string;
  readonly alg: 'ed25519' | 'ml-dsa-65' | 'hmac' | 'aes-256-gcm';
  readonly count: number;
  /** Only signatures have a bar. */
  readonly limit?: number;
  work(kms: Kms, kid: string): unknown;
}

const cases: readonly KmsCase[] = [
  {
    id: 'ed25519',
    job: 'sign, Ed25519',
    alg: 'ed25519',
    count: 2_000,
    limit: 1_000,
    work: (kms, kid) => kms.sign(kid, bytes),
  },
  {
    id: 'ml-dsa-65',
    job: 'sign, ML-DSA-65',
    alg: 'ml-dsa-65',
    count: 500,
    limit: 1_000,
    work: (kms, kid) => kms.sign(kid, bytes),
  },
  { id: 'mac', job: 'mac', alg: 'hmac', count: 20_000, work: (kms, kid) => kms.mac(kid, bytes) },
  { id: 'wrap', job: 'wrap', alg: 'aes-256-gcm', count: 10_000, work: (kms, kid) => kms.wrap(kid, bytes, bytes) },
];

/** A message of 256 bytes, as callers are to send digests and small payloads. */
export const trustKmsRows: readonly Row[] = cases.map(({ id, job, alg, count, limit, work }) => ({
  id: `trust-kms-${id}`,
  job: `kms ${job}, 256 B`,
  anchor: '',
  bar: undefined,
  ...(limit === undefined ? {} : { limit }),
  needs: [],
  async run({ rounds }) {
    await using kms = createRamKms(createRealEnv());
    const { kid } = await kms.createKey({ ...nobody, alg });
    const ours: number[] = [];
    const samples: number[] = [];
    for (let at = 0; at < count / 10; at += 1) await work(kms, kid);
    for (let round = 0; round < rounds; round += 1) {
      const began = cpuUs();
      for (let at = 0; at < count; at += 1) {
        const from = performance.now();
        const made = work(kms, kid);
        if (made instanceof Promise) await made;
        samples.push((performance.now() - from) * 1_000);
      }
      ours.push((cpuUs() - began) / count);
    }
    const evidence = `${rounds * count} times; by the clock ${spread(samples, 'µs')}`;
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence };
  },
}));
