import type { Scope } from './program.ts';

const load = () => import('../commands/name.ts');

export function addNameCommands(scope: Scope): void {
  const names = scope.group('name', 'names: set, resolve, ls, history, rollback, rm');
  names
    .add('set <name> <address>', 'point a name at an address', async () => (await load()).runSet)
    .option('--new', 'only when the name does not exist')
    .option('--if-version <n>', 'only when the name is at this version')
    .option('--expires <duration>', 'forget it after 30m, 1h, 7d')
    .option('--receipt <file>', 'keep the proof that this is in the audit log, checked');
  names
    .add('resolve <name>', 'the address that a name points at', async () => (await load()).runResolve)
    .option('--fresh', 'not from a cache');
  names.add('ls [prefix]', 'names, in order', async () => (await load()).runList);
  names.add('history <name>', 'versions of a name, newest first', async () => (await load()).runHistory);
  names.add('rollback <name> <version>', 'point a name at an earlier version', async () => (await load()).runRollback);
  names
    .add('rm <name>', 'forget a name; its content stays until garbage collection', async () => (await load()).runRemove)
    .option('--if-version <n>', 'only when the name is at this version')
    .option('--dry-run', 'only say what would go')
    .option('--receipt <file>', 'keep the proof that this is in the audit log, checked');
}
