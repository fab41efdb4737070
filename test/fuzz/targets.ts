/** What `npm run fuzz` can run, by the names that people type. */
import type { FuzzTarget } from './fuzz-target.ts';
import { DAO_RECORDS } from './targets/dao-record.ts';
import { AUTHORITY_MESSAGES, CONSENSUS, DIRECTORY_DOCUMENTS } from './targets/directory.ts';
import { LINK_FRAMES, LINK_GREETINGS, LINK_RECORDS } from './targets/link.ts';
import { NOISE_HANDSHAKE } from './targets/noise.ts';
import { REPLY_BLOCKS } from './targets/reply-blocks.ts';
import { DATAGRAMS, SERVICE_MESSAGES } from './targets/service-messages.ts';
import { SPHINX_COMMANDS } from './targets/sphinx-commands.ts';
import { UNWRAP } from './targets/unwrap.ts';
import { WASM_MODULES } from './targets/wasm-modules.ts';

export const TARGETS: ReadonlyMap<string, FuzzTarget> = new Map([
  ['unwrap', UNWRAP],
  ['sphinx-commands', SPHINX_COMMANDS],
  ['reply-blocks', REPLY_BLOCKS],
  ['link-records', LINK_RECORDS],
  ['link-frames', LINK_FRAMES],
  ['link-greetings', LINK_GREETINGS],
  ['noise-handshake', NOISE_HANDSHAKE],
  ['service-messages', SERVICE_MESSAGES],
  ['datagrams', DATAGRAMS],
  ['directory-documents', DIRECTORY_DOCUMENTS],
  ['consensus', CONSENSUS],
  ['authority-messages', AUTHORITY_MESSAGES],
  ['dao-records', DAO_RECORDS],
  ['wasm-modules', WASM_MODULES],
]);
