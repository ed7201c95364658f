// Starts `dta server` and the benchmark's worker for a peer harness, and runs its measurements when one is named.
// See README.md beside this file. Node 18 or newer, no packages.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const flag = (name) => process.argv.includes(`--${name}`);

const binary = option('dta', path.join(root, 'build/release/cli/dta'));
const bench = option('bench', path.join(root, 'build/release/bench/dta_bench'));
const seconds = Number(option('secs', 6));
const repetitions = Number(option('reps', 2));
const concurrencies = option('conc', '1,16,128').split(',').map(Number);
const variants = option('variants', 'ok,comp').split(',');
const oneTask = flag('one-task');
const harness = flag('serve') ? undefined : option('harness');

const task = (name) => ({ name, queue: 'bench', undo: { queue: 'bench' } });
const step = (name) => ({ name, tasks: ['t1', 't2', 't3', 't4'].map(task) });
const definition = { name: 'bench', version: 1, steps: ['s1', 's2', 's3'].map(step) };

const folder = fs.mkdtempSync(path.join(process.env.PEER_TMP ?? os.tmpdir(), 'dta-peer-'));
const children = [];

function startServer() {
  const server = spawn(binary, ['server', '--data', path.join(folder, 'data'), '--listen', '127.0.0.1:0', '--grace', '0s'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(server);
  return new Promise((resolve, reject) => {
    let said = '';
    server.stdout.on('data', (piece) => {
      said += piece;
      const found = /listening on (127\.0\.0\.1:\d+)/.exec(said);
      if (found) resolve({ server, url: `http://${found[1]}` });
    });
    server.on('exit', (code) => reject(new Error(`the server ended with ${code} before it listened`)));
  });
}

async function call(url, method, body) {
  const answer = await fetch(url, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  const value = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${url}: ${JSON.stringify(value)}`);
  return value;
}

async function measure(url, server, worker) {
  const { measured, wrk, row, table } = await import(pathToFileURL(path.join(harness, 'lib/harness.mjs')));
  const pathName = '/v1/start/bench?id_from=/tx&wait_ms=60000';
  for (const fail of [false, true]) {
    const probe = await call(url + pathName, 'POST', { tx: `probe-${fail}`, fail, amount: 1999 });
    if (probe.phase !== (fail ? 'compensated' : 'completed')) throw new Error(`the probe ended as ${probe.phase}`);
  }
  const rows = [];
  for (const variant of variants)
    for (const open of concurrencies)
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const { res, m } = await measured({ server: [server.pid], worker: [worker.pid] }, folder,
          (attempt) => wrk({ url, pathName, conc: open, seconds, fail: variant === 'comp', tag: `d${variant}${open}r${repetition}a${attempt}` }),
          { limit: 0.8 });
        rows.push(row({ peer: oneTask ? 'dta-one-task' : 'dta', variant, conc: open, n: res.requests, secs: res.duration_us / 1e6,
          p50us: res.p50, p99us: res.p99, bad: res.bad + res.sockerr, s: m }));
      }
  table(rows);
}

function stop() {
  for (const child of children.reverse()) if (child.exitCode === null) child.kill('SIGTERM');
}

try {
  const { server, url } = await startServer();
  await call(`${url}/v1/definitions/bench/1`, 'PUT', definition);
  const worker = spawn(bench, ['worker', '--port', new URL(url).port, ...(oneTask ? ['--one-task'] : [])], { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(worker);
  if (harness) {
    await measure(url, server, worker);
  } else {
    console.log(url);
    await new Promise((resolve) => { process.on('SIGINT', resolve); process.on('SIGTERM', resolve); });
  }
} finally {
  const ended = children.map((child) => child.exitCode !== null ? null : new Promise((resolve) => child.on('exit', resolve)));
  stop();
  await Promise.all(ended);
  if (!process.env.PEER_KEEP) fs.rmSync(folder, { recursive: true, force: true });
}
