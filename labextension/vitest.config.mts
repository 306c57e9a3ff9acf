import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      // As JupyterLab's builder does: an icon is the text of its SVG.
      name: 'svg-as-text',
      enforce: 'pre',
      async load(id) {
        return id.endsWith('.svg')
          ? `export default ${JSON.stringify(await readFile(id, 'utf8'))}`
          : null;
      }
    }
  ],
  // Their CommonJS would load one another a second time, past what is inlined below: an element that
  // one copy makes is none for the other.
  resolve: {
    alias: [
      {
        find: /^@lumino\/([a-z]+)$/,
        replacement: '@lumino/$1/dist/index.es6.js'
      }
    ]
  },
  test: {
    environment: 'jsdom',
    include: ['test/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts'],
    restoreMocks: true,
    // In one world: to load JupyterLab anew for each file takes longer than all tests do.
    isolate: false,
    // They wait for more than half of their time, but one on its own is what two processors get.
    maxWorkers: 2,
    // They import CSS and SVG, which Node alone cannot.
    server: { deps: { inline: [/@jupyterlab/, /@jupyter\//, /@lumino/] } }
  }
});
