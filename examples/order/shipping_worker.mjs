/**
 * The shipping service of the order example: what three carriers offer, shipments and parcels in one SQLite file
 * (through the sqlite3 program, see sqlite.mjs), and the e-mails to customers (mail.mjs).
 *
 * Invariants (the audit of the demo checks them from outside):
 * - every effect is in one SQL transaction with its idempotency key (barrier);
 * - a parcel is labelled, then weighed, and taken back the other way round.
 *
 * `--troubles` makes the service obey the `trouble` of an order: it crashes, is busy, or never answers.
 * `--cheat` makes it swallow the undo of labels: only to see that the audit notices.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { barrier, BARRIER_TABLE, Client, TaskFailed, Worker } from '../../clients/javascript/dta.mjs';
import { Mail } from './mail.mjs';
import { Sqlite } from './sqlite.mjs';

/** @typedef {import('../../clients/javascript/dta.mjs').Task} Task */
/** @typedef {import('../../clients/javascript/dta.mjs').SqlTransaction} SqlTransaction */

const { values: options } = parseArgs({
  options: {
    server: { type: 'string', default: process.env.DTA_SERVER ?? 'http://127.0.0.1:7117' },
    db: { type: 'string', default: 'shipments.db' },
    mail: { type: 'string', default: 'mail.txt' },
    troubles: { type: 'boolean', default: false },
    cheat: { type: 'boolean', default: false },
  },
});

const SCHEMA = `${BARRIER_TABLE};
CREATE TABLE IF NOT EXISTS quotes (
  transaction_id TEXT NOT NULL, carrier TEXT NOT NULL, cents INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'dropped')), PRIMARY KEY (transaction_id, carrier));
CREATE TABLE IF NOT EXISTS shipments (
  id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE, carrier TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('booked', 'cancelled')));
CREATE TABLE IF NOT EXISTS parcels (
  label TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, sku TEXT NOT NULL, grams INTEGER,
  state TEXT NOT NULL CHECK (state IN ('labelled', 'weighed', 'void')))`;
const CARRIERS = {
  north: { cents: 590, countries: ['DE', 'FR', 'NL'] },
  south: { cents: 640, countries: ['DE', 'FR', 'NL', 'AT'] },
  west: { cents: 720, countries: ['DE', 'FR', 'NL', 'AT', 'XX'] },
};
const GRAMS = { lamp: 1200, chair: 6500, desk: 24000, clock: 900, anvil: 60000 };
const GRAMS_MAX = 50000;

const database = new Sqlite(options.db, SCHEMA);

/** A handler whose effect runs once for its idempotency key.
 * @param {(sql: SqlTransaction, task: Task) => Promise<unknown>} effect */
const once = (effect) => (task) => database.transaction((sql) => barrier(sql, task, () => effect(sql, task)));

// What goes wrong, where an order asks for it.

const trouble = (task, wanted) => options.troubles && task.input.trouble === wanted;
const crash = () => process.exit(70);

/** Until the server asks to stop or the lease is about to end. @param {Task} task */
async function stopped(task) {
  if (!task.signal.aborted) {
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve, { once: true }));
  }
}

/** The effect is there and the answer comes too late. @param {Task} task */
async function silent(task) {
  await stopped(task);
  await sleep(2500);
}

// Quotes: each carrier holds a van for us until its quote is dropped.

function quoteHandler(carrier) {
  const { cents, countries } = CARRIERS[carrier];
  const give = once(async (sql, task) => {
    await sql.run("INSERT INTO quotes VALUES (?, ?, ?, 'open')", [task.transaction, carrier, cents]);
    return { carrier, cents };
  });
  return async (task) => {
    if (!countries.includes(task.input.country)) {
      throw new TaskFailed('no_carrier', `${carrier} does not go to ${task.input.country}`, { retryable: false });
    }
    const troubled = carrier === 'north';
    if (troubled && trouble(task, 'carrier busy') && task.attempt === 1) throw new TaskFailed('busy', 'try again soon');
    if (troubled && trouble(task, 'carrier slow')) {
      await stopped(task);
      task.check(); // nothing was done yet, and says so
    }
    const outcome = await give(task);
    if (troubled && trouble(task, 'carrier silent')) await silent(task);
    return outcome;
  };
}

const dropQuote = (carrier) => once(async (sql, task) => {
  await sql.run("UPDATE quotes SET state = 'dropped' WHERE transaction_id = ? AND carrier = ?",
    [task.transaction, carrier]);
});

// Shipments: the cheapest of the quotes that the join counted, and a parcel for each article.

const book = once(async (sql, task) => {
  const quotes = task.input.quotes.filter((quote) => quote !== null);
  const { carrier } = quotes.reduce((best, quote) => (quote.cents < best.cents ? quote : best));
  const shipment = `S-${task.transaction}`;
  await sql.run("INSERT INTO shipments VALUES (?, ?, ?, 'booked')", [shipment, task.transaction, carrier]);
  return { shipment, carrier, parcels: task.input.items.flatMap(({ sku, quantity }) => Array(quantity).fill({ sku })) };
});

const cancel = once(async (sql, task) => {
  await sql.run("UPDATE shipments SET state = 'cancelled' WHERE transaction_id = ?", [task.transaction]);
});

// Parcels.

const labelOf = (task) => `${task.transaction}-${task.input.number + 1}`;

/** Moves one parcel on or back; what is not as it should be is an error, and rolled back. */
async function moveParcel(sql, label, before, after, grams = null) {
  const changed = await sql.run('UPDATE parcels SET state = ?, grams = ? WHERE label = ? AND state = ?',
    [after, grams, label, before]);
  if (changed !== 1) throw new Error(`the parcel ${label} is not ${before}`);
}

const writeLabel = once(async (sql, task) => {
  const label = labelOf(task);
  await sql.run("INSERT INTO parcels VALUES (?, ?, ?, NULL, 'labelled')", [label, task.transaction, task.input.sku]);
  return { label };
});

async function label(task) {
  const outcome = await writeLabel(task);
  if (trouble(task, 'label crashes') && task.attempt === 1 && task.instance === 0) crash();
  return outcome;
}

const weigh = once(async (sql, task) => {
  const grams = GRAMS[task.input.sku];
  if (grams > GRAMS_MAX) {
    throw new TaskFailed('too_heavy', `no courier carries a parcel of ${grams} g`, { retryable: false });
  }
  await moveParcel(sql, task.input.label, 'labelled', 'weighed', grams);
  return { grams };
});

const unweigh = once((sql, task) => moveParcel(sql, task.input.label, 'weighed', 'labelled'));

const unlabel = once(async (sql, task) => {
  if (!options.cheat) await moveParcel(sql, labelOf(task), 'labelled', 'void');
});

const mail = new Mail(options.mail);

function tell(task) {
  if (trouble(task, 'mailbox full')) throw new TaskFailed('mailbox_full', task.input.to, { retryable: false });
  mail.send(task.idempotencyKey, task.input.to, `Your order is on its way: ${task.input.shipment}`);
}

const client = new Client(options.server);
const worker = new Worker(client, { name: `shipping-${process.pid}`, concurrency: 32 });
for (const carrier of Object.keys(CARRIERS)) {
  worker.handle(`${carrier}.quote`, { do: quoteHandler(carrier) });
  worker.handle(`${carrier}.drop`, { undo: dropQuote(carrier) });
}
worker.handle('shipping.book', { do: book });
worker.handle('shipping.cancel', { undo: cancel });
worker.handle('parcel.label', { do: label });
worker.handle('parcel.unlabel', { undo: unlabel });
worker.handle('parcel.weigh', { do: weigh });
worker.handle('parcel.unweigh', { undo: unweigh });
worker.handle('mail.send', { do: tell });
await worker.run();
await database.close();
client.close();
