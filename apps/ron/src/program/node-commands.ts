import { Argument } from 'commander';
import type { Scope } from './program.ts';

export function addNodeCommands(scope: Scope): void {
  addStorageCommands(scope);
  scope.add('status', 'readiness, version and usage of the node', async () => {
    return (await import('../commands/status.ts')).runStatus;
  });
  scope.add('doctor', 'check this machine, the capability and the node; each line with its fix', async () => {
    return (await import('../commands/doctor.ts')).runDoctor;
  });
  const config = scope.group('config', 'configuration: show, check');
  config
    .add(
      'show [file]',
      'what this command uses and, with a file, what a node would make of it',
      async () => (await import('../commands/config.ts')).runShow,
    )
    .option('--origin', 'also where each value comes from');
  config
    .add('check <file>', 'check the configuration file of a node', async () => {
      return (await import('../commands/config.ts')).runCheck;
    })
    .option('--origin', 'also print the values in effect and where they come from');
  scope
    .add('bench', 'put and get numbers against the node, seen from here', async () => {
      return (await import('../commands/bench.ts')).runBench;
    })
    .option('--seconds <n>', 'for each row', '2')
    .option('--clients <n>', 'calls under way at once', '16')
    .option('--size <bytes...>', 'sizes of objects, as 64K (default 1K 64K 1M 16M)');
  scope
    .add('tour', 'everything in two minutes, with real calls', async () => {
      return (await import('../commands/tour.ts')).runTour;
    })
    .option('-y, --yes', 'do not wait for Enter between chapters');
}

function addStorageCommands(scope: Scope): void {
  scope.add('why <source>', 'who keeps an object: names, bundles, pins', async () => {
    return (await import('../commands/why.ts')).runWhy;
  });
  scope
    .add('gc', 'move what nobody keeps to the trash', async () => (await import('../commands/gc.ts')).runCollect)
    .option('--dry-run', 'only say what would go');
  scope.add('undelete <address>', 'take an object back out of the trash', async () => {
    return (await import('../commands/gc.ts')).runUndelete;
  });
  scope
    .add('scrub', 'read and verify everything that the node stores: start (default), status, stop', async () => {
      return (await import('../commands/scrub.ts')).runScrub;
    })
    .addArgument(new Argument('[action]').choices(['start', 'status', 'stop']).default('start'))
    .option('--rate <bytes>', 'bytes a second, as 10M');
}
