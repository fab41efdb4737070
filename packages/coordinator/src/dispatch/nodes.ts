/** What happens to nodes as such: they go silent, are cordoned, drained, removed. */

import { isDeepStrictEqual } from 'node:util';
import { FogError, type NodeEventData } from '@fog/contract';
import type { ExpressionBuilder, UpdateObject } from 'kysely';
import type { Bus } from '../bus.ts';
import type { Database, Writer } from '../store/database.ts';
import { IS_LIVE } from '../store/live-attempts.ts';
import type { NodeUpdate, Tables } from '../store/tables.ts';
import { insertEvents } from '../store/turn-rows.ts';
import { readTrust } from '../store/verification-rows.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { AgentSession } from './sessions.ts';
import { askForResults, stopReason } from './verification/reveals.ts';

export interface NodesDependencies {
  database: Database;
  dispatcher: Dispatcher;
  bus: Bus;
  coordinatorId: string;
  now: () => number;
}

export class Nodes {
  readonly #dependencies: NodesDependencies;
  #stopped = false;

  constructor(dependencies: NodesDependencies) {
    this.#dependencies = dependencies;
    dependencies.bus.subscribe((hint) => {
      if (hint.kind === 'node') this.#quietly(this.#refresh(hint.node));
      if (hint.kind === 'stop') this.#quietly(this.#stopDecided(hint.job));
      if (hint.kind === 'reveal') this.#quietly(askForResults(dependencies.database, dependencies.dispatcher.sessions));
    });
  }

  /** The coordinator stops: all its nodes fall silent at once, so the end of each link needs no note of its own. */
  async stop(): Promise<void> {
    const { database, coordinatorId, now } = this.#dependencies;
    this.#stopped = true;
    await database.write((writer) =>
      writer
        .updateTable('nodes')
        .set({ state: 'unknown', silent_since: now() })
        .where('coordinator_id', '=', coordinatorId)
        .where('state', '=', 'connected')
        .execute(),
    );
  }

  /** The link of a session has ended. Its attempts go on; they are lost when the silence lasts. */
  async disconnected(session: AgentSession, why: string): Promise<void> {
    const { dispatcher, now } = this.#dependencies;
    dispatcher.sessions.remove(session);
    if (this.#stopped) return;
    const values = (row: ExpressionBuilder<Tables, 'nodes'>) => ({
      state: 'unknown',
      silent_since: now(),
      losses: row('losses', '+', session.isLeaving ? 0 : 1),
      connected_milliseconds: row('connected_milliseconds', '+', Math.max(0, now() - session.connectedAt)),
    });
    await this.#change(session.nodeId, values, { type: 'node.disconnected', why }, { session: session.session });
  }

  /** The node has nothing running, owes nothing, and leaves. */
  async drained(session: AgentSession): Promise<void> {
    session.isLeaving = true;
    await this.#change(session.nodeId, {}, { type: 'node.drained' }, { session: session.session });
  }

  async cordon(nodeId: string, cordoned: boolean, by: string): Promise<void> {
    const type = cordoned ? 'node.cordoned' : 'node.uncordoned';
    await this.#mustChange(
      nodeId,
      { cordoned: cordoned ? 1 : 0, ...(cordoned ? {} : { drain_until: null }) },
      { type, by },
    );
  }

  /** Takes its results as they are from now on, and lets it decide where those of others differ; or lifts that. */
  async trust(nodeId: string, trusted: boolean, by: string): Promise<void> {
    const type = trusted ? 'node.trusted' : 'node.untrusted';
    await this.#mustChange(nodeId, { trusted: trusted ? 1 : 0 }, { type, by });
  }

  /** Places nothing more on the node and tells it to finish within the deadline. Its next start ends that. */
  async drain(nodeId: string, deadlineMilliseconds: number, by: string): Promise<void> {
    const until = this.#dependencies.now() + deadlineMilliseconds;
    await this.#mustChange(nodeId, { drain_until: until }, { type: 'node.draining', by });
  }

  /** Forgets a node. Its attempts count as lost at once. */
  async remove(nodeId: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    // Raising the session makes every coordinator deaf to the link that may still be open.
    const session = await this.#forgetSession(nodeId);
    const open = dispatcher.sessions.get(nodeId);
    if (open !== undefined) {
      dispatcher.sessions.remove(open);
      open.link.close('the node was removed');
    }
    await this.#loseAttempts(nodeId);
    const isGone = await database.write(async (writer) => {
      const deleted = await writer
        .deleteFrom('nodes')
        .where('id', '=', nodeId)
        .where('session', '=', session)
        .executeTakeFirst();
      if (deleted.numDeletedRows === 0n) return false;
      // Should it join again some day, its stream begins anew.
      await writer.deleteFrom('events').where('stream', '=', nodeId).execute();
      await writer.deleteFrom('node_trust').where('node_id', '=', nodeId).execute();
      return true;
    });
    if (isGone) return;
    throw new FogError('conflict', 'the node has connected again; stop its agent first', { retryable: true });
  }

  /** Answers the number of the session that ends all earlier ones. */
  async #forgetSession(nodeId: string): Promise<number> {
    const { database, bus, now } = this.#dependencies;
    const session = await database.write(async (writer) => {
      const values = { state: 'lost', silent_since: now(), cordoned: 1 };
      if (!(await changeNode(writer, nodeId, values, { type: 'node.lost' }, now()))) return null;
      const row = await writer
        .updateTable('nodes')
        .set((column) => ({ session: column('session', '+', 1) }))
        .where('id', '=', nodeId)
        .returning('session')
        .executeTakeFirstOrThrow();
      return row.session;
    });
    if (session === null) throw noSuchNode(nodeId);
    bus.publish({ kind: 'streams', ids: [nodeId] });
    bus.publish({ kind: 'node', node: nodeId });
    return session;
  }

  /** Ends every attempt of the node, those it may still have alive included; a lease that was under way may add one. */
  async #loseAttempts(nodeId: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    for (let tries = 0; tries < 100; tries += 1) {
      await dispatcher.settled();
      const attempts = await database.read
        .selectFrom('attempts')
        .select(['job_id as job', 'partition', 'fence'])
        .where('node_id', '=', nodeId)
        .where(IS_LIVE)
        .execute();
      if (attempts.length === 0) return;
      dispatcher.take(...attempts.map((name) => ({ kind: 'removed' as const, name })));
      await dispatcher.settled();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new FogError('conflict', 'the node still has attempts; drain it first', { retryable: true });
  }

  async #mustChange(nodeId: string, values: NodeUpdate, event: NodeEventData): Promise<void> {
    const found = await this.#change(nodeId, values, event, {});
    if (!found) throw noSuchNode(nodeId);
    await this.#refresh(nodeId);
  }

  async #change(
    nodeId: string,
    values: NodeChange,
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

  /** Another coordinator has decided on attempts of this job: those that run on nodes of ours are stopped. */
  async #stopDecided(job: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    for (const session of dispatcher.sessions.all()) {
      const held = [...session.held.values()].filter(({ name }) => name.job === job).map(({ name }) => name);
      if (held.length === 0) continue;
      const rows = await database.read
        .selectFrom('attempts')
        .select(['partition', 'fence', 'state'])
        .where('job_id', '=', job)
        .where('node_id', '=', session.nodeId)
        .where('state', 'in', ['cancelled', 'superseded', 'failed'])
        .execute();
      const decided = new Map(rows.map(({ partition, fence, state }) => [`${partition}/${fence}`, stopReason(state)]));
      const attempts = held.flatMap((attempt) => {
        const reason = decided.get(`${attempt.partition}/${attempt.fence}`);
        return reason === undefined ? [] : [{ attempt, reason }];
      });
      if (attempts.length === 0) continue;
      for (const { attempt } of attempts) session.release(attempt);
      session.link.send(JSON.stringify({ type: 'stop', attempts }));
    }
    dispatcher.wake();
  }

  /** A hint may get lost, so it may fail as well: what it tells of stands in the database. */
  #quietly(work: Promise<void>): void {
    work.catch(() => undefined);
  }

  /** Takes over into the session what another coordinator, or a route, has changed in the database. */
  async #refresh(nodeId: string): Promise<void> {
    const { database, dispatcher, now } = this.#dependencies;
    const session = dispatcher.sessions.get(nodeId);
    if (session === undefined) return;
    const row = await database.read
      .selectFrom('nodes')
      .select(['cordoned', 'drain_until', 'session', 'trusted'])
      .where('id', '=', nodeId)
      .executeTakeFirst();
    if (row === undefined || row.session > session.session) {
      session.link.close('the node is connected elsewhere or was removed');
      return;
    }
    session.cordoned = row.cordoned === 1;
    const isTrusted = row.trusted === 1;
    const records = (await readTrust(database.read, [nodeId], now())).get(nodeId) ?? { trust: {}, reputation: {} };
    if (session.identity.trusted !== isTrusted || !isDeepStrictEqual(session.records, records)) {
      session.identity.trusted = isTrusted;
      session.records = records;
      dispatcher.sessions.changed(session);
    }
    const isNews = row.drain_until !== null && row.drain_until !== session.drainUntil;
    session.drainUntil = row.drain_until;
    if (isNews) session.sendDrain(now());
    dispatcher.wake();
  }
}

function noSuchNode(nodeId: string): FogError {
  return new FogError('not-found', `there is no node ${nodeId}`, { hint: 'fog node ls' });
}

/** New values of columns, or what computes them from the row. */
export type NodeChange = NodeUpdate | ((row: ExpressionBuilder<Tables, 'nodes'>) => UpdateObject<Tables, 'nodes'>);

/** Updates a node and appends to its stream. Answers whether there is such a node (of this session). */
export async function changeNode(
  writer: Writer,
  nodeId: string,
  values: NodeChange,
  event: NodeEventData,
  now: number,
  only: { session?: number } = {},
): Promise<boolean> {
  let update = writer
    .updateTable('nodes')
    .set((row) => ({
      ...(typeof values === 'function' ? values(row) : values),
      next_sequence: row('next_sequence', '+', 1),
    }))
    .where('id', '=', nodeId);
  if (only.session !== undefined) update = update.where('session', '=', only.session);
  const row = await update.returning('next_sequence').executeTakeFirst();
  if (row === undefined) return false;
  await insertEvents(writer, [[nodeId, row.next_sequence - 1, now, JSON.stringify(event)]]);
  return true;
}
