import { connect } from '@ron/app-sdk/node';
import { macronodeMain, type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { checkAccess } from './smoke/access.ts';
import { checkAmnesia } from './smoke/amnesia.ts';
import { Checks } from './smoke/checks.ts';
import { checkCommandLine } from './smoke/command-line.ts';
import { checkReading } from './smoke/reading.ts';
import { checkRestart } from './smoke/restart.ts';
import { checkRoundTrips } from './smoke/round-trip.ts';
import { checkSites } from './smoke/sites.ts';
import type { Target } from './smoke/target.ts';
import { checkUploads } from './smoke/uploads.ts';

/** `npm run smoke`: SDK → gateway → index and storage on real processes, in RAM and on disk, authorisation on. */
async function main(): Promise<void> {
  const checks = new Checks();
  await using foreign = await startNodeProcess();
  using temp = tempFolder();
  const args = ['--oap', '127.0.0.1:0'];
  const folder = temp.join('data');
  await checks.group('A node in RAM', async () => {
    await using node = await startNodeProcess({ args });
    await checkProfile(checks, node, 'memory', foreign.capability);
  });
  await checks.group('A node on disk', async () => {
    await using node = await startNodeProcess({ persist: folder, args });
    await checkProfile(checks, node, 'fsync', foreign.capability);
  });
  await checks.group('A node of several processes', async () => {
    const own = ['--folder', temp.join('m'), '--listen', '127.0.0.1:0', '--set', 'front.oap_listen=127.0.0.1:0'];
    await using node = await startNodeProcess({ program: [macronodeMain], args: own });
    await checkProfile(checks, node, 'fsync', foreign.capability, 'omnigate');
  });
  await checks.group('A node that comes back', () => checkRestart(checks, folder));
  await checks.group('Nothing is written', () => checkAmnesia(checks));
  if (checks.failed > 0) process.exitCode = 1;
  const skipped = checks.skipped === 0 ? '' : `, ${checks.skipped} skipped`;
  process.stdout.write(`\n${checks.passed} passed, ${checks.failed} failed${skipped}\n`);
}

async function checkProfile(
  checks: Checks,
  node: NodeProcess,
  durability: Target['durability'],
  foreignCapability: string,
  listener: Target['listener'] = 'micronode',
): Promise<void> {
  await using client = connect({ url: node.url, capability: node.capability });
  const target: Target = { node, client, durability, listener };
  await checks.group('round trips', () => checkRoundTrips(checks, target));
  await checks.group('access', () => checkAccess(checks, target, foreignCapability));
  await checks.group('reading', () => checkReading(checks, target));
  await checks.group('sites', () => checkSites(checks, target));
  await checks.group('uploads', () => checkUploads(checks, target));
  await checks.group('command line', () => checkCommandLine(checks, target));
}

await main();
