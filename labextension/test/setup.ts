/** What JupyterLab's packages expect of a browser and jsdom does not have. */

class NoDragEvent extends MouseEvent {}

globalThis.DragEvent ??= NoDragEvent as typeof DragEvent;

// JupyterLab's components ask whether colours are forced; here they are not.
window.matchMedia ??= media =>
  Object.assign(new EventTarget(), {
    media,
    matches: false,
    onchange: null,
    addListener: () => undefined,
    removeListener: () => undefined
  });

window.requestIdleCallback ??= callback =>
  window.setTimeout(() =>
    callback({ didTimeout: false, timeRemaining: () => 50 })
  );
window.cancelIdleCallback ??= handle => window.clearTimeout(handle);

// Nothing has a size here, so nothing changes it.
globalThis.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
};
