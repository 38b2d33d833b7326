import { layered, noise, ridged } from './noise.ts';
import { encodePng } from './png.ts';

export const tileSize = 256;
const seed = 11;
/** Octaves that are visible at zoom 0; each level shows one more. */
const octavesAtZero = 4;

type Rgb = readonly [number, number, number];

/** Colour by height: −1 is the deepest sea, 0 the shore, 1 the highest peak. */
const ramp: readonly (readonly [number, Rgb])[] = [
  [-1, [16, 42, 86]],
  [-0.45, [28, 74, 128]],
  [-0.16, [52, 118, 168]],
  [-0.04, [104, 172, 202]],
  [0, [152, 206, 214]],
  [0.001, [226, 214, 170]],
  [0.03, [166, 190, 122]],
  [0.14, [104, 150, 88]],
  [0.3, [130, 142, 92]],
  [0.48, [148, 128, 98]],
  [0.66, [140, 130, 124]],
  [0.82, [214, 216, 220]],
  [1, [250, 252, 255]],
];
const desert: Rgb = [222, 196, 142];
const ice: Rgb = [240, 246, 250];

/** What changes slowly over the world, sampled every few pixels of a tile and read between. */
class Field {
  readonly #values: Float64Array;
  readonly #every: number;
  readonly #side: number;

  constructor(place: TilePlace, valueAt: (wx: number, wy: number) => number) {
    this.#every = place.z < 2 ? 2 : 8;
    // One pixel more on each side, and one sample more to read between.
    this.#side = Math.ceil((tileSize + 2) / this.#every) + 2;
    this.#values = new Float64Array(this.#side ** 2);
    for (let row = 0; row < this.#side; row += 1) {
      for (let column = 0; column < this.#side; column += 1) {
        const [wx, wy] = worldOf(place, (column - 1) * this.#every, (row - 1) * this.#every);
        this.#values[row * this.#side + column] = valueAt(wx, wy);
      }
    }
  }

  at(column: number, row: number): number {
    const x = column / this.#every + 1;
    const y = row / this.#every + 1;
    const left = Math.floor(x);
    const top = Math.floor(y);
    const at = top * this.#side + left;
    const values = this.#values;
    const above = values[at]! + (values[at + 1]! - values[at]!) * (x - left);
    const below = values[at + this.#side]! + (values[at + this.#side + 1]! - values[at + this.#side]!) * (x - left);
    return above + (below - above) * (y - top);
  }
}

interface TilePlace {
  readonly z: number;
  readonly x: number;
  readonly y: number;
}

/** Where the middle of a pixel is in the world, whose width and height are 1. */
function worldOf({ z, x, y }: TilePlace, column: number, row: number): [number, number] {
  const across = 2 ** z;
  return [(x + (column + 0.5) / tileSize) / across, (y + (row + 0.5) / tileSize) / across];
}

/** One tile of a world that is made of noise: the same bytes for the same place, always. */
export function renderTile(z: number, x: number, y: number): Uint8Array {
  const place = { z, x, y };
  const climate: Climate = {
    polar: new Field(place, (wx, wy) => Math.abs(wy - 0.5) * 2 + 0.06 * noise(wx * 24, wy * 24, 24, seed + 60)),
    dry: new Field(place, (wx, wy) => smooth(-0.1, 0.35, layered(wx, wy, 6, 4, seed + 70))),
  };
  const heights = heightsOf(place);
  const side = tileSize + 2;
  const pixels = new Uint8Array(tileSize * tileSize * 3);
  for (let row = 0; row < tileSize; row += 1) {
    for (let column = 0; column < tileSize; column += 1) {
      const at = (row + 1) * side + column + 1;
      const height = heights[at]!;
      const dx = heights[at + 1]! - heights[at - 1]!;
      const dy = heights[at + side]! - heights[at - side]!;
      const colour = colourAt(height, climate.polar.at(column, row), climate.dry.at(column, row));
      paint(pixels, (row * tileSize + column) * 3, colour, lightOn(dx, dy, z, height));
    }
  }
  return encodePng(pixels, tileSize, tileSize);
}

interface Climate {
  /** 0 at the equator, 1 at the poles. */
  readonly polar: Field;
  /** 0 to 1. */
  readonly dry: Field;
}

/** One more on each side: light falls on slopes, which need neighbours. */
function heightsOf(place: TilePlace): Float64Array {
  const side = tileSize + 2;
  const octaves = octavesAtZero + place.z;
  const bendX = new Field(place, (wx, wy) => 0.035 * noise(wx * 6, wy * 6, 6, seed + 100));
  const bendY = new Field(place, (wx, wy) => 0.035 * noise(wx * 6, wy * 6, 6, seed + 101));
  const heights = new Float64Array(side * side);
  for (let row = -1; row <= tileSize; row += 1) {
    for (let column = -1; column <= tileSize; column += 1) {
      const [wx, wy] = worldOf(place, column, row);
      const height = heightAt(wx + bendX.at(column, row), wy + bendY.at(column, row), octaves);
      heights[(row + 1) * side + column + 1] = height;
    }
  }
  return heights;
}

/** Continents by broad noise, whose place was bent by other noise; on land, chains of mountains. */
function heightAt(wx: number, wy: number, octaves: number): number {
  const base = layered(wx, wy, 3, octaves, seed) * 1.9 + 0.02;
  if (base <= 0) return Math.max(-1, base * 1.15);
  const inland = Math.min(1, base * 3.2);
  const chains = ridged(wx, wy, 5, octaves - 1, seed + 40);
  return Math.min(1, base * 0.5 + inland * chains ** 2.2 * 1.15);
}

function colourAt(height: number, polar: number, dry: number): Rgb {
  const base = fromRamp(height);
  if (height <= 0) return blend(base, ice, smooth(0.9, 0.97, polar) * 0.85);
  const belt = 1 - Math.min(1, Math.abs(polar - 0.36) / 0.2);
  const frost = smooth(0.8, 0.92, polar + height * 0.16);
  return blend(blend(base, desert, belt * dry * (1 - smooth(0.25, 0.6, height)) * 0.9), ice, frost);
}

/** Light from the north-west, as on printed maps. Under water slopes hardly show. */
function lightOn(dx: number, dy: number, z: number, height: number): number {
  const steep = (height > 0 ? 9 : 2.6) * 2 ** (z * 0.72);
  const nx = -dx * steep;
  const ny = -dy * steep;
  const length = Math.sqrt(nx * nx + ny * ny + 1);
  const cosine = (-0.5 * nx - 0.5 * ny + Math.SQRT1_2) / length;
  return 0.42 + 0.82 * Math.max(0, cosine);
}

function paint(pixels: Uint8Array, at: number, [red, green, blue]: Rgb, light: number): void {
  // Shadows are a little blue, as under a sky.
  pixels[at] = Math.min(255, red * light);
  pixels[at + 1] = Math.min(255, green * (light * 0.985 + 0.015));
  pixels[at + 2] = Math.min(255, blue * (light * 0.94 + 0.06));
}

function fromRamp(height: number): Rgb {
  const above = ramp.findIndex(([limit]) => height <= limit);
  if (above <= 0) return ramp[above < 0 ? ramp.length - 1 : 0]![1];
  const [low, from] = ramp[above - 1]!;
  const [high, to] = ramp[above]!;
  return blend(from, to, (height - low) / (high - low));
}

function blend(from: Rgb, to: Rgb, share: number): Rgb {
  if (share <= 0) return from;
  return [
    from[0] + (to[0] - from[0]) * share,
    from[1] + (to[1] - from[1]) * share,
    from[2] + (to[2] - from[2]) * share,
  ];
}

function smooth(low: number, high: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return t * t * (3 - 2 * t);
}
