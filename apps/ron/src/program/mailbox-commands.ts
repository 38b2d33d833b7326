import { Argument } from 'commander';
import type { Scope } from './program.ts';

const receiving = () => import('../commands/mailbox-receive.ts');
const settling = () => import('../commands/mailbox-settle.ts');
const watching = () => import('../commands/mailbox-watch.ts');
const gather = (value: string, before: string[] = []) => [...before, value];

export function addMailboxCommands(scope: Scope): void {
  const boxes = scope.group('mailbox', 'mailboxes: send, recv, sub, tail, ack, nack, extend, rm, dlq, stats, ls');
  addSend(boxes);
  addReceivers(boxes);
  boxes.add('ack <box> <lease...>', 'done: the messages are gone', async () => (await settling()).runAck);
  boxes
    .add('nack <box> <lease...>', 'not done: the messages come again', async () => (await settling()).runNack)
    .option('--delay <duration>', 'after this time, 0 for at once (default: the backoff of the node)')
    .option('--reason <text>', 'kept with the message for whoever looks at the dead letters');
  boxes
    .add('extend <box> <lease...>', 'keep leases for longer', async () => (await settling()).runExtend)
    .option('--visibility <duration>', 'from now on', '30s');
  boxes.add('rm <box> <id>', 'remove a message in any state', async () => (await settling()).runRemove);
  boxes
    .add('dlq <box>', 'dead letters: ls (default), redrive into the box, purge for good', async () => {
      return (await import('../commands/mailbox-dlq.ts')).runDeadLetters;
    })
    .addArgument(new Argument('[action]').choices(['ls', 'redrive', 'purge']).default('ls'))
    .argument('[ids...]', 'only these; without any, all')
    .option('--dry-run', 'with purge: only say what would go');
  boxes.add('stats <box>', 'depths, ages and counts of a box', async () => {
    return (await import('../commands/mailbox-stats.ts')).runStats;
  });
  boxes.add('ls', 'the boxes, by name', async () => (await import('../commands/mailbox-stats.ts')).runList);
}

function addSend(boxes: Scope): void {
  boxes
    .add('send <box> [body]', 'put a message into a box; - is stdin; prints its id', async () => {
      return (await import('../commands/mailbox-send.ts')).runSend;
    })
    .option('--file <path>', 'the content of a file, at most 256 KiB')
    .option('--address <address>', 'stands for a stored object, which is kept until the message is gone')
    .option('--key <key>', 'idempotency key: the same key and message within 24 h is sent once')
    .option('--header <name=value>', 'may be repeated', gather)
    .option('--delay <duration>', 'not before 5s, 10m, 1h from now')
    .option('--ttl <duration>', 'gone when nobody took it by then')
    .option('--dead-letter-on-expiry', 'with --ttl: a dead letter instead of gone')
    .option('--group <name>', 'in order within a group, one under way at a time')
    .option('--priority <n>', '0 to 9, higher ones first');
}

function addReceivers(boxes: Scope): void {
  boxes
    .add('recv <box>', 'take messages, or see that there are none', async () => (await receiving()).runReceive)
    .option('--max <n>', 'at most so many', '1')
    .option('--wait <duration>', 'wait for the first, at most 30s')
    .option('--visibility <duration>', 'they come again after this, unless acknowledged (default 30s)')
    .option('--ack', 'acknowledge each one once it is printed')
    .option('-v, --verbose', 'also what belongs to each message, on stderr');
  boxes
    .add('sub <box>', 'print messages as they come, each acknowledged once it is printed', async () => {
      return (await watching()).runSubscribe;
    })
    .option('--credit <n>', 'messages under way at a time', '1')
    .option('--visibility <duration>', 'what is not acknowledged comes again after this (default 30s)')
    .option('--no-ack', 'leave them leased: they come again')
    .option('--count <n>', 'end after so many')
    .option('-v, --verbose', 'also what belongs to each message, on stderr');
  boxes
    .add('tail <box>', 'show what is sent, without taking it', async () => (await watching()).runTail)
    .option('--count <n>', 'end after so many')
    .option('-v, --verbose', 'also what belongs to each message, on stderr');
}
