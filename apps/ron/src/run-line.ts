import { CommanderError } from 'commander';
import { usageError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';
import type { StopReason } from './interrupts.ts';
import { type ErrorPlace, renderReport, reportAsJson, reportOf } from './output/error-report.ts';
import { type InputStream, Output, type OutputStream, paintFor } from './output/output.ts';
import { buildProgram } from './program/program.ts';
import { type GlobalOptions, lazySettings, type Settings, urlForMessages } from './settings.ts';

export interface Surroundings {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** Runs one command line and says its error, if any. */
export async function runLine(line: readonly string[], around: Surroundings): Promise<number> {
  const { stdin, stdout, stderr, env, signal } = around;
  const place: { command: string; url: string | undefined } = { command: 'ron', url: undefined };
  // Until the line is understood, whether errors are JSON can only be guessed from it.
  let json = line.includes('--json');
  let exitCode: number = exitCodes.ok;
  let settings: Settings | undefined;
  const program = buildProgram({
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text),
    reached: (command) => {
      place.command = command;
    },
    async run(command, run) {
      const options = program.opts<GlobalOptions>();
      if (options.color === false) process.env['NO_COLOR'] = '1';
      json = options.json === true;
      place.command = command;
      settings = lazySettings(options, env);
      const output = new Output(json, stdout, stderr);
      const execute = (next: readonly string[]) => runLine(next, around);
      // The client is most of what there is to load: help and usage errors do without.
      const { Session } = await import('./session.ts');
      await using session = new Session({ command, settings, output, signal, input: stdin, environment: env, execute });
      exitCode = (await run(session)) ?? exitCodes.ok;
    },
  });
  try {
    await program.parseAsync([...line], { from: 'user' });
    return signal.aborted ? stopped(signal, stderr, json) : exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.ok;
    if (signal.aborted) return stopped(signal, stderr, json);
    place.url = urlForMessages(settings);
    return say(fromCommander(thrown, place), place, stderr, json);
  }
}

function stopped(signal: AbortSignal, stderr: OutputStream, json: boolean): number {
  if (signal.reason === ('output closed' satisfies StopReason)) return exitCodes.other;
  const exit_code = exitCodes.interrupted;
  stderr.write(json ? `${JSON.stringify({ error: { message: 'interrupted', exit_code } })}\n` : 'interrupted\n');
  return exit_code;
}

function say(thrown: unknown, place: ErrorPlace, stderr: OutputStream, json: boolean): number {
  const report = reportOf(thrown, place);
  const [what, ...rest] = renderReport(report).split('\n');
  const text = json ? reportAsJson(report) : [paintFor(stderr, 'red', what!), ...rest].join('\n');
  stderr.write(`${text}\n`);
  return report.exitCode;
}

function fromCommander(thrown: unknown, { command }: ErrorPlace): unknown {
  if (!(thrown instanceof CommanderError)) return thrown;
  if (thrown.code === 'commander.help') return usageError('no command was given', `${command} --help`);
  return usageError(thrown.message.replace(/^error: /, ''), `${command} --help`);
}
