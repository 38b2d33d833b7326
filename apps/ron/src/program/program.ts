import { Command, type CommandOptions, Option } from 'commander';
import { exitCodesHelp } from '../exit-codes.ts';
import type { Session } from '../session.ts';
import { defaultUrl } from '../settings.ts';
import { addAccessCommands } from './access-commands.ts';
import { addBlobCommands } from './blob-commands.ts';
import { addCompletionCommands } from './completion-commands.ts';
import { addFrontCommands } from './front-commands.ts';
import { addMailboxCommands } from './mailbox-commands.ts';
import { addNameCommands } from './name-commands.ts';
import { addNodeCommands } from './node-commands.ts';
import { addPassportCommands } from './passport-commands.ts';
import { addProcessCommands } from './process-commands.ts';
import { addTrustCommands } from './trust-commands.ts';

export const version = '0.1.0';

export interface ProgramHost {
  writeOut(text: string): void;
  writeErr(text: string): void;
  /** The command line got as far as this command: its help is the next step when the rest is wrong. */
  reached(command: string): void;
  run(command: string, run: (session: Session) => Promise<number | undefined>): Promise<void>;
}

/** A command's module: imported when it runs, so that start-up pays for one command only. */
export type LoadRunner<O> = () => Promise<
  (session: Session, args: string[], options: O) => Promise<number | undefined>
>;

export interface Scope {
  /** A command with an action. */
  add<O>(usage: string, summary: string, load: LoadRunner<O>, options?: CommandOptions): Command;
  /** A command that only holds others. */
  group(name: string, summary: string): Scope;
}

/** `completion` false leaves out its two commands: the completion library brings its own. */
export function buildProgram(host: ProgramHost, completion = true): Command {
  const program = new Command('ron')
    .description('Store, name, verify and share content on a node.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addOption(new Option('--url <url>', `node, over RON_NODE_URL (default ${defaultUrl})`))
    .addOption(new Option('--cap <capability>', 'over RON_CAP; @FILE reads it from a file'))
    .addOption(
      new Option('--passport <file>', 'over RON_PASSPORT: a capability that renews itself, as --save wrote it'),
    )
    .addOption(new Option('--proof-key <file>', 'over RON_PROOF_KEY: the key that the capability is bound to'))
    .option('--json', 'results as JSON lines on stdout, errors as JSON on stderr')
    .option('--no-color', 'no colours; NO_COLOR does the same')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: host.writeOut, writeErr: host.writeErr, outputError: () => undefined })
    .addHelpText('after', `\n${exitCodesHelp}\n\nNew here? Start a node with npm start, then: ron tour`);
  watch(program, 'ron', host);
  const scope = scopeOf(program, 'ron', host);
  addBlobCommands(scope);
  addNameCommands(scope);
  addMailboxCommands(scope);
  addAccessCommands(scope);
  addPassportCommands(scope);
  addTrustCommands(scope);
  addNodeCommands(scope);
  addFrontCommands(scope);
  addProcessCommands(scope);
  if (completion) addCompletionCommands(scope);
  return program;
}

function scopeOf(parent: Command, path: string, host: ProgramHost): Scope {
  return {
    add<O>(usage: string, summary: string, load: LoadRunner<O>, options: CommandOptions = {}): Command {
      const command = parent.command(usage, options).description(summary);
      const full = `${path} ${command.name()}`;
      watch(command, full, host);
      return command.action(() =>
        host.run(full, async (session) => (await load())(session, command.args, command.opts() as O)),
      );
    },
    group(name, summary) {
      const command = parent.command(name).description(summary);
      watch(command, `${path} ${name}`, host);
      return scopeOf(command, `${path} ${name}`, host);
    },
  };
}

function watch(command: Command, path: string, host: ProgramHost): void {
  command.exitOverride((error) => {
    host.reached(path);
    throw error;
  });
}
