import { listenForInterrupts } from './interrupts.ts';
import { runLine } from './run-line.ts';

/** The whole command: arguments in, exit code out. */
export async function main(line: readonly string[]): Promise<number> {
  using interrupts = listenForInterrupts();
  const { stdin, stdout, stderr, env } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read our output has enough of it, as in `ron get … | head`: nothing is wrong, and nobody to tell.
    if (error.code !== 'EPIPE') stderr.write(`ron: stdout: ${error.message}\n`);
    interrupts.stop('output closed');
  });
  const exitCode = await runLine(line, { stdin, stdout, stderr, env, signal: interrupts.signal });
  // Input that still waits for more would keep an interrupted process alive.
  if (interrupts.signal.aborted) stdin.destroy();
  return exitCode;
}
