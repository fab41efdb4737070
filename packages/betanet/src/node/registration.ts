/**
 * A relay's part in each round of the directory: it sends its descriptor to all authorities until they have it, and as
 * a mix, once the seed is known, its proof in the lottery.
 *
 *     descriptor   due --made once an epoch--> sent, to all, again and again --all have it--> done
 *     proof        due, when its step begins --seed is agreed--> sent, likewise, until the step is over --> done
 *
 * The two go on side by side: the time for proofs is short, and an authority that does not answer must not use it up.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Descriptor, SignedDescriptor } from '../directory/documents.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import { agreedSeed, descriptorEpoch, makeDescriptor, makeDrawProof } from '../directory/relay-part.ts';
import { momentAt, nextDeadline, roundFor } from '../directory/schedule.ts';
import type { DirectoryClient } from '../directory-service/directory-client.ts';
import { DIRECTORY_SERVICE_LIMITS } from '../directory-service/limits.ts';
import type { NodeIdentity } from './node-identity.ts';

export interface RegistrationOptions {
  genesis: Genesis;
  directory: Pick<DirectoryClient, 'publish' | 'prove' | 'seeds'>;
  identity: NodeIdentity;
  /** Milliseconds since 1970. */
  now(): number;
  folder: string;
  describe(): Pick<Descriptor, 'role' | 'operator' | 'operatorProof' | 'addresses' | 'protocolVersions'>;
  /** Public keys of the epoch and the next two. */
  sphinxKeys(epoch: number): Promise<Descriptor['sphinxKeys']>;
  /** Too few authorities have taken the descriptor, or the proof; told once a round. */
  troubled(what: 'descriptor' | 'proof', epoch: number, reasons: Record<string, string>): void;
}

export class Registration implements Disposable {
  readonly #options: RegistrationOptions;
  #registeredEpoch: number | null = null;
  #sequence: number;
  /** Epochs for which everything is done, by what. */
  readonly #done = { descriptor: Number.NEGATIVE_INFINITY, proof: Number.NEGATIVE_INFINITY };
  #toldEpoch = { descriptor: Number.NEGATIVE_INFINITY, proof: Number.NEGATIVE_INFINITY };
  #descriptor: SignedDescriptor | null = null;
  readonly #timers = new Map<'descriptor' | 'proof', NodeJS.Timeout>();
  #isStopped = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#sequence = options.now();
    void this.#followDescriptors();
    void this.#followProofs();
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #followDescriptors(): Promise<void> {
    const epoch = descriptorEpoch(this.#options.genesis, this.#options.now());
    await this.#publish(epoch).catch((error: unknown) => this.#tell('descriptor', epoch, { error: String(error) }));
    this.#again('descriptor', () => void this.#followDescriptors());
  }

  async #followProofs(): Promise<void> {
    const moment = momentAt(this.#options.genesis, this.#options.now());
    if (moment?.step === 'proofs') {
      const { epoch } = moment;
      await this.#prove(epoch).catch((error: unknown) => this.#tell('proof', epoch, { error: String(error) }));
    }
    this.#again('proof', () => void this.#followProofs());
  }

  #again(what: 'descriptor' | 'proof', follow: () => void): void {
    if (!this.#isStopped) this.#timers.set(what, setTimeout(follow, this.#pause()));
  }

  async #publish(epoch: number): Promise<void> {
    if (this.#done.descriptor >= epoch) return;
    // Sent again it is the same, so that whoever has it already need not write it down anew.
    if (this.#descriptor?.body.epoch !== epoch) this.#descriptor = await this.#makeDescriptor(epoch);
    this.#concluded('descriptor', epoch, await this.#options.directory.publish(this.#descriptor));
  }

  async #makeDescriptor(epoch: number): Promise<SignedDescriptor> {
    const { genesis, identity, describe, sphinxKeys } = this.#options;
    this.#sequence = Math.max(this.#sequence + 1, this.#options.now());
    return makeDescriptor(
      genesis,
      {
        ...describe(),
        epoch,
        sequence: this.#sequence,
        identityKey: identity.identityKey,
        linkKey: identity.linkKey,
        vrfKey: identity.vrfKey,
        registeredEpoch: await this.#registration(epoch - 1),
        sphinxKeys: await sphinxKeys(epoch),
      },
      identity.sign,
    );
  }

  async #prove(epoch: number): Promise<void> {
    const { genesis, directory, identity, describe } = this.#options;
    if (this.#done.proof >= epoch || describe().role !== 'mix') return;
    const notices = (await directory.seeds(epoch)).map(({ value }) => value);
    const seed = agreedSeed(genesis, epoch, notices);
    if (seed === null) return;
    const draw = { network: networkIdOf(genesis), epoch, seed, id: identity.id };
    this.#concluded('proof', epoch, await directory.prove(makeDrawProof(draw, identity.vrfSecretKey)));
  }

  /** With a threshold of authorities it is as good as done; the others may be down. */
  #concluded(
    what: 'descriptor' | 'proof',
    epoch: number,
    { taken, refused }: { taken: string[]; refused: Map<string, string> },
  ): void {
    const { genesis } = this.#options;
    if (taken.length === genesis.authorities.length) this.#done[what] = epoch;
    if (taken.length < genesis.threshold) this.#tell(what, epoch, Object.fromEntries(refused));
  }

  #tell(what: 'descriptor' | 'proof', epoch: number, reasons: Record<string, string>): void {
    if (this.#isStopped || this.#toldEpoch[what] === epoch) return;
    this.#toldEpoch[what] = epoch;
    this.#options.troubled(what, epoch, reasons);
  }

  /** The epoch in which the key for the lottery was first registered: it counts in later ones. */
  async #registration(epoch: number): Promise<number> {
    if (this.#registeredEpoch !== null) return this.#registeredEpoch;
    const { folder, identity } = this.#options;
    const path = join(folder, 'registration.json');
    const stored = await readFile(path, 'utf8')
      .then(JSON.parse)
      .catch(() => null);
    const isOurs = stored?.vrfKey === identity.vrfKey && Number.isInteger(stored?.epoch) && stored.epoch <= epoch;
    if (!isOurs) await writeFile(path, JSON.stringify({ vrfKey: identity.vrfKey, epoch }), { mode: 0o600 });
    this.#registeredEpoch = isOurs ? (stored.epoch as number) : epoch;
    return this.#registeredEpoch;
  }

  /** Some times in each step, and at its beginning. */
  #pause(): number {
    const { genesis } = this.#options;
    const now = this.#options.now();
    const { startsAtMilliseconds, endsAtMilliseconds } = roundFor(genesis, momentAt(genesis, now)?.epoch ?? 0);
    const { leastPollMilliseconds, mostPollMilliseconds, pollsPerRound } = DIRECTORY_SERVICE_LIMITS;
    const usual = (endsAtMilliseconds - startsAtMilliseconds) / pollsPerRound;
    const pause = Math.min(usual, nextDeadline(genesis, now) - now);
    return Math.min(Math.max(pause, leastPollMilliseconds), mostPollMilliseconds);
  }
}
