import { parentPort } from 'node:worker_threads';
import { runSeed, type SeedOptions } from './run-seed.ts';

/** Runs the seeds that the main thread sends, one after the other. */
const port = parentPort!;
port.on('message', (options: SeedOptions) => {
  void runSeed(options).then((result) => port.postMessage(result));
});
