const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const time = '(\\d\\d):(\\d\\d):(\\d\\d)';
const month = `(${months.join('|')})`;
const day = '(?:mon|tue|wed|thu|fri|sat|sun)';
const longDay = '(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)';
const fixdate = new RegExp(`^${day}, (\\d\\d) ${month} (\\d{4}) ${time} gmt$`, 'i');
const rfc850 = new RegExp(`^${longDay}, (\\d\\d)-${month}-(\\d\\d) ${time} gmt$`, 'i');
const asctime = new RegExp(`^${day} ${month} ([ \\d]\\d) ${time} (\\d{4})$`, 'i');

/**
 * Milliseconds since the epoch of a date in one of the three forms, in any case of letters; undefined for everything
 * else. `nowMs` is what two-digit years are near to. RFC 9110, 5.6.7.
 */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  const fixed = fixdate.exec(text);
  if (fixed !== null) return moment(fixed[3], fixed[2], fixed[1], fixed[4], fixed[5], fixed[6]);
  const old = rfc850.exec(text);
  if (old !== null) return moment(nearYear(Number(old[3]), nowMs), old[2], old[1], old[4], old[5], old[6]);
  const c = asctime.exec(text);
  return c === null ? undefined : moment(c[6], c[1], c[2], c[3], c[4], c[5]);
}

export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** More than 50 years ahead means the most recent past year with the same last two digits. */
function nearYear(twoDigits: number, nowMs: number): number {
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = Math.floor(thisYear / 100) * 100 + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

type Part = string | number | undefined;

function moment(year: Part, name: Part, date: Part, hour: Part, minute: Part, second: Part): number | undefined {
  const index = months.indexOf(String(name).toLowerCase());
  const [h, m, s] = [Number(hour), Number(minute), Number(second)];
  // 60 is a leap second; the clock has none and takes it as the next second.
  if (h > 23 || m > 59 || s > 60) return undefined;
  const midnight = Date.UTC(Number(year), index, Number(date));
  const check = new Date(midnight);
  if (Number(year) < 100) check.setUTCFullYear(Number(year));
  if (check.getUTCDate() !== Number(date) || check.getUTCMonth() !== index) return undefined;
  return check.getTime() + ((h * 60 + m) * 60 + s) * 1000;
}
