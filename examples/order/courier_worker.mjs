/**
 * The courier of the order example: takes the parcels of an order away. One SQLite file (through the sqlite3 program,
 * see sqlite.mjs) says which.
 *
 * Invariant (the audit of the demo checks it from outside): a pick-up is in one SQL transaction with its idempotency
 * key (barrier), so it happens once however often it is asked for. It cannot be taken back: it has no undo.
 *
 * `--troubles` makes the courier obey the `trouble` of an order: it crashes before or after its effect, or answers too
 * late. `--cheat` makes it leave every parcel where it is: only to see that the audit notices.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { barrier, BARRIER_TABLE, Client, Worker } from '../../clients/javascript/dta.mjs';
import { Sqlite } from './sqlite.mjs';

const { values: options } = parseArgs({
  options: {
    server: { type: 'string', default: process.env.DTA_SERVER ?? 'http://127.0.0.1:7117' },
    db: { type: 'string', default: 'pickups.db' },
    troubles: { type: 'boolean', default: false },
    cheat: { type: 'boolean', default: false },
  },
});

const SCHEMA = `${BARRIER_TABLE};
CREATE TABLE IF NOT EXISTS pickups (transaction_id TEXT PRIMARY KEY, parcels INTEGER NOT NULL)`;
const TOO_LATE_MS = 3000; // longer than timeouts.attempt of order.json

const database = new Sqlite(options.db, SCHEMA);
await database.transaction(async () => undefined); // the tables, for who looks before anything was picked up

const takeAway = (task) => database.transaction((sql) => barrier(sql, task, async () => {
  if (options.cheat) return;
  await sql.run('INSERT INTO pickups VALUES (?, ?)', [task.transaction, task.input.labels.length]);
}));

/** @param {import('../../clients/javascript/dta.mjs').Task} task */
async function pickUp(task) {
  const trouble = options.troubles && task.attempt === 1 ? task.input.trouble : '';
  if (trouble === 'courier crashes before') process.exit(70); // nothing happened, and nobody was told
  const outcome = await takeAway(task);
  if (trouble === 'courier crashes after') process.exit(70); // it happened, and nobody was told
  if (trouble === 'courier silent') await sleep(TOO_LATE_MS);
  return outcome;
}

const client = new Client(options.server);
const worker = new Worker(client, { name: `courier-${process.pid}`, concurrency: 4 });
worker.handle('courier.pickup', { do: pickUp });
await worker.run();
await database.close();
client.close();
