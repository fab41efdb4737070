/** One tile of the Mandelbrot set. Self-contained: the text of this function travels to the nodes. */

export interface Tile {
  /** Place and size in the picture, in pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface View {
  /** Of the whole picture, in pixels. */
  width: number;
  height: number;
  /** Middle of the picture and length of its lower edge, in the complex plane. */
  centre: [real: number, imaginary: number];
  span: number;
  iterations: number;
}

/** Red, green and blue of every pixel of the tile, row by row. */
export function renderTile(tile: Tile, { context: view }: { context: View }): Uint8Array {
  const pixels = new Uint8Array(tile.width * tile.height * 3);
  const step = view.span / view.width;
  for (let row = 0; row < tile.height; row += 1) {
    for (let column = 0; column < tile.width; column += 1) {
      const cr = view.centre[0] + (tile.x + column - view.width / 2) * step;
      const ci = view.centre[1] + (tile.y + row - view.height / 2) * step;
      let zr = 0;
      let zi = 0;
      let steps = 0;
      while (steps < view.iterations && zr * zr + zi * zi < 256) {
        const next = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = next;
        steps += 1;
      }
      if (steps === view.iterations) continue; // inside: black
      const smooth = steps + 1 - Math.log2(Math.log2(zr * zr + zi * zi) / 2);
      const phase = 0.045 * smooth;
      const at = (row * tile.width + column) * 3;
      pixels[at] = 127.5 * (1 + Math.sin(phase + 4.2));
      pixels[at + 1] = 127.5 * (1 + Math.sin(phase + 5.1));
      pixels[at + 2] = 127.5 * (1 + Math.sin(phase + 6.1));
    }
  }
  return pixels;
}
