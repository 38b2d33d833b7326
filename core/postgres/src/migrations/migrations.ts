import { mailboxCommands } from './mailbox-commands.ts';
import { mailboxLife } from './mailbox-life.ts';
import { mailboxTables } from './mailbox-tables.ts';
import { names } from './names.ts';

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** In the order in which they are applied; the version of a schema is how many of them it has. Never change one that was released. */
export const migrations: readonly Migration[] = [
  { name: 'names', sql: names },
  { name: 'mailboxes', sql: mailboxTables + mailboxLife + mailboxCommands },
];
