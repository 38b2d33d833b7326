import { Argument, Option } from 'commander';
import type { Scope } from './program.ts';

const folder = 'of the macronode, over RON_MACRONODE_FOLDER (default ./ron-macronode)';

export function addProcessCommands(scope: Scope): void {
  scope
    .add('up', 'start a node: micronode in this terminal, or a macronode of several processes', async () => {
      return (await import('../commands/up.ts')).runUp;
    })
    .addOption(new Option('--profile <name>', 'which').choices(['micro', 'macro']).default('micro'))
    .argument('[flags...]', 'of the profile, after --: ron up --profile macro -- --help');
  scope
    .add('ps', 'the processes of a macronode on this machine', async () => {
      return (await import('../commands/processes.ts')).runList;
    })
    .option('--folder <folder>', folder);
  scope
    .add('restart', 'put another process in the place of one, without refusing calls', async () => {
      return (await import('../commands/processes.ts')).runRestart;
    })
    .addArgument(new Argument('[process]', 'as ron ps names it; without it all but omnigate, one after the other'))
    .option('--folder <folder>', folder);
}
