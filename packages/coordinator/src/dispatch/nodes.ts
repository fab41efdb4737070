/** What happens to nodes as such: they go silent, are cordoned, drained, removed. */
import { FogError, type NodeEventData } from '@fog/contract';
import type { Bus } from '../bus.ts';
import type { Database, Writer } from '../store/database.ts';
import type { NodeUpdate } from '../store/tables.ts';
import { insertEvents } from '../store/turn-rows.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { AgentSession } from './sessions.ts';

export interface NodesDependencies {
  database: Database;
  dispatcher: Dispatcher;
  bus: Bus;
  now: () => number;
}

export class Nodes {
  readonly #dependencies: NodesDependencies;

  constructor(dependencies: NodesDependencies) {
    this.#dependencies = dependencies;
    dependencies.bus.subscribe((hint) => {
      if (hint.kind === 'node') void this.#refresh(hint.node);
    });
  }

  /** The link of a session has ended. Its attempts go on; they are lost when the silence lasts. */
  async disconnected(session: AgentSession, why: string): Promise<void> {
    const { dispatcher, now } = this.#dependencies;
    dispatcher.sessions.remove(session);
    const silent = { state: 'unknown', silent_since: now() };
    await this.#change(session.nodeId, silent, { type: 'node.disconnected', why }, { session: session.session });
  }

  /** The node has nothing running, owes nothing, and leaves. */
  async drained(session: AgentSession): Promise<void> {
    await this.#change(session.nodeId, {}, { type: 'node.drained' }, { session: session.session });
  }

  async cordon(nodeId: string, cordoned: boolean, by: string): Promise<void> {
    const type = cordoned ? 'node.cordoned' : 'node.uncordoned';
    await this.#mustChange(nodeId, { cordoned: cordoned ? 1 : 0, ...(cordoned ? {} : { draining: 0 }) }, { type, by });
  }

  /** Cordons the node and tells it to finish within the deadline. */
  async drain(nodeId: string, deadlineMilliseconds: number, by: string): Promise<void> {
    await this.#mustChange(nodeId, { cordoned: 1, draining: 1 }, { type: 'node.draining', by });
    const session = this.#dependencies.dispatcher.sessions.get(nodeId);
    session?.link.send(JSON.stringify({ type: 'drain', deadlineMilliseconds }));
  }

  /** Forgets a node. Its attempts count as lost at once. */
  async remove(nodeId: string): Promise<void> {
    const { database, dispatcher, now } = this.#dependencies;
    const live = ['leased', 'preparing', 'running', 'uploading'];
    const attempts = await database.read
      .selectFrom('attempts')
      .select(['job_id', 'partition', 'fence'])
      .where('node_id', '=', nodeId)
      .where('state', 'in', live)
      .execute();
    // Raising the session makes every coordinator deaf to the link that may still be open.
    await this.#mustChange(nodeId, { state: 'lost', silent_since: now(), cordoned: 1 }, { type: 'node.lost' });
    const session = dispatcher.sessions.get(nodeId);
    session?.link.close('the node was removed');
    dispatcher.take(
      ...attempts.map((attempt) => ({
        kind: 'lost' as const,
        name: { job: attempt.job_id, partition: attempt.partition, fence: attempt.fence },
        node: nodeId,
      })),
    );
    await this.#settled(nodeId);
    await database.write((writer) => writer.deleteFrom('nodes').where('id', '=', nodeId).execute());
  }

  /** Waits until the dispatcher has decided on every attempt of the node. */
  async #settled(nodeId: string): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      const row = await this.#dependencies.database.read
        .selectFrom('attempts')
        .select('fence')
        .where('node_id', '=', nodeId)
        .where('state', 'in', ['leased', 'preparing', 'running', 'uploading'])
        .limit(1)
        .executeTakeFirst();
      if (row === undefined) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new FogError('conflict', 'the node still has attempts; drain it first', { retryable: true });
  }

  async #mustChange(nodeId: string, values: NodeUpdate, event: NodeEventData): Promise<void> {
    const found = await this.#change(nodeId, values, event, {});
    if (!found) throw new FogError('not-found', `there is no node ${nodeId}`, { hint: 'fog node ls' });
    await this.#refresh(nodeId);
  }

  async #change(
    nodeId: string,
    values: NodeUpdate,
    event: NodeEventData,
    only: { session?: number },
  ): Promise<boolean> {
    const { database, bus, now } = this.#dependencies;
    const found = await database.write((writer) => changeNode(writer, nodeId, values, event, now(), only));
    if (!found) return false;
    bus.publish({ kind: 'streams', ids: [nodeId] });
    bus.publish({ kind: 'node', node: nodeId });
    return true;
  }

  /** Takes over into the session what another coordinator, or a route, has changed in the database. */
  async #refresh(nodeId: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    const session = dispatcher.sessions.get(nodeId);
    if (session === undefined) return;
    const row = await database.read
      .selectFrom('nodes')
      .select(['cordoned', 'draining', 'session'])
      .where('id', '=', nodeId)
      .executeTakeFirst();
    if (row === undefined || row.session > session.session) {
      session.link.close('the node is connected elsewhere or was removed');
      return;
    }
    session.cordoned = row.cordoned === 1;
    session.draining = row.draining === 1;
    dispatcher.wake();
  }
}

/** Updates a node and appends to its stream. Answers whether there is such a node (of this session). */
export async function changeNode(
  writer: Writer,
  nodeId: string,
  values: NodeUpdate,
  event: NodeEventData,
  now: number,
  only: { session?: number } = {},
): Promise<boolean> {
  let update = writer
    .updateTable('nodes')
    .set((row) => ({ ...values, next_sequence: row('next_sequence', '+', 1) }))
    .where('id', '=', nodeId);
  if (only.session !== undefined) update = update.where('session', '=', only.session);
  const row = await update.returning('next_sequence').executeTakeFirst();
  if (row === undefined) return false;
  await insertEvents(writer, [[nodeId, row.next_sequence - 1, now, JSON.stringify(event)]]);
  return true;
}
