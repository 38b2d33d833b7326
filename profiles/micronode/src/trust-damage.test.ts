import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startNode } from './fixtures/start-node.ts';

const folder = mkdtempSync(join(tmpdir(), 'ron-damage-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** One bit of the first record in which `text` stands. */
function flip(part: string, text: string): void {
  const paths = readdirSync(join(folder, part)).map((name) => join(folder, part, name));
  const path = paths.find((each) => readFileSync(each).includes(text))!;
  const bytes = readFileSync(path);
  bytes[bytes.indexOf(text)]! ^= 1;
  writeFileSync(path, bytes);
}

async function run<T>(file: string | undefined, use: (started: Started) => T | Promise<T>): Promise<T> {
  const started = await startNode({}, { folder, ...(file === undefined ? {} : { file }) });
  try {
    return await use(started);
  } finally {
    await started.node[Symbol.asyncDispose]();
  }
}
type Started = Awaited<ReturnType<typeof startNode>>;
const gateOf = ({ node }: Started) => node.gates().find(({ gate }) => gate === 'trust-records');

test('a revocation that went bad on disk makes the node not ready, until the operator says that it was looked into', async () => {
  const gone = 'subject-whose-revocation-is-lost';
  await run(undefined, async (started) => {
    expect(gateOf(started)).toMatchObject({ ok: true });
    const capability = started.capabilityFor([{ methods: ['admin'], prefix: 'admin/passport' }]);
    const headers = { authorization: `Bearer ${capability}` };
    for (const subject of [gone, 'another']) {
      const init = { method: 'POST', headers, body: JSON.stringify({ subject }) };
      expect((await started.ask('/passport/revoke', init)).status).toBe(200);
    }
  });
  flip('passports', gone);
  await run(undefined, async (started) => {
    expect(gateOf(started)).toMatchObject({ ok: false, reason: expect.stringContaining('passports: record lost') });
    expect((await started.ask('/readyz')).status).toBe(503);
  });
  const accepted = '[disk]\nunsafe = true\naccept_lost_changes = true\n';
  await run(accepted, (started) => expect(gateOf(started)).toMatchObject({ ok: true }));
});
