/**
 * The mail file of the order example: one line each of idempotency key, address and text. Key and effect are the same
 * write, so that a text file is barrier enough. What was said cannot be unsaid: an e-mail goes out only when nothing is
 * taken back any more, and so has no undo.
 *
 * Invariant: only complete lines count. A torn last one (a crash in the middle of a write) is closed off and ignored.
 */
import fs from 'node:fs';

const TORN = '\t(torn)';

export class Mail {
  /** @type {Set<string>} keys of what was sent */ #sent = new Set();
  #file;

  /** @param {string} path */
  constructor(path) {
    const lines = (fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : '').split('\n');
    const torn = lines.pop();
    for (const line of lines) {
      if (!line.endsWith(TORN)) this.#sent.add(line.split('\t')[0]);
    }
    this.#file = fs.openSync(path, 'a');
    if (torn) fs.writeSync(this.#file, `${TORN}\n`);
  }

  /** @param {string} key @param {string} to @param {string} text */
  send(key, to, text) {
    if (this.#sent.has(key)) return;
    fs.writeSync(this.#file, `${key}\t${to}\t${text}\n`);
    fs.fdatasyncSync(this.#file);
    this.#sent.add(key);
  }
}
