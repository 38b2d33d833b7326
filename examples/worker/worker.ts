import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceivedMessage } from '@ron/app-sdk';
import { connect } from '@ron/app-sdk/node';

/**
 * Takes jobs until SIGTERM: `worker.ts [<job>]`. With a job it stands still once the effect of that job is there and
 * before it is acknowledged, which is the worst moment to die. Prints a line of JSON for each delivery.
 */
const [, , standStillAt] = process.argv;
/** Of one that will die, so that its message soon comes again. The other one has the default of 30 s, as a real worker. */
const lease = standStillAt === undefined ? {} : { visibilityMs: 1_000 };

await using ron = connect();
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

await ron.mailbox('jobs').process(work, { signal: stop.signal, ...lease, onError: (error) => console.error(error) });

async function work(message: ReceivedMessage): Promise<void> {
  const { job, number } = JSON.parse(message.text()) as { job: string; number: number };
  const { address } = await ron.blobs.put(`${number} squared is ${number ** 2}`);
  const stored = await publish(`results/${job}`, address);
  console.log(JSON.stringify({ job, attempt: message.attempt, stored }));
  if (job === standStillAt) await sleep(60_000);
}

/** The effect, at most once whoever tries: the name must be new. False: somebody did it before. */
async function publish(name: string, address: string): Promise<boolean> {
  try {
    await ron.names.set(name, address, { ifVersion: 0 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'conflict') return false;
    throw error;
  }
}
