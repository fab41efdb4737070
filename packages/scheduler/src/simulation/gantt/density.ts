/** Many small bars as shades: how much of each cell of a grid they cover. */

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

export const SHADES = 5;

/** A grid over a width and height in pixels. */
export class DensityGrid {
  readonly #columns: number;
  readonly #rows: number;
  readonly #cellWidth: number;
  readonly #cellHeight: number;
  readonly #covered: Float64Array;

  constructor({ width, height }: { width: number; height: number }, cell: { width: number; height: number }) {
    this.#columns = Math.max(1, Math.round(width / cell.width));
    this.#rows = Math.max(1, Math.round(height / cell.height));
    this.#cellWidth = width / this.#columns;
    this.#cellHeight = height / this.#rows;
    this.#covered = new Float64Array(this.#columns * this.#rows);
  }

  add({ x, y, width, height }: Rectangle): void {
    const columns = cellsUnder(x / this.#cellWidth, (x + width) / this.#cellWidth, this.#columns);
    const rows = cellsUnder(y / this.#cellHeight, (y + height) / this.#cellHeight, this.#rows);
    for (const [row, down] of rows) {
      for (const [column, across] of columns) {
        const at = row * this.#columns + column;
        this.#covered[at] = (this.#covered[at] as number) + down * across;
      }
    }
  }

  /** By shade, 1 to `SHADES`: neighbours in a row are one rectangle. What is hardly covered has the lightest shade. */
  *rectangles(): Generator<Rectangle & { shade: number }> {
    for (let row = 0; row < this.#rows; row += 1) {
      let from = 0;
      for (let column = 1; column <= this.#columns; column += 1) {
        const shade = this.#shadeOf(row, from);
        if (column < this.#columns && this.#shadeOf(row, column) === shade) continue;
        if (shade > 0) {
          yield {
            shade,
            x: from * this.#cellWidth,
            y: row * this.#cellHeight,
            width: (column - from) * this.#cellWidth,
            height: this.#cellHeight,
          };
        }
        from = column;
      }
    }
  }

  #shadeOf(row: number, column: number): number {
    const covered = this.#covered[row * this.#columns + column] as number;
    return covered === 0 ? 0 : Math.min(SHADES, 1 + Math.floor(covered * SHADES));
  }
}

/** Cells between two places, each with the part of it that lies between them. */
function cellsUnder(from: number, to: number, cells: number): [cell: number, part: number][] {
  const under: [number, number][] = [];
  for (let cell = Math.max(0, Math.floor(from)); cell < cells && cell < to; cell += 1) {
    under.push([cell, Math.min(to, cell + 1) - Math.max(from, cell)]);
  }
  return under;
}
