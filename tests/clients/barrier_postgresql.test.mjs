/**
 * Tests of the barrier of the JavaScript client on a real PostgreSQL server, through node-postgres (`pg`), with two
 * connections at once.
 *
 *     python3 tests/clients/postgresql_server.py node --test tests/clients/barrier_postgresql.test.mjs
 *
 * Without the server of postgresql_server.py, or without `pg`, they are skipped. Debian's package node-pg lies in
 * /usr/share/nodejs, where Debian's own Node looks by itself and any other one by NODE_PATH=/usr/share/nodejs.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';

import { barrier, BARRIER_TABLE, postgresqlTransaction, Task } from '../../clients/javascript/dta.mjs';

function driver() {
  try {
    return createRequire(import.meta.url)('pg');
  } catch {
    return undefined;
  }
}

const pg = driver();
let skip = false;
if (!pg) skip = 'pg (node-postgres) is not installed (Debian package node-pg)';
else if (!process.env.DTA_TEST_POSTGRESQL) {
  skip = 'there is no PostgreSQL server for this test; tests/clients/postgresql_server.py COMMAND starts one';
}
if (skip) console.log(`skipped: ${skip}`);

const kDo = 't/s/a/0/1/do/1';
const kUndo = 't/s/a/0/1/undo/1';
const kUndoAgain = 't/s/a/0/1/undo/2';

/** Gives a test two ways to call the barrier, the level, and `meet`; each call is a transaction of its own. */
function withPostgresql(name, body) {
  test(name, { skip }, async (t) => {
    const pool = new pg.Pool({ max: 4 });
    t.after(() => pool.end());
    for (const statement of ['DROP TABLE IF EXISTS dta_barrier, stock', BARRIER_TABLE,
      'CREATE TABLE stock (level INTEGER, note TEXT)', 'INSERT INTO stock VALUES (10)']) await pool.query(statement);

    const level = async () => (await pool.query('SELECT level FROM stock')).rows[0].level;
    const call = (key, inside = async () => undefined) => postgresqlTransaction(pool, (sql) => {
      const kind = key.split('/').at(-2);
      const task = new Task({ kind, idempotency_key: key, lease_ms: 60000 });
      task.close();
      return barrier(sql, task, async () => {
        await sql.run('UPDATE stock SET level = level + ?', [kind === 'do' ? -1 : 1]);
        await inside(sql);
        return { level: (await sql.all('SELECT level FROM stock'))[0].level };
      });
    });
    const answer = async (promise) => {
      try {
        const { found } = await promise;
        return found === undefined ? 'done' : found ? 'found' : 'nothing';
      } catch (error) {
        return error.code ?? error.message;
      }
    };
    /** The second call comes while the first is inside its effect, which ends when the server says that one waits. */
    const meet = async (first, second, breaks = false) => {
      let other;
      const answers = [await answer(call(first, async () => {
        other = answer(call(second));
        const waiting = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0";
        while ((await pool.query(waiting)).rows[0].n === 0);
        if (breaks) throw new Error('broken');
      }))];
      return [...answers, await other];
    };
    await body({ pool, call, level, meet });
  });
}

withPostgresql('a duplicate does nothing and answers the same', async ({ call, level }) => {
  assert.deepEqual((await call(kDo)).output, { level: 9 });
  assert.deepEqual((await call(kDo)).output, { level: 9 });
  assert.equal(await level(), 9);
});

withPostgresql('an undo takes back once, also when it is ordered again', async ({ call, level }) => {
  await call(kDo);
  for (const key of [kUndo, kUndo, kUndoAgain]) assert.equal((await call(key)).found, true);
  assert.equal(await level(), 10);
  await assert.rejects(call(kDo), { code: 'undone', retryable: false, effect: 'none' });
});

withPostgresql('an empty undo shuts the door for a hanging action', async ({ call, level }) => {
  for (const key of [kUndo, kUndo, kUndoAgain]) assert.equal((await call(key)).found, false);
  await assert.rejects(call(kDo), { code: 'undone' });
  assert.equal(await level(), 10);
});

withPostgresql('an effect that throws leaves no trace', async ({ pool, call, level }) => {
  await assert.rejects(call(kDo, () => Promise.reject(new Error('sold out'))), /sold out/);
  assert.equal(await level(), 10);
  assert.equal((await pool.query('SELECT count(*)::int AS n FROM dta_barrier')).rows[0].n, 0);
  await call(kDo);
  assert.equal(await level(), 9);
});

withPostgresql('an error that the effect swallowed is no success', async ({ pool, call, level }) => {
  await assert.rejects(call(kDo, (sql) => sql.run('UPDATE nowhere SET level = 1').catch(() => undefined)), /aborted/);
  await assert.rejects(postgresqlTransaction(pool, (sql) => sql.run('UPDATE nowhere SET level = 1').catch(() => 0)),
    /rolled back at COMMIT/);
  assert.equal(await level(), 10);
});

withPostgresql('values stay values', async ({ pool }) => {
  const nasty = `it's "q" $1 ? ; DROP TABLE stock; -- ü 💥\\`;
  await postgresqlTransaction(pool, (sql) => sql.run('UPDATE stock SET note = ?, level = ?', [nasty, 3]));
  assert.deepEqual((await pool.query('SELECT * FROM stock')).rows, [{ level: 3, note: nasty }]);
});

for (const [first, second, breaks, answers, end] of [
  [kDo, kDo, false, ['done', 'done'], 9],
  [kDo, kDo, true, ['broken', 'done'], 9],
  [kDo, kUndo, false, ['done', 'found'], 10],
  [kDo, kUndo, true, ['broken', 'nothing'], 10],
]) {
  withPostgresql(`${second} at once with ${first}${breaks ? ' that breaks' : ''}`, async ({ level, meet }) => {
    assert.deepEqual(await meet(first, second, breaks), answers);
    assert.equal(await level(), end);
  });
}

for (const [second, breaks, answers] of [
  [kUndo, false, ['found', 'found']],
  [kUndoAgain, false, ['found', 'found']],
  [kUndoAgain, true, ['broken', 'found']],
]) {
  withPostgresql(`${second} at once with ${kUndo}${breaks ? ' that breaks' : ''}`, async ({ call, level, meet }) => {
    await call(kDo);
    assert.deepEqual(await meet(kUndo, second, breaks), answers);
    assert.equal(await level(), 10);
  });
}
