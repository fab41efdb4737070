/** Objects of a cluster with versions, and the events of their changes: what etcd and the API machinery are together. */
import { randomUUID } from 'node:crypto';

export interface StoredObject {
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    creationTimestamp: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { uid: string; name: string }[];
  };
  // biome-ignore lint/suspicious/noExplicitAny: any document may be stored.
  spec?: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same.
  status?: any;
  [field: string]: unknown;
}

export interface StoreEvent {
  version: number;
  kind: string;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: StoredObject;
}

export class ObjectStore {
  readonly #objects = new Map<string, StoredObject>();
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  events: StoreEvent[] = [];
  version = 100;
  /** Events up to this version are forgotten: who wants to go on from before gets 410. */
  compactedVersion = 0;

  get(kind: string, name: string): StoredObject | undefined {
    return this.#objects.get(`${kind}/${name}`);
  }

  list(kind: string, selector: Record<string, string> = {}): StoredObject[] {
    return [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${kind}/`) && matches(object, selector))
      .map(([, object]) => object);
  }

  /** Null when the name is taken. */
  create(kind: string, document: Record<string, unknown>): StoredObject | null {
    const metadata = document.metadata as StoredObject['metadata'];
    if (this.#objects.has(`${kind}/${metadata.name}`)) return null;
    const creationTimestamp = new Date().toISOString();
    const object = {
      ...document,
      metadata: { ...metadata, uid: randomUUID(), creationTimestamp, resourceVersion: '' },
    };
    this.#put(kind, 'ADDED', object);
    return object;
  }

  /** Applies a change to a copy; nothing when it is gone. */
  change(kind: string, name: string, apply: (object: StoredObject) => void): StoredObject | undefined {
    const existing = this.get(kind, name);
    if (existing === undefined) return undefined;
    const object = structuredClone(existing);
    apply(object);
    this.#put(kind, 'MODIFIED', object);
    return object;
  }

  delete(kind: string, name: string): void {
    const object = this.get(kind, name);
    if (object === undefined) return;
    this.#objects.delete(`${kind}/${name}`);
    this.#emit(kind, 'DELETED', structuredClone(object));
  }

  /** Forgets the past, as etcd does every five minutes. */
  compact(): void {
    this.compactedVersion = this.version;
    this.events = [];
  }

  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(kind: string, type: StoreEvent['type'], object: StoredObject): void {
    this.#objects.set(`${kind}/${object.metadata.name}`, object);
    this.#emit(kind, type, object);
  }

  #emit(kind: string, type: StoreEvent['type'], object: StoredObject): void {
    this.version += 1;
    object.metadata.resourceVersion = String(this.version);
    const event = { version: this.version, kind, type, object };
    this.events.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}

export function matches(object: StoredObject, selector: Record<string, string>): boolean {
  return Object.entries(selector).every(([label, value]) => object.metadata.labels?.[label] === value);
}
