import { ConfigError, SystemError } from '@ron/kernel';
import { KeystoreError } from '@ron/kms';
import { IndexFileError } from '@ron/svc-index/service';
import { expect, test } from 'vitest';
import { parseFlags } from './flags.ts';
import { startFailure } from './start-failure.ts';

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test.each([
  ['a taken port', new SystemError('EADDRINUSE', 'listen EADDRINUSE'), 6, '127.0.0.1:0'],
  ['a taken folder', new SystemError('EBUSY', 'in use'), 6, 'another --persist folder'],
  ['a taken keystore', new KeystoreError('locked', 'in use'), 6, 'another --persist folder'],
  ['an address beyond loopback', new SystemError('EACCES', 'plain TCP is for loopback only'), 9, 'allow_remote = true'],
  ['a forgotten --', thrownBy(() => parseFlags(['./data'])), 9, 'npm start -- --persist'],
  ['an unknown flag', thrownBy(() => parseFlags(['--nothing'])), 9, '--help'],
  ['a wrong setting', new ConfigError([{ path: 'a.b', message: 'is wrong', where: 'x:1' }]), 9, '--help'],
  ['damaged keys', new KeystoreError('damaged', 'the keystore is damaged'), 9, 'backup'],
  ['keys that others can read', new KeystoreError('wrong_mode', 'others can read it'), 9, 'chmod 600'],
  ['keys of yesterday', new KeystoreError('rolled_back', 'an older keystore'), 9, 'newest keys'],
  ['a link in the place of the index', new IndexFileError('names/data.mdb must be a file'), 9, 'restore names/'],
  ['anything else', new Error('boom'), 1, 'log_level=debug'],
] as const)('%s: three lines, the right exit code and a next step', (_name, error, exitCode, next) => {
  const failure = startFailure(error);
  expect(failure.exitCode).toBe(exitCode);
  expect(failure.text.split('\n')).toHaveLength(4);
  expect(failure.text).toMatch(/^micronode cannot start: .+\n {2}why: .+\n {2}try: .+\n$/);
  expect(failure.text).toContain(next);
});

test.each([
  ['a second one on its folder', new SystemError('EADDRINUSE', '/x/run/launcher.sock is in use'), 6, 'npx ron ps'],
  ['a taken port', new SystemError('EADDRINUSE', 'listen EADDRINUSE'), 6, 'npm run macronode -- --listen'],
  [
    'an address beyond loopback',
    new SystemError('EACCES', 'plain TCP is for loopback only'),
    9,
    '[front] allow_remote',
  ],
  ['an unknown flag', thrownBy(() => parseFlags(['--nothing'])), 9, 'npm run macronode -- --help'],
] as const)('macronode, %s: the next step is one of its own', (_name, error, exitCode, next) => {
  const failure = startFailure(error, 'macronode');
  expect(failure.exitCode).toBe(exitCode);
  expect(failure.text).toContain(next);
  expect(failure.text).not.toContain('npm start');
});
