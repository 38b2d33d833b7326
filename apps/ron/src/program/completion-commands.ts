import { Argument } from 'commander';
import type { Scope } from './program.ts';

const load = () => import('../commands/completion.ts');

export function addCompletionCommands(scope: Scope): void {
  scope
    .add('completion', 'print a completion script for bash, zsh or fish', async () => (await load()).runCompletion)
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\nFor this shell: source <(ron completion bash)    fish: ron completion fish | source');
  scope
    .add('complete [words...]', 'candidates for a shell', async () => (await load()).runComplete, { hidden: true })
    .allowUnknownOption();
}
