/*
 * A batch goes through three stages, since the multiplications of many packets are done at once:
 *
 *     1  version; shared secrets, one batch of X25519
 *     2  per packet: zero secret, keys, MAC; then tag of replays, routing information, commands, body
 *     3  blinded elements of those that go on, another batch of X25519
 *
 * Packets may lie in memory that other threads write at the same time. What is checked is therefore copied first, and no
 * length or address depends on what packets hold.
 */
#include "unwrap.h"

#include "chacha20.h"

#define STREAM_BYTES ((MOST_HOPS + 1) * SLOT_BYTES)
#define HEADER_BYTES (VERSION_BYTES + X25519_BYTES + MOST_HOPS * SLOT_BYTES + MAC_BYTES)

/* Values of OUTCOME_STATUS in src/outcome.ts, and where the fields of a record begin. */
enum { FORWARD = 0, DELIVER = 1, REPLY = 2, MALFORMED = 16, BAD_MAC = 17, ZERO_SECRET = 18, BAD_PAYLOAD = 19 };
enum { DELAY_AT = 4, TAG_AT = 8, ID_AT = 16, REPLY_ID_AT = 48, TAG_BYTES = 8 };

/* Tags of src/commands.ts; `COMMANDS` is their number, each has a place in `slot_commands`. */
enum { END = 0x00, NEXT_HOP_TAG = 0x01, RECIPIENT_TAG = 0x02, REPLY_TAG = 0x03, DELAY_TAG = 0x80 };
enum { NEXT_HOP, RECIPIENT, REPLY_ID, DELAY, COMMANDS };

/* What a hop derives from the shared secret, in this order (src/kp-x25519.ts). */
typedef struct {
  uint8_t mac[32], stream[32], vector[16], payload[AEZ_KEY_BYTES], blinding[32];
} derived_keys;

static const char LABEL[] = "katzenpost-kdf-v0-hkdf-sha256";

void derive_keys(sha256_compress *compress, const uint8_t secret[X25519_BYTES], uint8_t *output, size_t length) {
  hmac_key key;
  hmac_prepare(compress, &key, secret, X25519_BYTES);
  hkdf_expand(compress, &key, (const uint8_t *)LABEL, sizeof LABEL - 1, output, length);
  wipe(&key, sizeof key);
}

void unwrapper_prepare(unwrapper *prepared, sphinx_functions functions, size_t hops, size_t body_bytes,
                       const uint8_t private_key[X25519_BYTES], const uint8_t tag_key[SHA256_BYTES]) {
  prepared->functions = functions;
  prepared->routing_bytes = hops * SLOT_BYTES;
  prepared->header_bytes = VERSION_BYTES + X25519_BYTES + prepared->routing_bytes + MAC_BYTES;
  prepared->body_bytes = body_bytes;
  prepared->packet_bytes = prepared->header_bytes + body_bytes;
  memcpy(prepared->private_key, private_key, X25519_BYTES);
  hmac_prepare(functions.sha256, &prepared->tag_key, tag_key, SHA256_BYTES);
}

/* Fields of the commands of a slot, or NULL where a command is missing. */
typedef struct {
  const uint8_t *field[COMMANDS];
} slot_commands;

static int command_of(uint8_t tag, size_t *length) {
  static const uint8_t lengths[COMMANDS] = {NODE_ID_BYTES + MAC_BYTES, NODE_ID_BYTES, REPLY_ID_BYTES, 4};
  const int command = tag == NEXT_HOP_TAG    ? NEXT_HOP
                      : tag == RECIPIENT_TAG ? RECIPIENT
                      : tag == REPLY_TAG     ? REPLY_ID
                      : tag == DELAY_TAG     ? DELAY
                                             : COMMANDS;
  if (command != COMMANDS) *length = lengths[command];
  return command;
}

/*
 * Reads a slot; 0 when it makes no sense: an unknown tag, a command that is cut off or stands twice, bytes after the
 * end, a next hop beside a recipient, neither of them, or a reply without recipient.
 */
static int read_slot(const uint8_t slot[SLOT_BYTES], slot_commands *commands) {
  memset(commands, 0, sizeof *commands);
  size_t at = 0;
  while (at < SLOT_BYTES && slot[at] != END) {
    size_t length = 0;
    const int command = command_of(slot[at], &length);
    if (command == COMMANDS || commands->field[command] != NULL || at + 1 + length > SLOT_BYTES) return 0;
    commands->field[command] = slot + at + 1;
    at += 1 + length;
  }
  if (!is_zero_bytes(slot + at, SLOT_BYTES - at)) return 0;
  const int is_next = commands->field[NEXT_HOP] != NULL, is_recipient = commands->field[RECIPIENT] != NULL;
  return is_next != is_recipient && (is_recipient || commands->field[REPLY_ID] == NULL);
}

static void write_commands(uint8_t *outcome, const slot_commands *commands) {
  const uint8_t *delay = commands->field[DELAY], *reply = commands->field[REPLY_ID];
  const uint8_t *id = commands->field[commands->field[NEXT_HOP] != NULL ? NEXT_HOP : RECIPIENT];
  if (delay != NULL) store_little32(outcome + DELAY_AT, load_big32(delay));
  memcpy(outcome + ID_AT, id, NODE_ID_BYTES);
  if (reply != NULL) memcpy(outcome + REPLY_ID_AT, reply, REPLY_ID_BYTES);
}

/* Whether the tag of the payload is whole; if not, the body is made again as it was. */
static int has_payload_tag(const unwrapper *with, const derived_keys *keys, uint8_t *body) {
  if (is_zero_bytes(body, PAYLOAD_TAG_BYTES)) return 1;
  with->functions.aes->aez(keys->payload, keys->vector, body, with->body_bytes, AEZ_ENCIPHER);
  return 0;
}

/*
 * Follows the commands of a header whose MAC is right. `routing` has been decrypted, with one slot more than is in the
 * packet. Writes everything but the group element of the next hop. Returns the status.
 */
static int follow(const unwrapper *with, const derived_keys *keys, const uint8_t *routing, uint8_t *packet,
                  uint8_t *outcome) {
  uint8_t *body = packet + with->header_bytes;
  slot_commands commands;
  if (!read_slot(routing, &commands)) return MALFORMED;
  with->functions.aes->aez(keys->payload, keys->vector, body, with->body_bytes, AEZ_DECIPHER);
  if (commands.field[NEXT_HOP] != NULL) {
    uint8_t *next_routing = packet + VERSION_BYTES + X25519_BYTES;
    memcpy(next_routing, routing + SLOT_BYTES, with->routing_bytes);
    memcpy(next_routing + with->routing_bytes, commands.field[NEXT_HOP] + NODE_ID_BYTES, MAC_BYTES);
    write_commands(outcome, &commands);
    return FORWARD;
  }
  const int is_reply = commands.field[REPLY_ID] != NULL;
  if (!is_reply && !has_payload_tag(with, keys, body)) return BAD_PAYLOAD;
  write_commands(outcome, &commands);
  return is_reply ? REPLY : DELIVER;
}

/*
 * The second stage for one packet, with its element as it was multiplied. Where the packet is to go on, `blinding`
 * becomes the scalar for its element. Returns the status.
 */
static int open_packet(const unwrapper *with, const uint8_t secret[X25519_BYTES], const uint8_t element[X25519_BYTES],
                       uint8_t *packet, uint8_t *outcome, uint8_t blinding[X25519_BYTES]) {
  sha256_compress *compress = with->functions.sha256;
  const size_t under_mac = with->header_bytes - MAC_BYTES;
  uint8_t header[HEADER_BYTES], mac[SHA256_BYTES], tag[SHA256_BYTES], routing[STREAM_BYTES];
  derived_keys keys;
  hmac_key mac_key;
  if (is_zero_bytes(secret, X25519_BYTES)) return ZERO_SECRET;

  derive_keys(compress, secret, (uint8_t *)&keys, sizeof keys);
  memcpy(header, packet, with->header_bytes);
  memset(header, 0, VERSION_BYTES);
  memcpy(header + VERSION_BYTES, element, X25519_BYTES);
  hmac_prepare(compress, &mac_key, keys.mac, sizeof keys.mac);
  hmac(compress, &mac_key, header, under_mac, mac);
  int status = BAD_MAC;
  if (equal_bytes(mac, header + under_mac, MAC_BYTES)) {
    hmac(compress, &with->tag_key, secret, X25519_BYTES, tag);
    memcpy(outcome + TAG_AT, tag, TAG_BYTES);
    memcpy(routing, header + VERSION_BYTES + X25519_BYTES, with->routing_bytes);
    memset(routing + with->routing_bytes, 0, SLOT_BYTES);
    with->functions.aes->ctr(keys.stream, keys.vector, routing, with->routing_bytes + SLOT_BYTES);
    status = follow(with, &keys, routing, packet, outcome);
    if (status == FORWARD) chacha20_stream(keys.blinding, blinding, X25519_BYTES);
    wipe(tag, sizeof tag);
    wipe(routing, sizeof routing);
  }
  wipe(&keys, sizeof keys);
  wipe(&mac_key, sizeof mac_key);
  wipe(mac, sizeof mac);
  return status;
}

/* The packets of a batch that are still of interest: where each begins, and the factors of its multiplication. */
typedef struct {
  size_t count;
  size_t index[X25519_BATCH];
  bytes32 scalars[X25519_BATCH], elements[X25519_BATCH], products[X25519_BATCH];
} multiplications;

void unwrap_batch(const unwrapper *with, uint8_t *packets, uint8_t *outcomes, size_t count) {
  multiplications shared, blinded;
  shared.count = blinded.count = 0;
  memset(outcomes, 0, count * OUTCOME_BYTES);
  for (size_t i = 0; i < count; i++) {
    const uint8_t *packet = packets + i * with->packet_bytes;
    if (packet[0] != 0 || packet[1] != 0) {
      outcomes[i * OUTCOME_BYTES] = MALFORMED;
      continue;
    }
    const size_t at = shared.count++;
    shared.index[at] = i;
    memcpy(shared.scalars[at], with->private_key, X25519_BYTES);
    memcpy(shared.elements[at], packet + VERSION_BYTES, X25519_BYTES);
  }
  x25519_batch(with->functions.x25519, shared.products, shared.scalars, shared.elements, shared.count);

  for (size_t i = 0; i < shared.count; i++) {
    uint8_t *packet = packets + shared.index[i] * with->packet_bytes;
    uint8_t *outcome = outcomes + shared.index[i] * OUTCOME_BYTES;
    const size_t at = blinded.count;
    const int status =
        open_packet(with, shared.products[i], shared.elements[i], packet, outcome, blinded.scalars[at]);
    outcome[0] = (uint8_t)status;
    if (status != FORWARD) continue;
    blinded.count++;
    blinded.index[at] = shared.index[i];
    memcpy(blinded.elements[at], shared.elements[i], X25519_BYTES);
  }

  x25519_batch(with->functions.x25519, blinded.products, blinded.scalars, blinded.elements, blinded.count);
  for (size_t i = 0; i < blinded.count; i++) {
    memcpy(packets + blinded.index[i] * with->packet_bytes + VERSION_BYTES, blinded.products[i], X25519_BYTES);
  }
  wipe(shared.scalars, sizeof shared.scalars);
  wipe(shared.products, sizeof shared.products);
  wipe(blinded.scalars, sizeof blinded.scalars);
  wipe_stack_below();
}
