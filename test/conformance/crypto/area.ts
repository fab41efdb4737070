import type { ConformanceArea } from '../areas.ts';
import { backendsNotRun } from '../sphinx/backends.ts';
import { type Check, readJson } from '../vector-shape.ts';
import { checkVrfCase, parseVrfFile, type VrfCase } from '../vrf-file.ts';
import { wycheproofChecks } from './wycheproof.ts';

/** Of Wycheproof, what this project computes with. */
const WYCHEPROOF = /^wycheproof\/(x25519|chacha20_poly1305|hkdf_sha256|hmac_sha256|ed25519)_[^/]*\.json$/;
const VRF = /^vrf\/[^/]*\.txt$/;

export const CRYPTO_AREA: ConformanceArea = {
  summary: 'X25519, ChaCha20-Poly1305, HKDF, HMAC, Ed25519 and ECVRF, on every backend that has them',
  folder: 'vectors',
  files: (path) => WYCHEPROOF.test(path) || VRF.test(path),
  cases(file) {
    const checks = VRF.test(file.path)
      ? parseVrfFile(Buffer.from(file.content).toString('utf8')).map(vrfCheck)
      : wycheproofChecks(readJson(file));
    return checks.map(({ name, run }) => ({ name, data: run }));
  },
  run: ({ data }) => (data as Check['run'])(),
  notRun: () => backendsNotRun(),
};

function vrfCheck(example: VrfCase): Check {
  return { name: example.name, run: () => checkVrfCase(example) };
}
