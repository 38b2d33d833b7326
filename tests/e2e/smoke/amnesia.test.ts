import { expect, test } from 'vitest';
import { changesFiles } from './amnesia.ts';

test.each([
  '12 openat(AT_FDCWD, "/data/a", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 17',
  '12 openat(AT_FDCWD, "/data/a", O_RDWR|O_CLOEXEC) = 17',
  '12 openat(AT_FDCWD, "/data/a", O_RDONLY|O_CREAT <unfinished ...>',
  '7 mkdir("/data", 0777) = 0',
  '7 rename("/data/a", "/data/b") = 0',
  '7 unlink("/data/a") = 0',
])('seen as a change: %s', (line) => {
  expect(changesFiles(line)).toBe(true);
});

test.each([
  '12 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3',
  '12 openat(AT_FDCWD, "/dev/null", O_RDWR) = 3',
  '12 mkdir("/data", 0777) = -1 EEXIST (File exists)',
  '12 +++ exited with 0 +++',
  '12 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---',
  '',
])('no change: %s', (line) => {
  expect(changesFiles(line)).toBe(false);
});
