/**
 * The JavaScript client of DTA: start transactions, read them, and work for them. One file, Node 18 or newer, no
 * packages.
 *
 *     const client = new Client('http://127.0.0.1:7117');
 *     const order = await client.start('o-17', 'order', { input: { total: 4200 }, waitMs: 30000 });
 *
 *     const worker = new Worker(client, { name: 'shipping' });
 *     worker.handle('shipping.book', { do: async (task) => ({ shipment: 'S-1' }) });
 *     await worker.run();
 *
 * Invariants:
 * - Every call that changes something carries an id (start id, event id, request id, poll id, lease token), made here
 *   when the caller gives none, so that a request may be repeated and takes effect once. That is why retries are built
 *   in.
 * - A lease is counted from the moment its answer was received, on the monotonic clock, less a margin.
 * - A result that the server has not acknowledged is kept and sent again with the same token.
 *
 * Size: one file, because users copy it. Everything runs on the event loop; up to `concurrency` handlers are under way
 * at a time. Numbers beyond 2^53 need `Client.raw`, since JSON.parse rounds them.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Codes after which the same request, with the same id, is sent again. */
export const RETRYABLE = new Set([
  'connection_failed', 'overloaded', 'request_timeout', 'unavailable', 'outcome_unknown',
]);

const WAIT_MS_MAX = 60_000; // the server holds an answer no longer
const RESULTS_MAX = 1000; // results in one request
const BATCH_CHARS = 4 << 20; // encoded results in one request; the server takes bodies of 16 MiB
const MESSAGE_CHARS = 1000; // of an error message made from an exception
const STOP_CHECK_MS = 5000; // after which a task without heartbeat asks whether it shall stop
const ENDED = new Set(['completed', 'compensated', 'terminated']);

/** A refusal or fault, as the server's problem document tells it. Test `code`. */
export class DtaError extends Error {
  /**
   * @param {{code?: string, title?: string, detail?: string, advice?: string,
   *          faults?: {pointer: string, message: string}[], current_sequence?: number}} problem
   * @param {{status?: number, retryAfterMs?: number, cause?: unknown}} [about]
   */
  constructor(problem, { status = 0, retryAfterMs = 0, cause } = {}) {
    const faults = problem.faults ?? [];
    const lines = faults.map((fault) => `\n  ${fault.pointer || '(whole)'}: ${fault.message}`).join('');
    const code = problem.code ?? 'internal';
    const advice = problem.advice ? `\n  ${problem.advice}` : '';
    super(`${code}: ${problem.detail ?? problem.title ?? ''}${lines}${advice}`, { cause });
    this.name = 'DtaError';
    /** @type {string} stable; what programs test */
    this.code = code;
    this.title = problem.title ?? '';
    this.detail = problem.detail ?? '';
    this.advice = problem.advice ?? '';
    this.faults = faults;
    /** @type {number | undefined} of wrong_sequence and illegal_event */
    this.currentSequence = problem.current_sequence;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Thrown by a handler: the task failed in a way the handler understands. `retryable` false means that trying again
 * cannot help; `effect` is 'none' when nothing was done, 'unknown' when the action may have taken effect (then it will
 * be undone). Any other exception counts as retryable with effect unknown.
 */
export class TaskFailed extends Error {
  /**
   * @param {string} code 1 to 64 characters
   * @param {string} [message]
   * @param {{retryable?: boolean, effect?: 'none' | 'unknown', details?: unknown}} [about]
   */
  constructor(code, message = '', { retryable = true, effect = 'none', details } = {}) {
    super(message);
    if (effect !== 'none' && effect !== 'unknown') throw new RangeError("effect is 'none' or 'unknown'");
    this.name = 'TaskFailed';
    this.code = code;
    this.retryable = retryable;
    this.effect = effect;
    this.details = details;
  }
}

/**
 * What a handler may return instead of a plain output. `found` belongs to an undo: true when its action had taken effect
 * and is undone now, false when there was nothing to undo, undefined (a plain undo) when it cannot tell. A success of the
 * action that is reported too late raises an incident unless `found` was true.
 */
export class Outcome {
  /** @param {unknown} [output] @param {{found?: boolean}} [about] */
  constructor(output, { found } = {}) {
    this.output = output;
    this.found = found;
  }
}

/**
 * @typedef {object} Transaction as start and get answer it; get adds steps, tasks, incidents and times
 * @property {string} id
 * @property {string} definition
 * @property {number} version
 * @property {string} status what lists show: attention, paused, or the phase
 * @property {'running'|'compensating'|'completed'|'compensated'|'terminated'} phase
 * @property {null|'completed'|'compensated'|'terminated'} outcome null until decided
 * @property {number} sequence
 * @property {unknown} [output]
 * @property {{code: string, message: string, step: string, task: string}} [error]
 */
/** One line of a history.
 * @typedef {{sequence: number, kind: string, recorded_at: string, [field: string]: unknown}} Event */
/** @typedef {{id: string, definition: string, version: number, status: string, phase: string, attention: boolean,
 *             paused: boolean, attributes: Record<string, string>, started_at: string,
 *             ended_at: string | null}} Summary */
/** @typedef {{name: string, version: number, digest: string, created: boolean,
 *             warnings: {pointer: string, message: string}[]}} Published */
/** @typedef {{id: string, first_sequence?: number, sequence: number, state?: string, status: string, phase: string,
 *             repeated: boolean}} Appended */
/** @typedef {{on: string, data?: unknown, id?: string}} NewEvent */
/** What became of an external task; `task` is 'step/task'.
 * @typedef {{task: string, instance?: number, event_id?: string} & ({result: 'done', output?: unknown} |
 *            {result: 'failed', error: {code: string, message?: string, details?: unknown},
 *             effect?: 'none' | 'unknown'})} ExternalReport */

/** Delays between tries: doubling from 50 ms to 2 s, drawn from the upper half, never less than Retry-After. */
class Backoff {
  #delay = 50;
  /** @param {DtaError} error */
  next(error) {
    const delay = this.#delay;
    this.#delay = Math.min(delay * 2, 2000);
    return Math.max(delay * (0.5 + Math.random() / 2), error.retryAfterMs);
  }
}

/** @param {number} ms */
const clampWait = (ms) => Math.max(0, Math.min(WAIT_MS_MAX, Math.trunc(ms)));
/** @param {string | number} part */
const quote = (part) => encodeURIComponent(String(part));
/** @param {Record<string, unknown>} pairs */
const query = (pairs) => {
  const given = Object.entries(pairs).filter(([, value]) => value !== undefined && value !== null);
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return text ? `?${text}` : '';
};
/** @param {string} text @returns {any[]} */
const lines = (text) => text.split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line));

/** @param {http.IncomingMessage} response @param {string} text */
function problemOf(response, text) {
  let problem;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = undefined;
  }
  const retryAfterMs = Number(response.headers['retry-after'] ?? 0) * 1000 || 0;
  const status = response.statusCode ?? 0;
  if (typeof problem !== 'object' || problem === null) {
    problem = { code: 'internal', detail: `HTTP ${status} without a problem document` };
  }
  return new DtaError(problem, { status, retryAfterMs });
}

/** The calls of one server. */
export class Client {
  #url;
  #agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
  #timeoutMs;
  #retryForMs;

  /**
   * @param {string} [server] default: the environment variable DTA_SERVER, else http://127.0.0.1:7117
   * @param {{timeoutMs?: number, retryForMs?: number}} [options] `timeoutMs`: what an answer may take beyond the wait
   * that
   *   was asked for; `retryForMs`: how long a call is repeated after connection_failed, overloaded, unavailable or
   *   outcome_unknown, always with the same ids
   */
  constructor(server, { timeoutMs = 30_000, retryForMs = 30_000 } = {}) {
    this.#url = new URL(server ?? (process.env.DTA_SERVER || 'http://127.0.0.1:7117'));
    if (this.#url.protocol !== 'http:') throw new TypeError("the server's address has the form http://host:port");
    this.#timeoutMs = timeoutMs;
    this.#retryForMs = retryForMs;
  }

  close() {
    this.#agent.destroy();
  }

  /** @returns {http.ClientRequest} */
  #open(method, target, body, timeoutMs, signal) {
    const headers = { accept: 'application/json' };
    if (body !== undefined) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = String(Buffer.byteLength(body));
    }
    const { hostname, port } = this.#url;
    return http.request({
      host: hostname.replace(/^\[|\]$/g, ''), port: port || 7117, method, path: target, headers, agent: this.#agent,
      timeout: timeoutMs, signal,
    });
  }

  /**
   * One try of one call; the text of the answer.
   * @param {string} method @param {string} target @param {string} [body]
   * @param {{waitMs?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<string>}
   */
  once(method, target, body, { waitMs = 0, signal } = {}) {
    return new Promise((resolve, reject) => {
      const request = this.#open(method, target, body, this.#timeoutMs + waitMs, signal);
      const broken = (cause) => {
        // An idle connection that the server closed meanwhile says nothing about the server: again, on a new one.
        if (request.reusedSocket && cause?.code === 'ECONNRESET' && !signal?.aborted) {
          resolve(this.once(method, target, body, { waitMs, signal }));
        } else {
          const detail = `${this.#url.host}: ${cause?.message}`;
          reject(new DtaError({ code: 'connection_failed', detail }, { cause }));
        }
      };
      request.on('error', broken);
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('response', (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', broken);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if ((response.statusCode ?? 0) < 400) resolve(text);
          else reject(problemOf(response, text));
        });
      });
      request.end(body);
    });
  }

  /**
   * One call, retried while that can help; the text of the answer.
   * @param {string} method @param {string} target @param {string} [body] @param {{waitMs?: number}} [options]
   */
  async raw(method, target, body, { waitMs = 0 } = {}) {
    const giveUp = performance.now() + this.#retryForMs + waitMs;
    const backoff = new Backoff();
    for (;;) {
      try {
        return await this.once(method, target, body, { waitMs });
      } catch (error) {
        const delay = backoff.next(error);
        if (!RETRYABLE.has(error.code) || performance.now() + delay > giveUp) throw error;
        await sleep(delay);
      }
    }
  }

  async #post(target, body, waitMs = 0) {
    return JSON.parse(await this.raw('POST', target, JSON.stringify(body), { waitMs }));
  }

  /**
   * Publishes a definition: its JSON text (kept byte for byte) or an object. The same bytes again change nothing.
   * @param {string | Record<string, unknown>} definition @returns {Promise<Published>}
   */
  async publish(definition) {
    const text = typeof definition === 'string' ? definition : JSON.stringify(definition);
    const { name, version } = JSON.parse(text);
    return JSON.parse(await this.raw('PUT', `/v1/definitions/${quote(name)}/${quote(version)}`, text));
  }

  /** The definition's text as published; `full` writes every default out.
   * @param {string} name @param {number | 'newest'} [version] @param {{full?: boolean}} [options] */
  definition(name, version = 'newest', { full = false } = {}) {
    return this.raw('GET', `/v1/definitions/${quote(name)}/${quote(version)}${full ? '?full=1' : ''}`);
  }

  /** @returns {Promise<{name: string, version: number, form: string, digest: string, published_at: string}[]>} */
  async definitions() {
    return JSON.parse(await this.raw('GET', '/v1/definitions')).definitions;
  }

  /**
   * Starts a transaction, or finds the one started before under this id with the same content.
   * @param {string} id @param {string} definition
   * @param {{version?: number, input?: unknown, attributes?: Record<string, string>, headers?: Record<string, string>,
   *          waitMs?: number}} [options] `waitMs`: hold the answer until the outcome is decided, at most a minute
   * @returns {Promise<Transaction & {created: boolean}>}
   */
  start(id, definition, { version, input, attributes, headers, waitMs = 0 } = {}) {
    const wait_ms = waitMs > 0 ? clampWait(waitMs) : undefined;
    const body = { id, definition, version, input, attributes, headers, wait_ms };
    return this.#post('/v1/transactions', body, clampWait(waitMs));
  }

  /**
   * The state now, after event `at`, or as soon as the outcome is decided (at most `waitMs`).
   * @param {string} id @param {{at?: number, waitMs?: number}} [options]
   * @returns {Promise<Transaction & Record<string, any>>}
   */
  async get(id, { at, waitMs = 0 } = {}) {
    const wait_ms = waitMs > 0 ? clampWait(waitMs) : undefined;
    const target = `/v1/transactions/${quote(id)}${query({ at, wait_ms })}`;
    return JSON.parse(await this.raw('GET', target, undefined, { waitMs: wait_ms ?? 0 }));
  }

  /**
   * Waits until the outcome is decided, however long that takes; rejects with a RangeError after `timeoutMs`.
   * @param {string} id @param {{timeoutMs?: number}} [options] @returns {Promise<Transaction & Record<string, any>>}
   */
  async wait(id, { timeoutMs = Infinity } = {}) {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const found = await this.get(id, { waitMs: Math.max(0, Math.min(30_000, end - performance.now())) });
      if (found.outcome) return found;
      if (performance.now() >= end) throw new RangeError(`transaction ${id} is ${found.status} after ${timeoutMs} ms`);
    }
  }

  /**
   * One page, newest first; `next` is the cursor of the next one, or null.
   * @param {{status?: string, definition?: string, since?: string, attributes?: Record<string, string>, limit?: number,
   *          cursor?: string | null}} [filters]
   * @returns {Promise<{transactions: Summary[], next: string | null}>}
   */
  async transactions({ attributes = {}, ...filters } = {}) {
    const attrs = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`attr.${key}`, value]));
    return JSON.parse(await this.raw('GET', `/v1/transactions${query({ ...filters, ...attrs })}`));
  }

  /** Every transaction that `transactions` with these filters finds, page after page.
   * @param {Parameters<Client['transactions']>[0]} [filters] @returns {AsyncGenerator<Summary>} */
  async *allTransactions(filters = {}) {
    for (let cursor = null; ; ) {
      const page = await this.transactions({ ...filters, cursor });
      yield* page.transactions;
      cursor = page.next;
      if (cursor === null) return;
    }
  }

  /**
   * The events of a transaction in order. With `follow`, new ones too, until the transaction has ended.
   * @param {string} id @param {{first?: number, follow?: boolean}} [options] @returns {AsyncGenerator<Event>}
   */
  async *history(id, { first = 1, follow = false } = {}) {
    const path = `/v1/transactions/${quote(id)}/history`;
    for (;;) {
      let count = 0;
      for await (const event of follow ? this.#followed(path, first) : this.#page(path, first)) {
        first = event.sequence + 1;
        count += 1;
        yield event;
      }
      if (follow) {
        // A stream that ended says nothing about why; the state does.
        const found = await this.get(id);
        if (ENDED.has(found.phase) && found.sequence < first) return;
      } else if (count < 1000) {
        return;
      }
    }
  }

  async *#page(path, first) {
    yield* lines(await this.raw('GET', `${path}?from=${first}&limit=1000`));
  }

  async *#followed(path, first) {
    const request = this.#open('GET', `${path}?from=${first}&follow=1`, undefined, WAIT_MS_MAX + this.#timeoutMs);
    request.on('timeout', () => request.destroy(new Error('no event in time')));
    const answered = new Promise((resolve, reject) => request.once('response', resolve).on('error', reject));
    request.end();
    try {
      const response = await answered;
      response.setEncoding('utf8');
      let rest = '';
      for await (const chunk of response) {
        rest += chunk;
        if (response.statusCode >= 400) continue;
        const whole = rest.split('\n');
        rest = whole.pop();
        for (const line of whole) if (line.trim()) yield JSON.parse(line);
      }
      if (response.statusCode >= 400) throw problemOf(response, rest);
    } catch (error) {
      if (error instanceof DtaError) throw error; // the rest: history() asks for the state, with retries, and goes on
    } finally {
      request.destroy();
    }
  }

  /**
   * Begins compensation; refused with `closed` when the outcome is decided, `past_pivot` past the point of no return.
   * @param {string} id @param {string} reason @param {{who?: string, requestId?: string}} [options]
   * @returns {Promise<{id: string, status: string, phase: string, sequence: number}>}
   */
  cancel(id, reason, { who, requestId = randomUUID() } = {}) {
    return this.#post(`/v1/transactions/${quote(id)}/cancel`, { reason, who, request_id: requestId });
  }

  /**
   * Stops at once and undoes nothing; refused with `closed` when it has ended.
   * @param {string} id @param {string} reason @param {{who?: string, requestId?: string}} [options]
   * @returns {Promise<{id: string, status: string, phase: string, sequence: number}>}
   */
  terminate(id, reason, { who, requestId = randomUUID() } = {}) {
    return this.#post(`/v1/transactions/${quote(id)}/terminate`, { reason, who, request_id: requestId });
  }

  /**
   * Decides what becomes of an incident.
   * @param {string} id @param {number} incident @param {'retry' | 'force_done' | 'force_failed' | 'give_up' | 'accept'} resolution
   * @param {string} reason @param {{who?: string, requestId?: string}} [options]
   * @returns {Promise<{id: string, status: string, phase: string, sequence: number}>}
   */
  resolve(id, incident, resolution, reason, { who, requestId = randomUUID() } = {}) {
    const body = { resolution, reason, who, request_id: requestId };
    return this.#post(`/v1/transactions/${quote(id)}/incidents/${incident}/resolve`, body);
  }

  /**
   * Hands nothing out until `resume`; results are taken. Refused with `illegal_event` when it is paused already.
   * @param {string} id @param {string} reason @param {{who?: string, requestId?: string}} [options]
   * @returns {Promise<{id: string, status: string, phase: string, sequence: number}>}
   */
  pause(id, reason, { who, requestId = randomUUID() } = {}) {
    return this.#post(`/v1/transactions/${quote(id)}/pause`, { reason, who, request_id: requestId });
  }

  /**
   * Ends a pause. Refused with `illegal_event` when it is not paused.
   * @param {string} id @param {string} reason @param {{who?: string, requestId?: string}} [options]
   * @returns {Promise<{id: string, status: string, phase: string, sequence: number}>}
   */
  resume(id, reason, { who, requestId = randomUUID() } = {}) {
    return this.#post(`/v1/transactions/${quote(id)}/resume`, { reason, who, request_id: requestId });
  }

  /**
   * Sends a signal that a step waits for, or will. A signal's id counts once: give one that outlives your process to
   * send it once over a restart. Refused with `unknown_signal`, or `closed` once the outcome is decided.
   * @param {string} id @param {string} name @param {unknown} [payload] @param {{signalId?: string}} [options]
   * @returns {Promise<{id: string, status: string, phase: string, sequence: number}>}
   */
  signal(id, name, payload, { signalId = randomUUID() } = {}) {
    return this.#post(`/v1/transactions/${quote(id)}/signals/${quote(name)}`, { signal_id: signalId, payload });
  }

  /**
   * Appends events to a transaction in table form, all or none. Events without an id get one here, so that a retried
   * append takes effect once.
   * @param {string} id @param {NewEvent[]} events @param {{expected?: number | 'none' | 'any'}} [options]
   * @returns {Promise<Appended>}
   */
  append(id, events, { expected = 'any' } = {}) {
    const named = events.map((event) => ({ ...event, id: event.id ?? randomUUID() }));
    return this.#post(`/v1/transactions/${quote(id)}/events`, { expected, events: named });
  }

  /**
   * Reports what became of external tasks, all or none. Reports without an event_id get one here, so that a retry takes
   * effect once. A report that comes after its task has settled is accepted and kept as late.
   * @param {string} id @param {ExternalReport[]} reports @param {{expected?: number | 'none' | 'any'}} [options]
   * @returns {Promise<Appended>}
   */
  reportExternal(id, reports, { expected = 'any' } = {}) {
    const named = reports.map((report) => ({ ...report, event_id: report.event_id ?? randomUUID() }));
    return this.#post(`/v1/transactions/${quote(id)}/events`, { expected, events: named });
  }

  /**
   * Events of all transactions in order of position, after `cursor`.
   * @param {string} [cursor] @param {{limit?: number, waitMs?: number}} [options]
   * @returns {Promise<{events: Event[], cursor: string}>}
   */
  async events(cursor, { limit = 1000, waitMs = 0 } = {}) {
    const wait_ms = waitMs > 0 ? clampWait(waitMs) : undefined;
    const target = `/v1/events${query({ cursor, limit, wait_ms })}`;
    const rows = lines(await this.raw('GET', target, undefined, { waitMs: wait_ms ?? 0 }));
    return { cursor: rows.pop().cursor, events: rows };
  }

  /** Whether the server serves requests now; asked once, without retry. */
  async ready() {
    try {
      return Boolean(JSON.parse(await this.once('GET', '/readyz')).ready);
    } catch {
      return false;
    }
  }

  metrics() {
    return this.raw('GET', '/metrics');
  }
}

/** How long before a lease ends the worker stops: a tenth, at most two seconds. @param {number} leaseMs */
const margin = (leaseMs) => Math.min(leaseMs * 0.1, 2000);

/**
 * The key of the action that an undo's key belongs to. The last two parts of a key are do|undo and order; only an undo
 * is ever ordered again, so the action's order is 1.
 * @param {string} key
 */
export function actionKey(key) {
  const parts = key.split('/');
  return parts.at(-2) === 'undo' ? [...parts.slice(0, -2), 'do', '1'].join('/') : key;
}

/** One leased task, as a handler sees it. */
export class Task {
  #abort = new AbortController();
  #timer;

  /** @param {Record<string, any>} leased */
  constructor(leased) {
    /** @type {string} */ this.token = leased.token;
    /** @type {string} */ this.transaction = leased.transaction;
    /** @type {string} */ this.definition = leased.definition;
    /** @type {number} */ this.version = leased.version;
    /** @type {string} */ this.step = leased.step;
    /** @type {string} */ this.task = leased.task;
    /** @type {number} under a for_each the element's index; else 0 */ this.instance = leased.instance ?? 0;
    /** @type {'do' | 'undo'} */ this.kind = leased.kind;
    /** @type {number} */ this.attempt = leased.attempt;
    /** @type {number} */ this.generation = leased.generation;
    /** @type {number} */ this.order = leased.order;
    /** @type {string} */ this.queue = leased.queue;
    /** @type {string} the same for every attempt */ this.idempotencyKey = leased.idempotency_key;
    /** @type {string} that of the do, also for its undo */ this.actionKey = actionKey(leased.idempotency_key);
    /** @type {number | null} */ this.heartbeatMs = leased.heartbeat_ms ?? null;
    /** @type {any} */ this.input = leased.input;
    /** @type {any} an undo's: what the action gave, where that is known */ this.output = leased.output;
    /** @type {boolean} */ this.outputKnown = Boolean(leased.output_known);
    /** @type {any} the last detail that an earlier attempt reported */ this.heartbeat = leased.heartbeat;
    /** @type {Record<string, string>} */ this.headers = leased.headers ?? {};
    /** @type {any} set it: sent with the next heartbeat; the next attempt finds it in `heartbeat` */
    this.detail = undefined;
    /** @type {boolean} the server asked to stop, or the lease is lost */ this.stopAsked = false;
    /** @type {boolean} the worker itself stops and cannot wait any longer */ this.workerStops = false;
    /** @type {number} on performance.now(): the lease's end less the margin */ this.deadline = 0;
    /** @type {number} */ this.nextBeat = performance.now() + this.beatPeriodMs;
    this.extend(leased.lease_ms);
  }

  /** Aborted when the server or the worker asks to stop and when the lease is about to end. @type {AbortSignal} */
  get signal() {
    return this.#abort.signal;
  }

  /** A third of what the lease allows, or now and then to hear of a wish to stop. */
  get beatPeriodMs() {
    return this.heartbeatMs ? this.heartbeatMs / 3 : STOP_CHECK_MS;
  }

  /** Milliseconds left to work before the lease is too near its end. */
  get remainingMs() {
    return this.deadline - performance.now();
  }

  /** For long handlers, between two pieces of work: throws TaskFailed when it is time to stop.
   * @param {'none' | 'unknown'} [effect] */
  check(effect = 'none') {
    if (this.workerStops) throw new TaskFailed('worker_stops', 'this worker is being stopped', { effect });
    if (this.stopAsked) throw new TaskFailed('stopped', 'the server asked to stop', { retryable: false, effect });
    if (this.remainingMs <= 0) throw new TaskFailed('lease_ending', 'the lease is about to end', { effect });
  }

  /** The worker's: the lease as received now. @param {number} leaseMs */
  extend(leaseMs) {
    this.deadline = performance.now() + leaseMs - margin(leaseMs);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(), Math.min(2 ** 31 - 1, Math.max(0, this.remainingMs)));
    this.#timer.unref();
  }

  /** The worker's. @param {boolean} workerStops */
  askToStop(workerStops) {
    if (workerStops) this.workerStops = true;
    else this.stopAsked = true;
    this.#abort.abort();
  }

  /** The worker's: the handler is done. */
  close() {
    clearTimeout(this.#timer);
  }
}

/** Its value, or that of its promise, is the output; see Outcome, TaskFailed.
 * @typedef {(task: Task) => unknown} Handler */
/** @typedef {{token: string, item: string}} Result item: encoded JSON */

/**
 * Polls queues, runs handlers, reports results. One poll is outstanding at a time, for all the free slots; results
 * travel with it (`then_lease`) where they can, and beside it while it waits. stop() finishes what is begun and
 * releases what is not; handlers that still run after two thirds of `stopWithinMs` are asked to stop.
 */
export class Worker {
  #client;
  #concurrency;
  #pollWaitMs;
  #stopWithinMs;
  #log;
  /** @type {Map<string, Handler>} by kind and queue */ #handlers = new Map();
  /** @type {Map<string, Task>} by token */ #running = new Map();
  /** @type {Result[]} */ #results = [];
  #sending = 0; // results on their way
  #polling = false;
  #stopping = false;
  #stop = new AbortController();
  #giveUp = Infinity; // on performance.now(): when a stop no longer waits for the server
  #polls;
  #pollNumber = 0;
  /** @type {(() => void)[]} */ #waiters = [];
  /** @type {Promise<void> | undefined} */ #done;

  /**
   * @param {Client | string} [client]
   * @param {{name?: string, concurrency?: number, pollWaitMs?: number, stopWithinMs?: number,
   *          log?: (message: string) => void}} [options] `stopWithinMs`: how long a stop waits for the server
   */
  constructor(client, { name, concurrency = 8, pollWaitMs = 20_000, stopWithinMs = 30_000, log } = {}) {
    this.#client = client instanceof Client ? client : new Client(client);
    this.name = name ?? `${os.hostname()}-${process.pid}`;
    this.#concurrency = concurrency;
    this.#pollWaitMs = pollWaitMs;
    this.#stopWithinMs = stopWithinMs;
    this.#log = log ?? ((message) => console.error(`dta worker ${this.name}: ${message}`));
    this.#polls = `${this.name.slice(0, 60)}-${randomUUID().slice(0, 13)}`;
  }

  /** @param {string} queue @param {{do?: Handler, undo?: Handler}} handlers */
  handle(queue, handlers) {
    for (const kind of /** @type {const} */ (['do', 'undo'])) {
      const handler = handlers[kind];
      if (handler) this.#handlers.set(`${kind} ${queue}`, handler);
    }
    return this;
  }

  /** Begins to work; the promise settles when the worker has stopped. */
  start() {
    if (this.#handlers.size === 0) throw new TypeError('a worker needs at least one handler');
    const loops = () => [this.#pollLoop(), this.#reportLoop(), this.#leaseLoop()].map((loop) => this.#guard(loop));
    this.#done ??= Promise.all(loops()).then(() => undefined);
    return this.#done;
  }

  /** Works until stop() is called or SIGTERM or SIGINT arrives. */
  async run() {
    const ask = () => void this.stop().catch(() => undefined);
    process.once('SIGTERM', ask).once('SIGINT', ask);
    try {
      await this.start();
    } finally {
      process.off('SIGTERM', ask).off('SIGINT', ask);
    }
  }

  /** Stops gracefully: handlers under way finish and are reported; what has not begun is released. */
  async stop() {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#giveUp = performance.now() + this.#stopWithinMs;
      this.#stop.abort();
      this.#changed();
    }
    await this.#done;
  }

  async #guard(loop) {
    try {
      await loop;
    } catch (error) {
      void this.stop().catch(() => undefined); // a loop that ends takes the worker down, and start() tells why
      throw error;
    }
  }

  #changed() {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Waits for a change of the worker's state, at most `ms`. */
  #change(ms = 500) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
  }

  async #pause(ms) {
    const stopping = this.#stopping;
    const end = performance.now() + ms;
    while (performance.now() < end && this.#stopping === stopping) await this.#change(end - performance.now());
  }

  #finished() {
    const idle = !this.#running.size && !this.#results.length && !this.#sending && !this.#polling;
    return this.#stopping && (idle || performance.now() > this.#giveUp);
  }

  // Polling: the only place where tasks come in.

  async #pollLoop() {
    const queues = [...new Set([...this.#handlers.keys()].map((key) => key.slice(key.indexOf(' ') + 1)))].sort();
    while (!this.#stopping) {
      if (this.#running.size >= this.#concurrency) {
        await this.#change();
        continue;
      }
      await new Promise(setImmediate); // handlers that end together report together
      const batch = this.#take();
      this.#polling = true;
      this.#changed();
      this.#pollNumber += 1;
      const poll = {
        queues, max: Math.min(1000, this.#concurrency - this.#running.size), wait_ms: clampWait(this.#pollWaitMs),
        worker: this.name, poll_id: `${this.#polls}-${this.#pollNumber}`,
      };
      let tasks = [];
      try {
        tasks = await this.#poll(poll, batch);
      } finally {
        this.#polling = false;
        this.#changed();
      }
      await Promise.all(tasks.map((leased) => this.#begin(leased)));
    }
  }

  /** One poll, repeated with the same id until it is answered; the results that travel with it are settled. */
  async #poll(poll, batch) {
    const backoff = new Backoff();
    for (;;) {
      if (this.#stopping) {
        this.#putBack(batch);
        return this.#drain(poll);
      }
      const text = JSON.stringify(poll);
      const items = batch.map(({ item }) => item).join(',');
      const [path, body] = items
        ? ['/v1/tasks/results', `{"results":[${items}],"then_lease":${text}}`]
        : ['/v1/lease', text];
      const options = { waitMs: this.#pollWaitMs, signal: this.#stop.signal };
      try {
        const answer = JSON.parse(await this.#client.once('POST', path, body, options));
        await this.#settle(batch, answer.results ?? []);
        return answer.tasks ?? [];
      } catch (error) {
        if (this.#stopping) continue;
        if (this.#transient(error)) {
          await this.#pause(backoff.next(error));
        } else if (batch.length) {
          await this.#reportEach(batch, error); // refused as a whole: find the result that is at fault
          batch = [];
        } else {
          throw error;
        }
      }
    }
  }

  /** An interrupted poll may have been answered: fetch what it was given, so that it can be released. */
  async #drain(poll) {
    try {
      return JSON.parse(await this.#client.once('POST', '/v1/lease', JSON.stringify({ ...poll, wait_ms: 0 }))).tasks;
    } catch {
      return []; // those leases end by themselves
    }
  }

  /** Settles at once when the task is begun, or when it is released because it will not be. */
  async #begin(leased) {
    const handler = this.#handlers.get(`${leased.kind} ${leased.queue}`);
    if (handler && !this.#stopping) {
      const task = new Task(leased);
      this.#running.set(task.token, task);
      this.#changed();
      void this.#execute(handler, task);
      return;
    }
    if (!handler) this.#log(`no ${leased.kind} handler for queue ${leased.queue}: released`);
    const leases = [{ token: leased.token, delay_ms: handler ? 0 : 1000 }];
    try {
      await this.#client.once('POST', '/v1/tasks/release', JSON.stringify({ leases }));
    } catch (error) {
      this.#log(`could not release ${leased.idempotency_key}: ${error.code}`);
    }
  }

  async #execute(handler, task) {
    let item;
    try {
      item = this.#success(task, await handler(task));
    } catch (error) {
      let failure = error;
      if (!(failure instanceof TaskFailed)) {
        this.#log(`handler of ${task.idempotencyKey} failed: ${error?.stack ?? error}`);
        failure = new TaskFailed('exception', String(error).slice(0, MESSAGE_CHARS), { effect: 'unknown' });
      }
      item = this.#failure(task, failure);
    }
    task.close();
    this.#running.delete(task.token);
    this.#results.push({ token: task.token, item });
    this.#changed();
  }

  #success(task, value) {
    const { output, found } = value instanceof Outcome ? value : new Outcome(value);
    try {
      return JSON.stringify({ token: task.token, output, found: task.kind === 'undo' ? found : undefined });
    } catch (error) {
      const about = /** @type {const} */ ({ retryable: false, effect: 'unknown' });
      return this.#failure(task, new TaskFailed('output_not_json', String(error), about));
    }
  }

  #failure(task, { code, message, retryable, effect, details }) {
    const error = { code: String(code).slice(0, 64) || 'failed', message };
    try {
      return JSON.stringify({ token: task.token, error: { ...error, details }, retryable, effect });
    } catch {
      return JSON.stringify({ token: task.token, error, retryable, effect }); // details that are no JSON are left out
    }
  }

  // Reporting.

  /** Sends results while a poll is waiting, and the last ones of a stop. */
  async #reportLoop() {
    while (!this.#finished()) {
      if (this.#results.length && (this.#polling || this.#stopping)) await this.#report(this.#take());
      else await this.#change();
    }
  }

  #take() {
    const batch = [];
    let size = 0;
    for (const result of this.#results) {
      if (batch.length === RESULTS_MAX || (batch.length && size + result.item.length > BATCH_CHARS)) break;
      batch.push(result);
      size += result.item.length;
    }
    this.#results.splice(0, batch.length);
    this.#sending += batch.length;
    return batch;
  }

  #putBack(batch) {
    this.#results.unshift(...batch);
    this.#sending -= batch.length;
    this.#changed();
  }

  async #report(batch) {
    const backoff = new Backoff();
    for (;;) {
      try {
        const body = `{"results":[${batch.map(({ item }) => item).join(',')}]}`;
        const answer = JSON.parse(await this.#client.once('POST', '/v1/tasks/results', body));
        return await this.#settle(batch, answer.results);
      } catch (error) {
        if (!this.#transient(error)) return this.#reportEach(batch, error);
        if (performance.now() > this.#giveUp) {
          this.#log(`${batch.length} results could not be reported: ${error.code}`);
          return this.#settle(batch, []);
        }
        await this.#pause(backoff.next(error));
      }
    }
  }

  /** A request refused as a whole holds a result that the server does not take: its task ends as unknown. */
  async #reportEach(batch, error) {
    if (!(error instanceof DtaError)) throw error;
    if (batch.length > 1) {
      for (const one of batch) await this.#report([one]);
      return;
    }
    const [{ token, item }] = batch;
    this.#log(`result refused: ${error.message}`);
    const told = { code: 'result_refused', message: error.message.slice(0, MESSAGE_CHARS) };
    const refused = JSON.stringify({ token, error: told, retryable: false, effect: 'unknown' });
    if (item.includes('"code":"result_refused"')) await this.#settle(batch, []);
    else await this.#report([{ token, item: refused }]);
  }

  async #settle(batch, answers) {
    const again = [];
    answers.forEach((answer, i) => {
      if (answer.ok || !batch[i]) return;
      const code = answer.problem?.code;
      if (RETRYABLE.has(code)) again.push(batch[i]);
      else this.#log(`result of ${batch[i].token}: ${code}: ${answer.problem?.detail}`);
    });
    if (again.length) await this.#pause(100);
    this.#results.unshift(...again);
    this.#sending -= batch.length;
    this.#changed();
  }

  #transient(error) {
    return error instanceof DtaError && (RETRYABLE.has(error.code) || error.code === 'storage_fault');
  }

  // Leases.

  /** Keeps the leases of tasks that need heartbeats; for the others, asks whether they shall stop. */
  async #leaseLoop() {
    while (!this.#finished()) {
      const now = performance.now();
      if (this.#stopping && now > this.#giveUp - this.#stopWithinMs / 3) {
        for (const task of this.#running.values()) task.askToStop(true);
      }
      const running = [...this.#running.values()];
      const due = running.filter((task) => task.nextBeat <= now).slice(0, RESULTS_MAX);
      if (!due.length) {
        const until = Math.min(...running.map((task) => task.nextBeat - now), this.#stopWithinMs / 10, 500);
        await this.#change(Math.max(1, until));
        continue;
      }
      for (const task of due) task.nextBeat = now + task.beatPeriodMs;
      await this.#beat(due);
    }
  }

  /** @param {Task[]} tasks */
  async #beat(tasks) {
    let answers;
    try {
      const leases = tasks.map(({ token, detail }) => ({ token, detail }));
      answers = JSON.parse(await this.#client.once('POST', '/v1/tasks/heartbeat', JSON.stringify({ leases }))).results;
    } catch (error) {
      this.#log(`heartbeat failed: ${error.message}`); // the next one is a third of the period away
      return;
    }
    tasks.forEach((task, i) => {
      const answer = answers[i] ?? {};
      if (answer.ok) task.extend(answer.lease_ms);
      if (answer.stop || answer.problem?.code === 'stale_lease') task.askToStop(false);
    });
  }
}

/**
 * What barrier() needs of a SQL database, whatever its driver: an open transaction. Values are marked with `?`.
 * @typedef {object} SqlTransaction
 * @property {(sql: string, values?: (string | number | null)[]) => Promise<Record<string, any>[]>} all rows of a query
 * @property {(sql: string, values?: (string | number | null)[]) => Promise<number>} run rows changed
 */

/** The barrier's table; create it before the first call. SQLite and PostgreSQL take it as it is. */
export const BARRIER_TABLE = `CREATE TABLE IF NOT EXISTS dta_barrier (
  key TEXT PRIMARY KEY, origin TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0, found INTEGER, output TEXT)`;

/**
 * Runs `body` inside one transaction of a PostgreSQL database, by a pool of `pg` (node-postgres): committed when it
 * resolves, rolled back when it rejects. Any isolation level from READ COMMITTED upwards will do for barrier().
 * In `body`, `?` marks a value, as in barrier(); for statements that need a question mark use `sql.client`, which is
 * the connection of `pg` itself.
 * @template T
 * @param {{ connect: () => Promise<any> }} pool
 * @param {(sql: SqlTransaction & { client: any }) => Promise<T>} body
 * @returns {Promise<T>}
 */
export async function postgresqlTransaction(pool, body) {
  const client = await pool.connect();
  const query = (sql, values = []) => {
    let count = 0;
    return client.query(sql.replace(/\?/g, () => `$${(count += 1)}`), values);
  };
  const sql = {
    client,
    all: async (text, values) => (await query(text, values)).rows,
    run: async (text, values) => (await query(text, values)).rowCount,
  };
  let broken;
  try {
    await client.query('BEGIN');
    const result = await body(sql);
    // A transaction in which a statement failed answers COMMIT with success, and with the tag ROLLBACK.
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error('rolled back at COMMIT, because a statement in the transaction had failed');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((lost) => { broken = lost; }); // the pool throws a broken connection away
    throw error;
  } finally {
    client.release(broken);
  }
}

/**
 * Runs `effect` at most once for a task's idempotency key, in one local SQL transaction with the key.
 * - A duplicate does nothing and gives the first answer again.
 * - An undo inserts its action's key as well. Finding that key free means that the action never took effect: nothing is
 *   undone, the answer says `found` false, and an action that arrives later finds itself undone.
 * - An action that finds itself undone throws TaskFailed('undone', retryable false, effect none).
 *
 * Call it inside a transaction that commits when it resolves and rolls back when it rejects:
 * `database.transaction((sql) => barrier(sql, task, () => effect(sql)))`. A handler returns the Outcome as it is.
 * @param {SqlTransaction} sql @param {Task} task @param {() => unknown} effect its value is the output
 * @returns {Promise<Outcome>}
 */
export async function barrier(sql, task, effect) {
  // True for one caller only: of two at once the second waits until the first one's transaction has ended.
  const insert = async (key) => (await sql.run(
    'INSERT INTO dta_barrier (key, origin) VALUES (?, ?) ON CONFLICT DO NOTHING', [key, task.kind])) === 1;
  const select = 'SELECT origin, undone, found, output FROM dta_barrier WHERE key = ?';
  const row = async (key) => (await sql.all(select, [key]))[0];
  const key = task.idempotencyKey;
  if (!(await insert(key))) {
    const known = await row(key);
    if (task.kind === 'do' && (known.origin === 'undo' || known.undone)) {
      throw new TaskFailed('undone', 'this action was undone before it took effect', { retryable: false });
    }
    const output = known.output === null ? undefined : JSON.parse(known.output);
    return new Outcome(output, { found: task.kind === 'undo' ? Boolean(known.found) : undefined });
  }
  let run = true;
  let found;
  if (task.kind === 'undo') {
    run = false;
    found = false;
    if (!(await insert(task.actionKey))) {
      // The undo may have been ordered more than once, and two orders may run at once: one of them gets the row.
      run = (await sql.run("UPDATE dta_barrier SET undone = 1 WHERE key = ? AND origin = 'do' AND undone = 0",
        [task.actionKey])) === 1;
      found = run || (await row(task.actionKey)).origin === 'do';
    }
  }
  const output = run ? await effect() : undefined;
  await sql.run('UPDATE dta_barrier SET found = ?, output = ? WHERE key = ?',
    [found === undefined ? null : Number(found), JSON.stringify(output) ?? null, key]);
  return new Outcome(output, { found });
}
