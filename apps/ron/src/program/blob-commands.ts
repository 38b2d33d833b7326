import type { Scope } from './program.ts';

export function addBlobCommands(scope: Scope): void {
  scope
    .add('put <file>', 'store a file, stdin (-) or a folder (-r); prints its address', async () => {
      return (await import('../commands/put.ts')).runPut;
    })
    .option('-n, --name <name>', 'point this name at it')
    .option('-r, --recursive', 'store a folder as a bundle; prints the address of its manifest');
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
}
