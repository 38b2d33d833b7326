import type { Scope } from './program.ts';

export function addBlobCommands(scope: Scope): void {
  scope
    .add('put <file>', 'store a file, stdin (-) or a folder (-r); prints its address', async () => {
      return (await import('../commands/put.ts')).runPut;
    })
    .option('-n, --name <name>', 'point this name at it')
    .option('-r, --recursive', 'store a folder as a bundle; prints the address of its manifest')
    .option('--copies <n>', 'on so many nodes, 1 to 16, before it says so, and from then on (ron pin)');
  scope
    .add('get <source>', 'read an address, a name, or a path in a named bundle', async () => {
      return (await import('../commands/get.ts')).runGet;
    })
    .option('-o, --output <path>', 'file or, with -r, folder to write; - is stdout')
    .option('--range <first-last>', 'only these bytes, both included; 100- is the rest')
    .option('-r, --recursive', 'read a whole bundle, or a folder of it, into a folder')
    .addHelpText(
      'after',
      '\nEverything is verified against its address on the way. A file appears under its final name only when it is\n' +
        'whole; what a broken download leaves beside it as .part is checked and continued by the same command.',
    );
  scope.add('has <address...>', 'which of these objects the node has; - reads addresses from stdin', async () => {
    return (await import('../commands/has.ts')).runHas;
  });
  scope.add('stat <source>', 'size and address of an object, a name or a path', async () => {
    return (await import('../commands/stat.ts')).runStat;
  });
  addCopyCommands(scope);
}

function addCopyCommands(scope: Scope): void {
  scope
    .add('pin <source>', 'keep an object on several nodes; "ron pin ls" lists what is kept so, and where', async () => {
      return (await import('../commands/pin.ts')).runPin;
    })
    .option('--copies <n>', 'nodes, 1 to 16, this one included', '3')
    .addHelpText(
      'after',
      '\nSOURCE is an address, or a name: then what it points at now. The manifest of a bundle is one object, its files are\n' +
        'others (ron put -r --copies pins them all). The node needs a network and trusted nodes that trust it. Copies that\n' +
        'are lost are made again; "ron repair" does that at once.',
    );
  scope.add('unpin <source>', 'the copies are not wanted any more; other nodes are told', async () => {
    return (await import('../commands/pin.ts')).runUnpin;
  });
  scope
    .add('repair', 'make the copies that are missing now, without waiting for nodes that are gone', async () => {
      return (await import('../commands/pin.ts')).runRepair;
    })
    .option('--dry-run', 'only say what is missing');
}
