/**
 * The shipping service of the order example: shipments in a SQLite file (through the sqlite3 program, see sqlite.mjs),
 * and the e-mails to customers, which are lines of a text file.
 *
 * Invariants (the audit of the demo checks them from outside):
 * - every booking and every cancellation is in one SQL transaction with its idempotency key (barrier);
 * - an e-mail is one appended line that carries its idempotency key: key and effect are the same write, so that a text
 *   file is barrier enough. What was said cannot be unsaid: the undo of an e-mail is another one that corrects it.
 *
 * `--troubles` makes the service obey the `trouble` of an order: it crashes, is busy, or never answers.
 */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { barrier, BARRIER_TABLE, Client, Outcome, TaskFailed, Worker } from '../../clients/javascript/dta.mjs';
import { Sqlite } from './sqlite.mjs';

const { values: options } = parseArgs({
  options: {
    server: { type: 'string', default: process.env.DTA_SERVER ?? 'http://127.0.0.1:7117' },
    db: { type: 'string', default: 'shipments.db' },
    mail: { type: 'string', default: 'mail.txt' },
    troubles: { type: 'boolean', default: false },
  },
});

const SCHEMA = `${BARRIER_TABLE};
CREATE TABLE IF NOT EXISTS shipments (
  id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE, country TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('booked', 'cancelled')))`;
const COUNTRIES = new Set(['AT', 'BE', 'DE', 'FR', 'NL', 'PL']);

const database = new Sqlite(options.db, SCHEMA);
const trouble = (task, wanted) => options.troubles && task.input.trouble === wanted;

/** @param {import('../../clients/javascript/dta.mjs').Task} task */
async function book(task) {
  const { country } = task.input;
  if (!COUNTRIES.has(country)) {
    throw new TaskFailed('no_carrier', `nobody delivers to ${country}`, { retryable: false });
  }
  if (trouble(task, 'carrier busy') && task.attempt === 1) throw new TaskFailed('carrier_busy', 'try again soon');
  const outcome = await database.transaction((sql) => barrier(sql, task, async () => {
    const shipment = `S-${task.transaction}`;
    await sql.run("INSERT INTO shipments VALUES (?, ?, ?, 'booked')", [shipment, task.transaction, country]);
    return { shipment };
  }));
  if (trouble(task, 'shipping crashes') && task.attempt === 1) process.exit(70); // booked, and nobody was told
  if (trouble(task, 'carrier silent')) {
    // Booked, but the answer never comes, in no attempt: the outcome stays unknown and will be undone.
    await new Promise((resolve) => task.signal.addEventListener('abort', resolve, { once: true }));
    await sleep(1000);
  }
  return outcome;
}

const cancel = (task) => database.transaction((sql) => barrier(sql, task, async () => {
  await sql.run("UPDATE shipments SET state = 'cancelled' WHERE transaction_id = ?", [task.transaction]);
}));

const TORN = '\t(torn)';
const NEVER = '(never sent)';

/**
 * The mail file: one line each of key, address and text. Only complete lines count; a torn last one (a crash in the
 * middle of a write) is closed off and ignored.
 */
class Mail {
  /** @type {Map<string, string>} address by key */ #known = new Map();
  #file;

  constructor(path) {
    const lines = (fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : '').split('\n');
    const torn = lines.pop();
    for (const line of lines) {
      const [key, to] = line.split('\t');
      if (!line.endsWith(TORN)) this.#known.set(key, to);
    }
    this.#file = fs.openSync(path, 'a');
    if (torn) fs.writeSync(this.#file, `${TORN}\n`);
  }

  send(task) {
    const known = this.#known.get(task.idempotencyKey);
    if (known === NEVER) throw new TaskFailed('undone', 'corrected before it was sent', { retryable: false });
    if (!known) this.#write(task.idempotencyKey, task.input.to, `Your order is on its way: ${task.input.shipment}`);
  }

  correct(task) {
    if (!this.#known.has(task.actionKey)) this.#write(task.actionKey, NEVER, '');
    if (this.#known.get(task.actionKey) === NEVER) return new Outcome(undefined, { found: false });
    if (!this.#known.has(task.idempotencyKey)) {
      this.#write(task.idempotencyKey, task.input.to, 'We are sorry: your order was cancelled, your money comes back');
    }
    return new Outcome(undefined, { found: true });
  }

  #write(key, to, text) {
    fs.writeSync(this.#file, `${key}\t${to}\t${text}\n`);
    fs.fdatasyncSync(this.#file);
    this.#known.set(key, to);
  }
}

const mail = new Mail(options.mail);
const client = new Client(options.server);
const worker = new Worker(client, { name: `shipping-${process.pid}`, concurrency: 32 });
worker.handle('shipping.book', { do: book });
worker.handle('shipping.cancel', { undo: cancel });
worker.handle('mail.send', { do: (task) => mail.send(task) });
worker.handle('mail.correct', { undo: (task) => mail.correct(task) });
await worker.run();
await database.close();
client.close();
