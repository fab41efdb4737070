// piscina with warm threads; a call for each item.
import { Piscina } from 'piscina';

const { items, warmUpItems, threads, modulePath } = JSON.parse(process.argv[2]);
const pool = new Piscina({ filename: modulePath, minThreads: threads, maxThreads: threads });
await Promise.all(warmUpItems.map((item) => pool.run(item)));
const start = performance.now();
const results = await Promise.all(items.map((item) => pool.run(item)));
const milliseconds = performance.now() - start;
console.log(JSON.stringify({ milliseconds, results }));
process.exit();
