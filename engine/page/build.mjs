// Bundles the page into the Python package: node build.mjs [--check | --test]
// --check tells whether what is there is what would be written; --test bundles the tests for `node --test`.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, "..", "gapscope", "report", "assets");

const packageOf = (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];

// The licenses of what is bundled, which ask to be carried along.
const licenses = (metafile) => {
  const names = [...new Set(Object.keys(metafile.inputs).map(packageOf).filter(Boolean))].sort();
  return names.map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(folder, file), "utf8").trim() : "";
    return `${name} ${version} (${license})\n\n${text}\n`;
  }).join("\n---\n\n");
};

const options = {
  absWorkingDir: here,
  bundle: true,
  charset: "ascii",
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  loader: { ".css": "css" },
  logLevel: "warning",
  metafile: true,
  minify: true,
  target: "es2022",
};

if (process.argv.includes("--test")) {
  rmSync(join(here, "build"), { recursive: true, force: true });
  const tests = readdirSync(join(here, "test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...options, entryPoints: tests.map((name) => `test/${name}`), outdir: "build", outExtension: { ".js": ".mjs" },
    format: "esm", minify: false, platform: "node", packages: "bundle",
  });
} else {
  const isCheck = process.argv.includes("--check");
  const entryPoints = ["src/start.ts", "src/page.tsx", "src/page.css"];
  const made = await build({ ...options, entryPoints, outdir: assets, write: false });
  const files = new Map(made.outputFiles.map(({ path, text }) => [path, text]));
  files.set(join(assets, "LICENSES.txt"), licenses(made.metafile));
  const { writeFileSync, existsSync } = await import("node:fs");
  const stale = [...files].filter(([path, text]) => !existsSync(path) || readFileSync(path, "utf8") !== text);
  if (isCheck && stale.length) {
    console.error(`not as its sources say: ${stale.map(([path]) => path).join(", ")}; run: make page`);
    process.exit(1);
  }
  for (const [path, text] of stale) writeFileSync(path, text);
}
