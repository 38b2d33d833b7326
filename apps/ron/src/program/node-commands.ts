import { Argument, Option } from 'commander';
import type { Scope } from './program.ts';

export function addNodeCommands(scope: Scope): void {
  addStorageCommands(scope);
  addEdge(scope);
  scope.add('status', 'readiness, version and usage of the node', async () => {
    return (await import('../commands/status.ts')).runStatus;
  });
  scope.add('doctor', 'check this machine, the capability and the node; each line with its fix', async () => {
    return (await import('../commands/doctor.ts')).runDoctor;
  });
  scope
    .add('peers', 'other nodes that the node knows: ls (default), ban and unban one', async () => {
      return (await import('../commands/peers.ts')).runPeers;
    })
    .addArgument(new Argument('[action]').choices(['ls', 'ban', 'unban']).default('ls'))
    .argument('[id]', 'of a node; the first 12 digits or more will do for one that is known')
    .option('--for <duration>', 'with ban: 30m, 12h, 7d (default: a day)');
  scope
    .add('ping <node>', 'how long another node takes to answer the node, some times in a row', async () => {
      return (await import('../commands/ping.ts')).runPing;
    })
    .option('-c, --count <n>', 'pings, at most 20', '5');
  scope.add('trace <target>', 'whom the node asks for an object (address), or for a name and its object', async () => {
    return (await import('../commands/trace.ts')).runTrace;
  });
  const config = scope.group('config', 'configuration: show, check');
  config
    .add(
      'show [file]',
      'what this command uses and, with a file, what a node would make of it',
      async () => (await import('../commands/config.ts')).runShow,
    )
    .option('--origin', 'also where each value comes from')
    .addOption(profileOf());
  config
    .add('check <file>', 'check the configuration file of a node', async () => {
      return (await import('../commands/config.ts')).runCheck;
    })
    .option('--origin', 'also print the values in effect and where they come from')
    .addOption(profileOf());
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

function profileOf(): Option {
  return new Option('--profile <name>', 'whose file it is').choices(['micro', 'macro']).default('micro');
}

function addEdge(scope: Scope): void {
  scope
    .add('edge', 'an HTTP cache in front of any origin, by RFC 9111; needs no node', async () => {
      return (await import('../commands/edge.ts')).runEdge;
    })
    .requiredOption('--origin <url>', 'where everything comes from, as https://example.org')
    .option('--listen <address>', 'host and port; port 0 takes a free one', '127.0.0.1:8080')
    .option('--memory <bytes>', 'for what is stored, as 512M', '256M')
    .option('--connections <n>', 'clients at a time', '4096')
    .option('--origin-connections <n>', 'connections to the origin at a time', '64')
    .option('--disk <folder>', 'for bodies that memory has no room for; emptied at start')
    .option('--disk-bytes <bytes>', 'of that folder, as 20G', '10G')
    .option(
      '--admin <address>',
      'purge, warm-up and metrics: a loopback port or /path/of/a.socket, for the operator alone',
    )
    .option('--stale-if-error <seconds>', 'serve what is stored that long past its time when the origin fails', '86400')
    .option('--stale-while-revalidate <seconds>', 'serve what is stored that long past its time while asking anew', '0')
    .option('--default-ttl <seconds>', 'keep what says nothing about its lifetime', '0')
    .option('--negative-ttl <seconds>', 'keep 404 and 410 that say nothing about their lifetime', '5')
    .option('--keep-host', "pass the client's Host on, and keep what different hosts are answered apart")
    .option(
      '--pass-forwarded',
      'pass X-Forwarded-*, X-Original-URL and the like of GET on, and keep apart what is answered by them',
    )
    .option(
      '--private-origin',
      "the origin's name may mean a private address; localhost and literal addresses may anyway",
    )
    .option(
      '--no-verified',
      'pass /o/b3:… on like every other path, instead of checking every byte against the address',
    )
    .addOption(
      new Option('--log-level <level>', 'on standard error; at info each request is a line')
        .choices(['error', 'warn', 'info', 'silent'])
        .default('warn'),
    )
    .addHelpText('after', edgeHelp);
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

const edgeHelp = `
X-Cache and Cache-Status (RFC 9211) in each response say what the cache did. With --admin 127.0.0.1:9090:

  curl -s 127.0.0.1:9090/metrics
  curl -s 127.0.0.1:9090/purge -H 'content-type: application/json' -d '{"prefix": "/assets/"}'
  curl -s 127.0.0.1:9090/warm -H 'content-type: application/json' -d '{"urls": ["/", "/index.css"]}'`;
