/** Characters of one line; a longer one is cut. */
const lineMax = 65_536;

/**
 * Lines of many processes on one stream. Log lines name their process themselves; what is none, such as the last words of
 * a crash, becomes one.
 */
export function mergeLines(name: string, write: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, lineMax);
    for (const line of lines) {
      if (line === '') continue;
      write(
        line.startsWith('{"level":')
          ? line
          : JSON.stringify({ level: 'error', process: name, msg: line.slice(0, lineMax) }),
      );
    }
  };
}
