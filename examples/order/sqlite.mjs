/**
 * A SQLite file for a Node program without a native module: one `sqlite3` command line process, kept open.
 *
 * Invariants:
 * - Statements run only between BEGIN IMMEDIATE and COMMIT. So whatever is cut off, by a crash of this program (the
 *   child then sees the end of its input, and would even run a half statement) or of the child, is rolled back.
 * - Values never become SQL syntax: text travels as hexadecimal (CAST(X'…' AS TEXT)), numbers are checked to be finite.
 * - One transaction at a time; others wait in line. An error ends the child (-bail), which rolls back; the next one
 *   starts a new child.
 * Each statement is one write; its rows come back as JSON, closed by a marker line of the child's `.print`.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';

/** @param {string | number | null} value */
function literal(value) {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`${value} is no SQL number`);
    return String(value);
  }
  return `CAST(X'${Buffer.from(String(value), 'utf8').toString('hex')}' AS TEXT)`;
}

/** Puts values in the place of question marks; the SQL text itself is the program's own and holds none in strings. */
function bind(sql, values) {
  let next = 0;
  const bound = sql.replace(/\?/g, () => {
    if (next >= values.length) throw new RangeError(`too few values for: ${sql}`);
    return literal(values[next++]);
  });
  if (next !== values.length) throw new RangeError(`too many values for: ${sql}`);
  return bound.replace(/\s*\n\s*/g, ' ');
}

/** One sqlite3 process; ends with its first error. */
class Shell {
  #child;
  #marker = `-- end ${randomUUID()}`;
  #output = '';
  /** @type {{resolve: (rows: any[]) => void, reject: (error: Error) => void} | undefined} */ #waiting;
  /** @type {Error | undefined} */ #gone;

  constructor(path) {
    // The errors go where the rows go, so that they are told in their place.
    const command = 'exec sqlite3 -batch -bail -init /dev/null -json "$0" 2>&1';
    this.#child = spawn('sh', ['-c', command, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout.setEncoding('utf8').on('data', (text) => this.#read(text));
    this.#child.stdin.on('error', () => undefined); // a child that is gone reports itself by 'close'
    this.#child.on('error', (error) => this.#end(error));
    this.#child.on('close', () => this.#end(new Error(`sqlite3 ended: ${this.#output.trim() || 'without a word'}`)));
  }

  get gone() {
    return this.#gone !== undefined;
  }

  /** @param {string} sql @returns {Promise<Record<string, any>[]>} */
  execute(sql) {
    return new Promise((resolve, reject) => {
      if (this.#gone) return reject(this.#gone);
      this.#waiting = { resolve, reject };
      this.#child.stdin.write(`${sql};\n.print "${this.#marker}"\n`);
    });
  }

  kill() {
    this.#child.kill('SIGKILL');
    this.#end(new Error('sqlite3 was stopped'));
  }

  close() {
    return new Promise((resolve) => {
      if (this.#gone) return resolve(undefined);
      this.#child.once('close', resolve);
      this.#child.stdin.end();
    });
  }

  #read(text) {
    this.#output += text;
    if (!this.#output.endsWith(`${this.#marker}\n`) || !this.#waiting) return;
    const json = this.#output.slice(0, -this.#marker.length - 1).trim();
    const { resolve, reject } = this.#waiting;
    this.#waiting = undefined;
    this.#output = '';
    try {
      resolve(json ? JSON.parse(json) : []);
    } catch {
      reject(new Error(`sqlite3 said: ${json}`));
    }
  }

  #end(error) {
    this.#gone ??= error;
    this.#waiting?.reject(this.#gone);
    this.#waiting = undefined;
  }
}

export class Sqlite {
  /** @type {Shell | undefined} */ #shell;
  #path;
  #schema;
  #line = Promise.resolve();

  /** @param {string} path @param {string} schema statements that may run again, separated by semicolons */
  constructor(path, schema) {
    this.#path = path;
    this.#schema = schema;
  }

  /**
   * Runs `body` inside one transaction: committed when it resolves, rolled back when it rejects.
   * @template T
   * @param {(sql: import('../../clients/javascript/dta.mjs').SqlTransaction) => Promise<T>} body
   * @returns {Promise<T>}
   */
  transaction(body) {
    const result = this.#line.then(() => this.#run(body));
    this.#line = result.then(() => undefined, () => undefined);
    return result;
  }

  async close() {
    await this.#line;
    await this.#shell?.close();
    this.#shell = undefined;
  }

  async #open() {
    if (this.#shell && !this.#shell.gone) return this.#shell;
    const shell = new Shell(this.#path);
    await shell.execute('PRAGMA busy_timeout = 10000');
    await shell.execute('PRAGMA journal_mode = WAL');
    await shell.execute('PRAGMA synchronous = FULL');
    await shell.execute('BEGIN IMMEDIATE');
    for (const statement of this.#schema.split(';')) {
      if (statement.trim()) await shell.execute(bind(statement.trim(), []));
    }
    await shell.execute('COMMIT');
    this.#shell = shell;
    return shell;
  }

  async #run(body) {
    const shell = await this.#open();
    const all = (sql, values = []) => shell.execute(bind(sql, values));
    const run = async (sql, values = []) => {
      await all(sql, values);
      return (await shell.execute('SELECT changes() AS changed'))[0].changed;
    };
    await shell.execute('BEGIN IMMEDIATE');
    let result;
    try {
      result = await body({ all, run });
    } catch (error) {
      if (!shell.gone) await shell.execute('ROLLBACK').catch(() => shell.kill());
      throw error;
    }
    await shell.execute('COMMIT');
    return result;
  }
}
