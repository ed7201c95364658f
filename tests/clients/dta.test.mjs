/**
 * Tests of the JavaScript client against a small server in this process (fake_server.mjs), and of its barrier on a real
 * SQLite file. Nothing here depends on how long something takes.
 *
 * Size: client, worker and barrier share one server, and a reader wants all of them.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import {
  actionKey, barrier, BARRIER_TABLE, Client, DtaError, Outcome, Task, TaskFailed, Worker,
} from '../../clients/javascript/dta.mjs';
import { Sqlite } from '../../examples/order/sqlite.mjs';
import { FakeServer } from './fake_server.mjs';

const quiet = () => undefined;

/** A test with a fake server and a client that are closed behind it. */
function withServer(name, body) {
  test(name, async (t) => {
    const server = await FakeServer.open();
    const client = new Client(server.url);
    t.after(async () => {
      client.close();
      await server.close();
    });
    await body(server, client, (options) => new Worker(client, { name: 'w', log: quiet, ...options }));
  });
}

withServer('start is sent again unchanged when its answer is lost', async (server, client) => {
  server.answers['POST /v1/transactions'] = () => [201, '{"phase":"running","outcome":null,"created":true}'];
  server.faults.push(['/v1/transactions', 'lose'], ['/v1/transactions', { code: 'overloaded' }],
    ['/v1/transactions', { code: 'outcome_unknown' }], ['/v1/transactions', 'cut']);
  const content = { input: { a: 'ü' }, attributes: { region: 'eu' } };
  const found = await client.start('o-1', 'order', { ...content, waitMs: 600_000 });
  assert.equal(found.phase, 'running');
  const bodies = server.bodies('/v1/transactions');
  assert.equal(bodies.length, 5);
  for (const body of bodies) assert.deepEqual(body, { id: 'o-1', definition: 'order', ...content, wait_ms: 60000 });
});

withServer('refusals carry their code and are not repeated', async (server, client) => {
  const problem = { code: 'wrong_sequence', status: 409, detail: 'expected 4', current_sequence: 6 };
  server.faults.push(['/v1/transactions/', problem]);
  await assert.rejects(client.append('A1', [{ on: 'Payment' }], { expected: 4 }), (error) => {
    assert(error instanceof DtaError);
    assert.deepEqual([error.code, error.currentSequence, error.status], ['wrong_sequence', 6, 409]);
    return true;
  });
  assert.equal(server.requests.length, 1);
});

withServer('the faults of a definition are all told', async (server, client) => {
  const faults = [{ pointer: '/steps/0', message: 'no name' }];
  server.answers['PUT /v1/definitions/a%2Fb/2'] = () => [422, JSON.stringify({ code: 'invalid_definition', faults })];
  await assert.rejects(client.publish('{"name": "a/b", "version": 2}'), /\/steps\/0: no name/);
});

test('an unreachable server is connection_failed', async () => {
  const server = await FakeServer.open();
  await server.close();
  await assert.rejects(new Client(server.url, { retryForMs: 0 }).metrics(), { code: 'connection_failed' });
  assert.equal(await new Client(server.url).ready(), false);
});

withServer('an append and a cancel keep their ids over a retry', async (server, client) => {
  server.answers['POST /v1/transactions/A1/events'] = () => [200, '{"state":"Paid","repeated":true}'];
  server.answers['POST /v1/transactions/A1/cancel'] = () => [200, '{"phase":"compensating"}'];
  server.faults.push(['/v1/transactions/A1/events', 'lose'], ['/v1/transactions/A1/cancel', 'lose']);
  assert.equal((await client.append('A1', [{ on: 'Payment' }, { on: 'Close', id: 'mine' }])).state, 'Paid');
  assert.equal((await client.cancel('A1', 'customer called', { who: 'anna' })).phase, 'compensating');
  for (const call of ['events', 'cancel']) {
    const [first, second] = server.bodies(`/v1/transactions/A1/${call}`);
    assert.deepEqual(first, second);
  }
  const [{ events }] = server.bodies('/v1/transactions/A1/events');
  assert(events[0].id);
  assert.equal(events[1].id, 'mine');
});

withServer('queues and definitions are changed once over a retry', async (server, client) => {
  const said = { who: 'anna' };
  const calls = [
    ['PUT', '/v1/queues/a%2Fb', { rate: { per_second: 0.5, burst: 3 }, concurrency: 2 },
      () => client.setQueue('a/b', { rate: { per_second: 0.5, burst: 3 }, concurrency: 2 }, 'slow', said)],
    ['POST', '/v1/queues/q/pause', {}, () => client.pauseQueue('q', 'slow', said)],
    ['POST', '/v1/queues/q/resume', {}, () => client.resumeQueue('q', 'slow', said)],
    ['POST', '/v1/definitions/d/pause', {}, () => client.pauseDefinition('d', 'slow', said)],
    ['POST', '/v1/definitions/d/resume', {}, () => client.resumeDefinition('d', 'slow', said)],
    ['POST', '/v1/definitions/d/deprecate', { version: 3, deprecated: true },
      () => client.deprecateDefinition('d', 3, 'slow', said)],
  ];
  for (const [method, path, fields, call] of calls) {
    server.answers[`${method} ${path}`] = () => [200, '{"sequence":4}'];
    server.faults.push([path, 'lose']);
    assert.equal((await call()).sequence, 4);
    const [first, second] = server.bodies(path);
    assert.deepEqual(first, second);
    const { request_id, ...rest } = first;
    assert(request_id);
    assert.deepEqual(rest, { ...fields, reason: 'slow', who: 'anna' });
  }
  server.answers['GET /v1/queues'] = () => [200, '{"queues":[{"queue":"q","ready":2}]}'];
  server.answers['GET /v1/queues/q'] = () => [200, '{"queue":"q","leased":3}'];
  assert.deepEqual(await client.queues(), [{ queue: 'q', ready: 2 }]);
  assert.equal((await client.queue('q')).leased, 3);
});

withServer('terminate and resolve keep their ids over a retry', async (server, client) => {
  const [terminate, resolve] = ['terminate', 'incidents/2/resolve'].map((call) => `/v1/transactions/o/${call}`);
  for (const path of [terminate, resolve]) {
    server.answers[`POST ${path}`] = () => [200, '{"phase":"terminated"}'];
    server.faults.push([path, 'lose']);
  }
  assert.equal((await client.terminate('o', 'settled', { who: 'anna' })).phase, 'terminated');
  assert.equal((await client.resolve('o', 2, 'retry', 'it is back')).phase, 'terminated');
  for (const path of [terminate, resolve]) {
    const [first, second] = server.bodies(path);
    assert(first.request_id && first.request_id === second.request_id);
  }
  assert.equal(server.bodies(terminate)[0].who, 'anna');
  assert.equal(server.bodies(resolve)[0].resolution, 'retry');
});

withServer('pause, resume and a signal keep their ids over a retry', async (server, client) => {
  const [pause, resume, signal] = ['pause', 'resume', 'signals/decision'].map((call) => `/v1/transactions/o/${call}`);
  for (const path of [pause, resume, signal]) {
    server.answers[`POST ${path}`] = () => [200, '{"phase":"running","sequence":4}'];
    server.faults.push([path, 'lose']);
  }
  assert.equal((await client.pause('o', 'stock is counted', { who: 'otto' })).phase, 'running');
  assert.equal((await client.resume('o', 'counted')).phase, 'running');
  assert.equal((await client.signal('o', 'decision', { answer: 'no' })).sequence, 4);
  for (const path of [pause, resume, signal]) {
    const [first, second] = server.bodies(path);
    assert.deepEqual(first, second);
  }
  assert.equal(server.bodies(pause)[0].who, 'otto');
  assert(server.bodies(resume)[0].request_id);
  assert.deepEqual(server.bodies(signal)[0].payload, { answer: 'no' });
  assert(server.bodies(signal)[0].signal_id);
  await client.signal('o', 'decision', undefined, { signalId: 'mine' });
  assert.deepEqual(server.bodies(signal)[2], { signal_id: 'mine' });
});

withServer('reports of external tasks get ids that stay over a retry', async (server, client) => {
  const path = '/v1/transactions/o/events';
  server.answers[`POST ${path}`] = () => [200, '{"first_sequence":5,"sequence":6,"repeated":false}'];
  server.faults.push([path, 'lose']);
  const reports = [
    { task: 'ship/book', result: 'done', output: { n: 1 } },
    { task: 'ship/label', instance: 3, result: 'failed', error: { code: 'no_room' }, event_id: 'mine' },
  ];
  assert.equal((await client.reportExternal('o', reports, { expected: 4 })).sequence, 6);
  const [first, second] = server.bodies(path);
  assert.deepEqual(first, second);
  assert.equal(first.expected, 4);
  assert(first.events[0].event_id);
  assert.deepEqual(first.events[1], reports[1]);
});

withServer('history goes on past a full page', async (server, client) => {
  server.answers['GET /v1/transactions/o/history'] = (query) => {
    const first = Number(new URLSearchParams(query).get('from'));
    const rows = [];
    for (let n = first; n < Math.min(first + 1000, 1501); n += 1) rows.push(`{"sequence":${n},"kind":"k"}\n`);
    return [200, rows.join('')];
  };
  const seen = [];
  for await (const event of client.history('o')) seen.push(event.sequence);
  assert.equal(seen.length, 1500);
  assert(seen.every((sequence, i) => sequence === i + 1));
});

withServer('a followed history goes on after a broken stream until the end', async (server, client) => {
  server.answers['GET /v1/transactions/o/history'] = (query) => {
    const params = new URLSearchParams(query);
    assert.equal(params.get('follow'), '1');
    return [200, `{"sequence":${params.get('from')},"kind":"k"}\n`];
  };
  server.answers['GET /v1/transactions/o'] = () => [200, '{"phase":"completed","sequence":3}'];
  server.faults.push(['/v1/transactions/o/history', 'cut']);
  const seen = [];
  for await (const event of client.history('o', { follow: true })) seen.push(event.sequence);
  assert.deepEqual(seen, [1, 2, 3]);
});

withServer('a followed history of nothing is refused', async (server, client) => {
  await assert.rejects(client.history('o', { follow: true }).next(), { code: 'not_found' });
});

withServer('lists are read page by page with their filters', async (server, client) => {
  server.answers['GET /v1/transactions'] = (query) => {
    const params = new URLSearchParams(query);
    assert.deepEqual([params.get('status'), params.get('attr.region')], ['running', 'eu']);
    const second = params.get('cursor') === 'c1';
    return [200, JSON.stringify({ transactions: [{ id: second ? 'b' : 'a' }], next: second ? null : 'c1' })];
  };
  const seen = [];
  const filters = { status: 'running', attributes: { region: 'eu' } };
  for await (const row of client.allTransactions(filters)) seen.push(row.id);
  assert.deepEqual(seen, ['a', 'b']);
});

withServer('wait asks until the outcome is decided', async (server, client) => {
  const outcomes = [null, 'compensated'];
  server.answers['GET /v1/transactions/o'] = () => [200, JSON.stringify({ outcome: outcomes.shift() })];
  assert.equal((await client.wait('o')).outcome, 'compensated');
});

withServer('events end with a cursor', async (server, client) => {
  server.answers['GET /v1/events'] = () => [200, '{"sequence":1,"transaction":"o"}\n{"cursor":"c9"}\n'];
  const page = await client.events('c8');
  assert.deepEqual([page.cursor, page.events.length, server.requests[0].query], ['c9', 1, 'cursor=c8&limit=1000']);
});

withServer('results travel with the next poll', async (server, client, worker) => {
  const one = worker({ concurrency: 1 });
  one.handle('q', { do: (task) => ({ was: task.input.n }) });
  for (const n of [0, 1, 2]) server.offer(`k${n}`, 'q');
  void one.start();
  for (const token of ['k0', 'k1', 'k2']) {
    assert.deepEqual(await server.result(token), { token, output: { was: token } });
  }
  await one.stop();
  const carried = server.bodies('/v1/tasks/results').filter((body) => body.then_lease);
  assert(carried.length >= 2);
  assert.equal(new Set(carried.map((body) => body.then_lease.poll_id)).size, carried.length);
});

withServer('a task of a for_each knows its instance', async (server, client, worker) => {
  const one = worker();
  one.handle('q', { do: (task) => task.instance });
  server.offer('third', 'q', { instance: 2 });
  server.offer('alone', 'q');
  void one.start();
  assert.equal((await server.result('third')).output, 2);
  assert.equal((await server.result('alone')).output, 0);
  await one.stop();
});

withServer('a poll keeps its id when the answer is lost and the task runs once', async (server, client, worker) => {
  const runs = [];
  const one = worker();
  one.handle('q', { do: (task) => void runs.push(task.token) });
  server.offer('k', 'q');
  server.faults.push(['/v1/lease', 'lose'], ['/v1/lease', { code: 'unavailable' }]);
  void one.start();
  assert.deepEqual(await server.result('k'), { token: 'k' });
  await one.stop();
  const ids = server.bodies('/v1/lease').map((poll) => poll.poll_id);
  assert.deepEqual([ids[1], ids[2]], [ids[0], ids[0]]);
  assert.deepEqual(runs, ['k']);
});

withServer('a result is sent again unchanged until it is acknowledged', async (server, client, worker) => {
  const one = worker();
  one.handle('q', { do: () => 7 });
  server.faults.push(['/v1/tasks/results', 'cut'], ['/v1/tasks/results', { code: 'outcome_unknown' }]);
  server.offer('k', 'q');
  void one.start();
  assert.deepEqual(await server.result('k'), { token: 'k', output: 7 });
  await one.stop();
  const sent = server.bodies('/v1/tasks/results').map((body) => body.results);
  assert(sent.length >= 3);
  for (const items of sent) assert.deepEqual(items, [{ token: 'k', output: 7 }]);
});

withServer('failures tell code, effect and whether to try again', async (server, client, worker) => {
  const one = worker();
  one.handle('q', {
    do: async (task) => {
      const about = { retryable: false, details: { limit: 5 } };
      if (task.token === 'known') throw new TaskFailed('card_refused', 'no money', about);
      throw new TypeError('surprise');
    },
    undo: (task) => task.output === 6 ? undefined : new Outcome(undefined, { found: task.outputKnown && task.output === 5 }),
  });
  server.offer('known', 'q');
  server.offer('unknown', 'q');
  server.offer('found', 'q', { kind: 'undo', output_known: true, output: 5 });
  server.offer('empty', 'q', { kind: 'undo', output_known: false });
  server.offer('plain', 'q', { kind: 'undo', output_known: true, output: 6 });
  void one.start();
  assert.deepEqual(await server.result('known'), {
    token: 'known', error: { code: 'card_refused', message: 'no money', details: { limit: 5 } },
    retryable: false, effect: 'none' });
  assert.deepEqual(await server.result('unknown'), {
    token: 'unknown', error: { code: 'exception', message: 'TypeError: surprise' },
    retryable: true, effect: 'unknown' });
  assert.deepEqual(await server.result('found'), { token: 'found', found: true });
  assert.deepEqual(await server.result('empty'), { token: 'empty', found: false });
  assert.deepEqual(await server.result('plain'), { token: 'plain' });
  await one.stop();
});

withServer('heartbeats carry details and bring the wish to stop', async (server, client, worker) => {
  const one = worker();
  one.handle('q', {
    do: async (task) => {
      task.detail = { page: task.heartbeat.page + 1 };
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      task.check('unknown');
    },
  });
  server.offer('k', 'q', { heartbeat_ms: 30, heartbeat: { page: 2 } });
  void one.start();
  await server.waitFor(() => server.beats.some(([token, detail]) => token === 'k' && detail?.page === 3));
  server.stopTokens.add('k');
  const result = await server.result('k');
  assert.deepEqual([result.error.code, result.retryable, result.effect], ['stopped', false, 'unknown']);
  await one.stop();
});

test('a task stops by itself before its lease ends', () => {
  const task = new Task({ lease_ms: 60000, idempotency_key: 't/s/a/0/1/do/1' });
  assert(task.remainingMs < 58001); // two seconds of margin for a lease of a minute
  task.check();
  task.deadline -= 60000; // as if that time had passed
  assert.throws(() => task.check(), { code: 'lease_ending', retryable: true });
  task.close();
});

withServer('a stop finishes what is begun and releases what is not', async (server, client, worker) => {
  const one = worker({ concurrency: 2 });
  let goOn;
  one.handle('q', { do: () => new Promise((resolve) => { goOn = () => resolve('finished'); }) });
  server.faults.push(['/v1/lease', undefined], ['/v1/lease', 'hang']); // the second poll's answer never arrives
  server.offer('begun', 'q');
  void one.start();
  await server.waitFor(() => server.waiting === 1 && goOn);
  server.offer('late', 'q');
  await server.waitFor(() => server.leased.has('late'));
  const stopped = one.stop();
  await server.waitFor(() => server.released.length > 0);
  goOn();
  await stopped;
  assert.deepEqual([...server.results.values()], [{ token: 'begun', output: 'finished' }]);
  assert.deepEqual(server.released, [['late', 0]]);
});

withServer('a stop that lasts too long asks the handlers', async (server, client, worker) => {
  const one = worker({ stopWithinMs: 3000 });
  let begun;
  const working = new Promise((resolve) => { begun = resolve; });
  one.handle('q', {
    do: async (task) => {
      begun();
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      task.check();
    },
  });
  server.offer('k', 'q');
  void one.start();
  await working;
  await one.stop();
  const result = await server.result('k');
  assert.deepEqual([result.error.code, result.retryable], ['worker_stops', true]);
});

withServer('a stop does not wait for an idle poll', async (server, client, worker) => {
  const one = worker({ pollWaitMs: 60_000 });
  one.handle('q', { do: () => undefined });
  void one.start();
  await server.waitFor(() => server.waiting === 1);
  await one.stop();
  assert.equal(server.waiting, 1); // the fake server still holds it
});

withServer('a task without handler is released for others', async (server, client, worker) => {
  const one = worker();
  one.handle('q', { do: () => undefined });
  server.offer('k', 'q', { kind: 'undo' });
  void one.start();
  await server.waitFor(() => server.released.length > 0);
  assert.deepEqual(server.released, [['k', 1000]]);
  await one.stop();
});

withServer('a result that the server never takes does not block the others', async (server, client, worker) => {
  const tooLarge = { code: 'too_large', status: 413 };
  server.refuse = (body) => (body.results.some((item) => item.output === 'huge') ? tooLarge : undefined);
  const one = worker();
  one.handle('q', { do: (task) => (task.token === 'k1' ? 'huge' : task.token === 'k2' ? 1n : 'fine') });
  for (const n of [0, 1, 2, 3]) server.offer(`k${n}`, 'q');
  void one.start();
  assert.equal((await server.result('k0')).output, 'fine');
  assert.equal((await server.result('k3')).output, 'fine');
  const refused = await server.result('k1');
  assert.deepEqual([refused.error.code, refused.effect], ['result_refused', 'unknown']);
  assert.equal((await server.result('k2')).error.code, 'output_not_json');
  await one.stop();
});

withServer('a poll that is refused ends the worker with the reason', async (server, client, worker) => {
  const one = worker();
  one.handle('q', { do: () => undefined });
  server.faults.push(['/v1/lease', { code: 'invalid_argument', status: 400 }]);
  await assert.rejects(one.start(), { code: 'invalid_argument' });
});

// The barrier, on a real SQLite file.

const hasSqlite = process.env.PATH.split(':').some((folder) => fs.existsSync(path.join(folder, 'sqlite3')));
const skip = hasSqlite ? false : 'the sqlite3 command line program is not installed';

function withDatabase(name, body) {
  test(name, { skip }, async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dta-test-'));
    const schema = `CREATE TABLE IF NOT EXISTS stock (level INTEGER, note TEXT); ${BARRIER_TABLE}`;
    const database = new Sqlite(path.join(folder, 'stock.db'), schema);
    t.after(async () => {
      await database.close();
      fs.rmSync(folder, { recursive: true });
    });
    await database.transaction((sql) => sql.run('INSERT INTO stock (level) VALUES (10)'));
    const call = (kind, key, change) => {
      const task = new Task({ kind, idempotency_key: key, lease_ms: 60000 });
      task.close();
      return database.transaction((sql) => barrier(sql, task, async () => {
        await sql.run('UPDATE stock SET level = level + ?', [change]);
        return { level: (await sql.all('SELECT level FROM stock'))[0].level };
      }));
    };
    const level = async () => (await database.transaction((sql) => sql.all('SELECT level FROM stock')))[0].level;
    await body(call, level, database);
  });
}

const kDo = 't/s/a/0/1/do/1';
const kUndo = 't/s/a/0/1/undo/1';

withDatabase('barrier: a duplicate does nothing and answers the same', async (call, level) => {
  assert.deepEqual((await call('do', kDo, -1)).output, { level: 9 });
  assert.deepEqual((await call('do', kDo, -1)).output, { level: 9 });
  assert.equal(await level(), 9);
});

withDatabase('barrier: an undo takes back once, also when it is ordered again', async (call, level) => {
  await call('do', kDo, -1);
  assert.equal((await call('undo', kUndo, 1)).found, true);
  assert.equal((await call('undo', kUndo, 1)).found, true);
  assert.equal((await call('undo', 't/s/a/0/1/undo/2', 1)).found, true);
  assert.equal(await level(), 10);
  await assert.rejects(call('do', kDo, -1), { code: 'undone', retryable: false, effect: 'none' });
  assert.equal(await level(), 10);
});

withDatabase('barrier: an empty undo shuts the door for a hanging action', async (call, level) => {
  assert.equal((await call('undo', kUndo, 1)).found, false);
  assert.equal((await call('undo', kUndo, 1)).found, false);
  await assert.rejects(call('do', kDo, -1), { code: 'undone' });
  assert.equal(await level(), 10);
});

withDatabase('sqlite: values stay values, and an error rolls back and goes on', async (call, level, database) => {
  const nasty = `it's "q" \n.exit\n; DROP TABLE stock; -- ü 💥\u0007\\ ?`;
  await database.transaction((sql) => sql.run('UPDATE stock SET note = ?', [nasty]));
  await assert.rejects(database.transaction(async (sql) => {
    await sql.run('UPDATE stock SET level = ?', [0]);
    await sql.run('UPDATE nowhere SET level = 1');
  }), /no such table/);
  await assert.rejects(database.transaction(async (sql) => {
    await sql.run('UPDATE stock SET level = ?', [0]);
    throw new Error('changed my mind');
  }), /changed my mind/);
  const rows = await database.transaction((sql) => sql.all('SELECT * FROM stock'));
  assert.deepEqual(rows, [{ level: 10, note: nasty }]);
});

test("an action's key", () => {
  assert.equal(actionKey('t/s/a/0/2/undo/3'), 't/s/a/0/2/do/1');
  assert.equal(actionKey(kDo), kDo);
});
