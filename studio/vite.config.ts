import { defineConfig } from "vite";

// The built page is part of the Python package, so that a user needs no Node.
export default defineConfig({
  base: "./",
  build: { outDir: "../kinetune/serve/static", emptyOutDir: true, chunkSizeWarningLimit: 1500,
    rollupOptions: { output: { entryFileNames: "[name].js", assetFileNames: "[name][extname]" } },
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8423", "/healthz": "http://127.0.0.1:8423" } },
});
