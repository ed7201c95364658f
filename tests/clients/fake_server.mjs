/**
 * A small server for the tests of the JavaScript client: leases, results and heartbeats as docs/http_api.md tells
 * them, in memory, and faults on demand. It listens on any free port of loopback. A test waits for what it expects
 * with waitFor(), never for time to pass.
 */
import http from 'node:http';

export class FakeServer {
  requests = []; // {method, target, path, query, body}
  faults = []; // [path prefix, undefined | 'lose' | 'cut' | 'hang' | problem]: of the next request that fits
  answers = {}; // 'METHOD path' -> (query, body) => [status, text]
  ready = []; // tasks to hand out
  polls = new Map(); // poll_id -> tokens
  leased = new Map(); // token -> task
  results = new Map(); // token -> the one result
  released = []; // [token, delay]
  beats = []; // [token, detail]
  stopTokens = new Set();
  refuse = () => undefined; // problem for a whole request of results
  waiting = 0; // polls that are being held
  #closing = false;
  #waiters = [];
  #server;

  static async open() {
    const fake = new FakeServer();
    fake.#server = http.createServer((request, response) => void fake.#serve(request, response));
    await new Promise((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    fake.url = `http://127.0.0.1:${fake.#server.address().port}`;
    return fake;
  }

  async close() {
    this.#closing = true;
    this.changed();
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  changed() {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  async waitFor(condition) {
    const timer = setTimeout(() => {
      throw new Error(`waited in vain for ${condition}`);
    }, 30_000);
    while (!condition()) await new Promise((resolve) => this.#waiters.push(resolve));
    clearTimeout(timer);
  }

  async result(token) {
    await this.waitFor(() => this.results.has(token));
    return this.results.get(token);
  }

  bodies(path) {
    return this.requests.filter((request) => request.path === path).map((request) => request.body);
  }

  offer(token, queue, more = {}) {
    const kind = more.kind ?? 'do';
    this.ready.push({
      token, transaction: `t-${token}`, definition: 'd', version: 1, step: 'step', task: 'task', kind, attempt: 1,
      generation: 1, order: 1, queue, idempotency_key: `t-${token}/step/task/0/1/${kind}/1`, lease_ms: 30000,
      heartbeat_ms: null, input: { n: token }, headers: {}, ...more,
    });
    this.changed();
  }

  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = text ? JSON.parse(text) : undefined;
    const [path, query = ''] = request.url.split('?');
    this.requests.push({ method: request.method, target: request.url, path, query, body });
    const fault = this.faults.length && path.startsWith(this.faults[0][0]) ? this.faults.shift()[1] : undefined;
    this.changed();
    if (fault === 'cut') return request.socket.destroy();
    if (typeof fault === 'object') {
      response.writeHead(fault.status ?? 503, { 'retry-after': '0' });
      return response.end(JSON.stringify(fault));
    }
    const known = this.answers[`${request.method} ${path}`];
    const [status, answer] = known ? known(query, body) : await this.#work(path, body);
    if (fault === 'hang') while (!this.#closing) await new Promise((resolve) => this.#waiters.push(resolve));
    if (fault === 'lose' || fault === 'hang') return request.socket.destroy();
    response.writeHead(status, { 'content-type': 'application/json' });
    return response.end(answer);
  }

  async #work(path, body) {
    const one = (items, answer) => {
      const results = items.map((item) => ({ token: item.token, ok: true, ...answer?.(item) }));
      return [200, JSON.stringify({ results })];
    };
    switch (path) {
      case '/v1/lease':
        return [200, JSON.stringify({ tasks: await this.#lease(body) })];
      case '/v1/tasks/results': {
        const problem = this.refuse(body);
        if (problem) return [problem.status, JSON.stringify(problem)];
        const answers = body.results.map((item) => this.#result(item));
        this.changed();
        const tasks = body.then_lease ? await this.#lease(body.then_lease) : undefined;
        return [200, JSON.stringify({ results: answers, tasks })];
      }
      case '/v1/tasks/heartbeat':
        this.beats.push(...body.leases.map((item) => [item.token, item.detail]));
        this.changed();
        return one(body.leases, (item) => ({ lease_ms: 30000, stop: this.stopTokens.has(item.token) }));
      case '/v1/tasks/release':
        this.released.push(...body.leases.map((item) => [item.token, item.delay_ms]));
        this.changed();
        return one(body.leases);
      default:
        return [404, JSON.stringify({ code: 'not_found', title: 'There is nothing at this path', status: 404 })];
    }
  }

  async #lease(poll) {
    if (!this.polls.has(poll.poll_id)) {
      if (poll.wait_ms > 0) {
        this.waiting += 1;
        this.changed();
        while (!this.ready.length && !this.#closing) await new Promise((resolve) => this.#waiters.push(resolve));
        this.waiting -= 1;
      }
      const tasks = this.ready.splice(0, poll.max);
      for (const task of tasks) this.leased.set(task.token, task);
      if (tasks.length) this.polls.set(poll.poll_id, tasks.map((task) => task.token));
      this.changed();
    }
    const open = (this.polls.get(poll.poll_id) ?? []).filter((token) => !this.results.has(token));
    return open.map((token) => this.leased.get(token));
  }

  #result(item) {
    const { token } = item;
    if (this.results.has(token) && JSON.stringify(this.results.get(token)) !== JSON.stringify(item)) {
      return { token, ok: false, problem: { code: 'id_reused' } };
    }
    this.results.set(token, item);
    return { token, ok: true };
  }
}
