import type { Scope } from './program.ts';

const load = () => import('../commands/cap.ts');
const gather = (value: string, before: string[] = []) => [...before, value];

export function addAccessCommands(scope: Scope): void {
  const caps = scope.group('cap', 'capabilities: show, attenuate');
  caps
    .add('show [capability]', 'what a capability allows; never prints the token itself', async () => {
      return (await load()).runShow;
    })
    .option('--check', 'also ask the node whether it accepts it');
  caps
    .add('attenuate', 'print a weaker capability made from yours; nobody is asked, nothing is sent', async () => {
      return (await load()).runAttenuate;
    })
    .option('--read <prefix>', 'allow reading (may be repeated, like the next three)', gather)
    .option('--write <prefix>', 'allow writing', gather)
    .option('--list <prefix>', 'allow listing names', gather)
    .option('--delete <prefix>', 'allow deleting', gather)
    .option('--expires <duration>', 'valid for 30m, 1h, 7d from now')
    .option('--body-max <bytes>', 'largest object that it may store, as 10M')
    .addHelpText(
      'after',
      '\nPREFIX: docs/ is the names below docs; b3:… one object; box/jobs one mailbox; o/…, n/… and admin/… stand as they\n' +
        'are; "" is everything. In a mailbox, write sends, read receives and acknowledges, delete removes.\n' +
        'Once one of the four is given, nothing else is allowed. Content must be stored before it can be named, so\n' +
        '--write with a prefix of names also allows storing objects (write on o/).',
    );
}
