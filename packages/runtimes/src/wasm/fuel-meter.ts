/**
 * Counts what a module does, in units that are the same on every machine: its fuel.
 *
 * A function is cut into pieces that control enters at their beginning alone: at the entry of the function, at the head of
 * a loop, in each arm of a condition, behind a conditional branch, behind the end of what a branch leads out of. Each piece
 * adds its instructions to a global before it runs; a trap or an exit in it leaves the whole of it counted. In a module with
 * exceptions of its own, pieces end behind calls too, so that an exception leaves nothing behind it counted.
 *
 *     an instruction                                      1
 *     end, else, catch: they only part others             0
 *     memory.fill, .copy, .init                           1 more for each 4 bytes
 *     memory.grow that was granted                        1 more for each 4 bytes
 *     table.fill, .copy, .init; table.grow, if granted    1 more for each element
 *
 * What host functions count is added by the runtime (`fuel.ts`): so much for each call, and for what it is given to move.
 */
import { BinaryReader } from './binary-reader.ts';
import { FUEL } from './fuel.ts';
import { skipBlockType } from './instructions.ts';
import { CODE, type ModuleAdditions } from './module-additions.ts';

/** Replaces what stands from `at` to `until` in a body. */
export interface Edit {
  at: number;
  until: number;
  code: readonly number[] | Uint8Array;
}

const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  try: 0x06,
  catch: 0x07,
  throw: 0x08,
  rethrow: 0x09,
  throwRef: 0x0a,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  callRef: 0x14,
  returnCallRef: 0x15,
  delegate: 0x18,
  catchAll: 0x19,
  tryTable: 0x1f,
  bulkPrefix: 0xfc,
  brOnNull: 0xd5,
  brOnNonNull: 0xd6,
} as const;

const MEMORY_OPERATIONS: readonly number[] = [8, 10, 11];
const TABLE_OPERATIONS: readonly number[] = [12, 14, 17];
const TABLE_GROW = 15;

/** i64.extend_i32_u, i64.add, i64.shr_u */
const [EXTEND, ADD, SHIFT] = [0xad, 0x7c, 0x88];

/** What a module needs to count; functions are added as they are used. */
export class FuelMeter {
  readonly exportName: string;
  readonly #additions: ModuleAdditions;
  readonly #global: number;
  readonly #calls = new Map<string, readonly number[]>();
  #wanted: number | null = null;

  constructor(additions: ModuleAdditions) {
    this.#additions = additions;
    this.#global = additions.addGlobal('i64');
    this.exportName = additions.addExport('fog:fuel', 'global', this.#global);
  }

  /** Code that adds a number of units. */
  charge(units: number): readonly number[] {
    return this.add(CODE.i64(units));
  }

  /** Code that adds what `units` leaves on the stack, an i64. */
  add(units: readonly number[]): number[] {
    return [...CODE.globalGet(this.#global), ...units, ADD, ...CODE.globalSet(this.#global)];
  }

  /** A call that leaves the number of bytes on the stack as it is, and counts it. */
  get chargeBytes(): readonly number[] {
    return this.#call('bytes', () => {
      const units = [...CODE.localGet0, EXTEND, ...CODE.i64(FUEL.bytesLog2), SHIFT];
      return [...this.add(units), ...CODE.localGet0];
    });
  }

  get chargeElements(): readonly number[] {
    return this.#call('elements', () => [...this.add([...CODE.localGet0, EXTEND]), ...CODE.localGet0]);
  }

  /** Before a table grows: remembers by how much. */
  get noteGrowth(): readonly number[] {
    return this.#call('wanted', () => [...CODE.localGet0, ...CODE.globalSet(this.#wantedGlobal()), ...CODE.localGet0]);
  }

  /** Behind it: counts that, unless it was refused. */
  get chargeGrowth(): readonly number[] {
    return this.#call('granted', () => [
      ...[...CODE.localGet0, ...CODE.i32(-1), 0x47, 0x04, 0x40], // local.get 0; i32.const -1; i32.ne; if
      ...this.add([...CODE.globalGet(this.#wantedGlobal()), EXTEND]),
      ...[0x0b, ...CODE.localGet0], // end; local.get 0
    ]);
  }

  #wantedGlobal(): number {
    this.#wanted ??= this.#additions.addGlobal('i32');
    return this.#wanted;
  }

  #call(name: string, code: () => readonly number[]): readonly number[] {
    return this.#calls.getOrInsertComputed(name, () => CODE.call(this.#additions.addFunction(code())));
  }
}

interface Control {
  /** What its end is: of a loop nothing can lead there, of a condition both arms do. */
  kind: 'block' | 'loop' | 'arms';
  isTarget: boolean;
}

/** Walks over one body, instruction by instruction, and leaves the edits that meter it. */
export class BodyMeter {
  readonly #meter: FuelMeter;
  readonly #bytes: Uint8Array;
  /** Of the body in `bytes`. */
  readonly #first: number;
  readonly #edits: Edit[];
  readonly #endsAtCalls: boolean;
  readonly #controls: Control[] = [{ kind: 'block', isTarget: false }];
  /** Where the piece begins; null where nothing runs. */
  #piece: Edit | null = null;
  #cost = 0;

  /** `at`: of the first instruction. */
  constructor(
    meter: FuelMeter,
    {
      bytes,
      first,
      at,
      edits,
      endsAtCalls,
    }: { bytes: Uint8Array; first: number; at: number; edits: Edit[]; endsAtCalls: boolean },
  ) {
    this.#meter = meter;
    this.#bytes = bytes;
    this.#first = first;
    this.#edits = edits;
    this.#endsAtCalls = endsAtCalls;
    this.#begin(at);
  }

  /** The next instruction, from `start` to `end` in `bytes`. */
  take(opcode: number, start: number, end: number): void {
    switch (opcode) {
      case OP.end:
      case OP.delegate:
        return this.#leave(end);
      case OP.else:
      case OP.catch:
      case OP.catchAll:
        return this.#begin(end);
      case OP.loop:
        // A branch to it enters it again.
        this.#controls.push({ kind: 'loop', isTarget: false });
        this.#begin(end);
        this.#cost += 1;
        return;
      default:
        this.#cost += 1;
        this.#follow(opcode, start, end);
    }
  }

  #follow(opcode: number, start: number, end: number): void {
    switch (opcode) {
      case OP.block:
        this.#controls.push({ kind: 'block', isTarget: false });
        return;
      case OP.try:
        this.#controls.push({ kind: 'arms', isTarget: false });
        return;
      case OP.if:
        this.#controls.push({ kind: 'arms', isTarget: false });
        return this.#begin(end);
      case OP.tryTable:
        this.#aimCatches(start);
        this.#controls.push({ kind: 'block', isTarget: false });
        return;
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        this.#aim(new BinaryReader(this.#bytes, start + 1).u32());
        return this.#begin(end);
      case OP.br:
        this.#aim(new BinaryReader(this.#bytes, start + 1).u32());
        return this.#stop();
      case OP.brTable:
        this.#aimTable(start);
        return this.#stop();
      case OP.unreachable:
      case OP.return:
      case OP.throw:
      case OP.rethrow:
      case OP.throwRef:
      case OP.returnCall:
      case OP.returnCallIndirect:
      case OP.returnCallRef:
        return this.#stop();
      case OP.call:
      case OP.callIndirect:
      case OP.callRef:
        if (this.#endsAtCalls) this.#begin(end);
        return;
      case OP.bulkPrefix:
        return this.#bulk(start, end);
    }
  }

  #leave(end: number): void {
    const control = this.#controls.pop();
    const isEntered = control?.kind === 'arms' || (control?.kind === 'block' && control.isTarget);
    if (this.#controls.length === 0) this.#stop();
    else if (isEntered) this.#begin(end);
  }

  #begin(at: number): void {
    this.#stop();
    this.#piece = { at: at - this.#first, until: at - this.#first, code: NOTHING };
    this.#edits.push(this.#piece);
  }

  /** The piece ends here; behind it nothing runs until another begins. */
  #stop(): void {
    if (this.#piece !== null && this.#cost > 0) this.#piece.code = this.#meter.charge(this.#cost);
    this.#piece = null;
    this.#cost = 0;
  }

  #aim(label: number): void {
    const control = this.#controls[this.#controls.length - 1 - label];
    if (control !== undefined) control.isTarget = true;
  }

  #aimTable(start: number): void {
    const reader = new BinaryReader(this.#bytes, start + 1);
    for (let rest = reader.count() + 1; rest > 0; rest -= 1) this.#aim(reader.u32());
  }

  /** Their labels are those outside of the block. */
  #aimCatches(start: number): void {
    const reader = new BinaryReader(this.#bytes, start + 1);
    skipBlockType(reader);
    for (let rest = reader.count(); rest > 0; rest -= 1) {
      if (reader.byte() < 2) reader.u32();
      this.#aim(reader.u32());
    }
  }

  #bulk(start: number, end: number): void {
    const operation = new BinaryReader(this.#bytes, start + 1).u32();
    if (MEMORY_OPERATIONS.includes(operation)) this.#insert(start, this.#meter.chargeBytes);
    else if (TABLE_OPERATIONS.includes(operation)) this.#insert(start, this.#meter.chargeElements);
    else if (operation === TABLE_GROW) {
      this.#insert(start, this.#meter.noteGrowth);
      this.#insert(end, this.#meter.chargeGrowth);
    }
  }

  #insert(at: number, code: readonly number[]): void {
    this.#edits.push({ at: at - this.#first, until: at - this.#first, code });
  }
}

const NOTHING: readonly number[] = [];
