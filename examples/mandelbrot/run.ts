/**
 * A picture of the Mandelbrot set, rendered in tiles by the fog.
 *
 *     npx node examples/mandelbrot/run.ts FILE.png [WIDTH]
 *
 * `fog.map` sends tiles to the nodes and hands back their pixels in order, while the rest is still being rendered.
 */
import { writeFileSync } from 'node:fs';
import { Fog } from '@fog/sdk';
import { PNG } from 'pngjs';
import { renderTile, type Tile, type View } from './tile.ts';

const [file, widthText = '1920'] = process.argv.slice(2);
const width = Number(widthText);
if (file === undefined || !Number.isInteger(width) || width < 64) {
  process.stderr.write('usage: npx node examples/mandelbrot/run.ts FILE.png [WIDTH, at least 64]\n');
  process.exit(2);
}
const height = Math.round((width * 9) / 16);
const view: View = { width, height, centre: [-0.743643887, 0.131825904], span: 0.004, iterations: 2000 };

const tiles: Tile[] = [];
const size = Math.ceil(width / 12);
for (let y = 0; y < height; y += size) {
  for (let x = 0; x < width; x += size) {
    tiles.push({ x, y, width: Math.min(size, width - x), height: Math.min(size, height - y) });
  }
}

const fog = await Fog.connect();
const picture = new PNG({ width, height, colorType: 2 });
let done = 0;
for await (const pixels of fog.map(tiles, renderTile, { context: view })) {
  paste(tiles[done] as Tile, pixels);
  done += 1;
  process.stderr.write(`\r${done} of ${tiles.length} tiles`);
}
process.stderr.write('\n');
writeFileSync(file, PNG.sync.write(picture, { colorType: 2 }));
process.stdout.write(`${file}: ${width} x ${height} pixels\n`);

function paste(tile: Tile, pixels: Uint8Array): void {
  for (let row = 0; row < tile.height; row += 1) {
    for (let column = 0; column < tile.width; column += 1) {
      const from = (row * tile.width + column) * 3;
      const to = ((tile.y + row) * width + tile.x + column) * 4;
      picture.data.set(pixels.subarray(from, from + 3), to);
      picture.data[to + 3] = 255;
    }
  }
}
