const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `999 B`, `1.5 KiB`, `3.0 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < byteUnits.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${byteUnits[unit]}`;
}

/** `350 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const [big, small, bigUnit, smallUnit] = parts(Math.round(seconds));
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

function parts(seconds: number): [number, number, string, string] {
  if (seconds < 3_600) return [Math.floor(seconds / 60), seconds % 60, 'min', 's'];
  if (seconds < 86_400) return [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60), 'h', 'min'];
  return [Math.floor(seconds / 86_400), Math.floor((seconds % 86_400) / 3_600), 'd', 'h'];
}

/** Universal time to the second; past what a date can hold, the number itself. */
export function formatTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}
