import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuotaError } from '@ron/app-sdk';
import { connect } from '@ron/app-sdk/node';
import { startNode } from '../start-node.ts';

/** A tenant that asks for more than its quota: what a node says then, and who waits as told. */
const perSecond = 2;
const burst = 4;
const settings = [`requests_per_second=${perSecond}`, `burst=${burst}`];
await using node = await startNode(settings.flatMap((setting) => ['--set', `gateway.${setting}`]));
console.log(`${perSecond} requests a second, ${burst} at once after a pause\n`);

await plainFetch();
await bySdk();

interface Answer {
  readonly status: number;
  readonly retryAfterS: number | undefined;
  readonly rateLimit: string | null;
  readonly policy: string | null;
  readonly body: { readonly code?: string; readonly details?: { readonly quota?: string } };
}

async function ask(): Promise<Answer> {
  const response = await fetch(`${node.url}/passport/whoami`, {
    headers: { authorization: `Bearer ${node.capability}` },
  });
  const { status, headers } = response;
  const retryAfter = headers.get('retry-after');
  return {
    status,
    retryAfterS: retryAfter === null ? undefined : Number(retryAfter),
    rateLimit: headers.get('ratelimit'),
    policy: headers.get('ratelimit-policy'),
    body: (await response.json()) as Answer['body'],
  };
}

async function plainFetch(): Promise<void> {
  const answers: Answer[] = [];
  const refusedSoFar = () => answers.filter(({ status }) => status === 429).length;
  // On a slow machine the quota fills up again meanwhile, and more than the burst passes.
  while (refusedSoFar() < 4 && answers.length < 40) answers.push(await ask());
  console.log('fetch    status  Retry-After  quota       RateLimit             RateLimit-Policy');
  for (const [index, { status, retryAfterS, rateLimit, policy, body }] of answers.entries()) {
    const wait = retryAfterS === undefined ? '–' : `${retryAfterS} s`;
    const quota = body.details?.quota ?? '–';
    const cells = [`${index + 1}`.padEnd(8), `${status}`.padEnd(7), wait.padEnd(12), quota.padEnd(11)];
    console.log(...cells, (rateLimit ?? '–').padEnd(21), policy ?? '');
  }
  const refused = answers.filter(({ status }) => status === 429);
  assert.deepEqual(
    answers.slice(0, burst).map(({ status }) => status),
    Array(burst).fill(200),
  );
  assert.ok(refused.length > 0, 'more than the quota is refused');
  for (const { retryAfterS, body, rateLimit } of refused) {
    assert.equal(body.code, 'quota_exhausted');
    assert.ok(retryAfterS !== undefined && retryAfterS >= 1, 'a refusal says when to come back');
    assert.match(rateLimit ?? '', /r=0;t=[0-9]+/);
  }
  const waitS = refused.at(-1)!.retryAfterS!;
  await sleep(waitS * 1_000);
  const { status } = await ask();
  assert.equal(status, 200, 'who waits as told is served');
  console.log(`${answers.length - refused.length} allowed, ${refused.length} refused; after ${waitS} s: ${status}\n`);
}

/** The SDK waits by itself, and says at once when a call has not the time for it. */
async function bySdk(): Promise<void> {
  await using ron = connect({ url: node.url, capability: node.capability });
  const calls = burst + 4;
  const before = await refusalsSoFar();
  const began = performance.now();
  for (let count = 0; count < calls; count += 1) await ron.caps.whoami();
  const seconds = (performance.now() - began) / 1_000;
  const refused = (await refusalsSoFar()) - before;
  assert.ok(refused > 0, 'the calls were more than the quota');
  assert.ok(seconds >= (calls - burst - 1) / perSecond - 0.5, 'and took the time that the quota asks for');
  console.log(
    `SDK      ${calls} calls, ${calls} answers in ${seconds.toFixed(1)} s; ${refused} refusals that nobody saw`,
  );
  // It may find a token, or take its 100 ms on a busy machine: then once more.
  let hurried: unknown;
  for (let count = 0; count < 100 && !(hurried instanceof QuotaError); count += 1) {
    hurried = await ron.caps.whoami({ timeoutMs: 100 }).catch((error: unknown) => error);
  }
  assert.ok(hurried instanceof QuotaError, 'no time to wait');
  console.log(`SDK      with 100 ms: ${hurried.code} after ${hurried.attempts} attempt, corr_id ${hurried.corrId}`);
  console.log(`         ${hurried.advice}`);
  assert.match(hurried.advice, /in [0-9]+ s/);
}

async function refusalsSoFar(): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const counts = [...text.matchAll(/^quota_exhaustions_total(?:\{[^}]*\})? ([0-9]+)$/gm)].map(([, count]) =>
    Number(count),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
