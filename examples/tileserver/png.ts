import { crc32, deflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const channels = 3;

/** A PNG of 8-bit RGB samples, row by row (PNG, third edition, 11.2 and 12). */
export function encodePng(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  // Bit depth 8, colour type 2 (RGB); compression, filter and interlace have one value each.
  head.set([8, 2, 0, 0, 0], 8);
  const data = deflateSync(filtered(pixels, width * channels, height), { level: 6 });
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

/** Each row as differences to the row above or to the pixel before, whichever are smaller. */
function filtered(pixels: Uint8Array, stride: number, height: number): Uint8Array {
  const out = new Uint8Array((stride + 1) * height);
  const up = new Uint8Array(stride);
  for (let row = 0; row < height; row += 1) {
    const at = row * stride;
    const to = row * (stride + 1) + 1;
    let sumSub = 0;
    let sumUp = 0;
    for (let index = 0; index < stride; index += 1) {
      const value = pixels[at + index]!;
      const sub = (value - (index < channels ? 0 : pixels[at + index - channels]!)) & 255;
      const above = (value - (row === 0 ? 0 : pixels[at + index - stride]!)) & 255;
      out[to + index] = sub;
      up[index] = above;
      sumSub += sub < 128 ? sub : 256 - sub;
      sumUp += above < 128 ? above : 256 - above;
    }
    out[to - 1] = sumUp < sumSub ? 2 : 1;
    if (sumUp < sumSub) out.set(up, to);
  }
  return out;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.byteLength + 12);
  bytes.writeUInt32BE(data.byteLength, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.byteLength + 8)), data.byteLength + 8);
  return bytes;
}
