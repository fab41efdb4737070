import { Fog } from '@fog/sdk/local';
console.time('start');
await using fog = await Fog.local({ log: (l, m, d) => { if (l !== 'info') console.error(l, m, JSON.stringify(d)); } });
console.timeEnd('start');
console.time('first');
console.log(await fog.map([1, 2, 3], (x) => x * x));
console.timeEnd('first');
console.time('second');
console.log((await fog.map([1, new Uint8Array([5])], (x) => x)));
console.timeEnd('second');
const busy = (ms: number) => { const end = performance.now() + ms; let n = 0; while (performance.now() < end) n++; return n; };
const work = (n: number) => { let h = 1; for (let i = 0; i < n; i++) h = (Math.imul(h, 31) + i) | 0; return h; };
work(1e7);
const t = performance.now(); work(2e7); const per = performance.now() - t;
const n = Math.round(2e7 * 50 / per);
console.log('n', n);
const items = Array.from({ length: 200 }, () => n);
let t0 = performance.now(); for (const i of items) work(i); const single = performance.now() - t0;
for (let k = 0; k < 2; k++) {
t0 = performance.now(); await fog.map(items, work); const fogged = performance.now() - t0;
console.log({ single, fogged, speedup: single / fogged });
}
const jobs = await fog.client.call('listJobs', { query: { limit: 100 } });
console.log(jobs.items.length, jobs.items.slice(0, 40).map((j) => `${(j.startedAt ?? 0) - j.submittedAt}/${(j.endedAt ?? 0) - (j.startedAt ?? 0)}`).reverse().join(' '));
try { await fog.map([1, 2, 3], (x) => { if (x === 2) throw new Error('bad'); return x; }); } catch (e) { console.log(e.code, e.message, e.details); }
console.log(await fog.map([1, 2, 3], (x) => { if (x === 2) throw new Error('bad'); return x; }, { onError: 'collect' }));
