/**
 * Gradient noise (Perlin, "Improving noise", 2002) on an integer hash, periodic in x so that the world closes on
 * itself. Values are within −1 and 1.
 */
export function noise(x: number, y: number, periodX: number, seed: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const fx = x - x0;
  const fy = y - y0;
  const left = wrap(x0, periodX);
  const right = wrap(x0 + 1, periodX);
  const u = fade(fx);
  const v = fade(fy);
  const top = mix(slope(left, y0, seed, fx, fy), slope(right, y0, seed, fx - 1, fy), u);
  const bottom = mix(slope(left, y0 + 1, seed, fx, fy - 1), slope(right, y0 + 1, seed, fx - 1, fy - 1), u);
  return mix(top, bottom, v) * 1.4;
}

/** Octaves of noise, each at twice the frequency and a little over half the height of the one before. */
export function layered(x: number, y: number, frequency: number, octaves: number, seed: number): number {
  let sum = 0;
  let height = 1;
  let total = 0;
  for (let octave = 0, scale = frequency; octave < octaves; octave += 1, scale *= 2) {
    sum += height * noise(x * scale, y * scale, scale, seed + octave);
    total += height;
    height *= 0.53;
  }
  return sum / total;
}

/** Sharp crests where the noise crosses zero: mountain chains. Values are within 0 and 1. */
export function ridged(x: number, y: number, frequency: number, octaves: number, seed: number): number {
  let sum = 0;
  let height = 1;
  let total = 0;
  let weight = 1;
  for (let octave = 0, scale = frequency; octave < octaves; octave += 1, scale *= 2) {
    const crest = (1 - Math.abs(noise(x * scale, y * scale, scale, seed + octave))) ** 2;
    sum += height * crest * weight;
    total += height;
    weight = Math.min(1, crest * 1.6);
    height *= 0.5;
  }
  return sum / total;
}

function wrap(cell: number, period: number): number {
  return ((cell % period) + period) % period;
}

function fade(t: number): number {
  return t * t * t * (t * (t * 6 - 15) + 10);
}

function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** One of 64 directions at each corner, chosen by a hash of its place. */
function slope(x: number, y: number, seed: number, dx: number, dy: number): number {
  let hash = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed + 1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const direction = ((hash ^ (hash >>> 13)) >>> 3) & 63;
  return cosines[direction]! * dx + sines[direction]! * dy;
}

const cosines = Float64Array.from({ length: 64 }, (_, index) => Math.cos((index * Math.PI) / 32));
const sines = Float64Array.from({ length: 64 }, (_, index) => Math.sin((index * Math.PI) / 32));
