import type { Session } from '../session.ts';

export async function runCompletion(_session: Session, [shell = '']: string[]): Promise<undefined> {
  const { script } = await import('@bomb.sh/tab');
  script(shell, 'ron', 'ron');
  return undefined;
}

/** The candidates for a half-written line; the scripts call this. */
export async function runComplete(_session: Session, words: string[]): Promise<undefined> {
  const { default: completions } = await import('@bomb.sh/tab/commander');
  const { buildProgram } = await import('../program/program.ts');
  const silent = () => undefined;
  const program = buildProgram(
    { writeOut: silent, writeErr: silent, reached: silent, run: async () => undefined },
    false,
  );
  completions(program, { completionCommandName: 'completion' }).parse(words);
  return undefined;
}
